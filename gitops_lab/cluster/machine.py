"""What this machine has to offer: memory, and the kernel's limits that containers share.

All of it is Linux's; elsewhere containers live in a virtual machine, and only their engine knows.
"""

from __future__ import annotations

import shutil
from pathlib import Path

PROC = Path("/proc")

GIB = 2**30


def available_memory(proc: Path = PROC) -> int | None:
    """How many bytes of memory programs may still take; None where the system does not say.

    Source: `MemAvailable` in proc_meminfo(5).
    """
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def free_disk(folder: Path) -> int:
    """How many bytes are free where a folder is, or would be.

    Raises:
        OSError: the system does not say.
    """
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free


def inotify_limits(proc: Path = PROC) -> tuple[int, int] | None:
    """How many watches and instances of inotify a user may have; None where there is none.

    Source: inotify(7).
    """
    folder = proc / "sys/fs/inotify"
    try:
        watches, instances = (
            int((folder / name).read_text()) for name in ("max_user_watches", "max_user_instances")
        )
    except (OSError, ValueError):
        return None
    return watches, instances
