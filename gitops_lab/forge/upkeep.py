"""Upkeep of a repository: what broken pushes leave goes, and many small files become one.

Git would do both by itself, but only once in a while and at any moment: the forge has it switched
off, and does it where no push is in the way. No object is ever lost by it, reachable or not.

Source: git-gc(1) (`gc.auto`), git-repack(1) (`--geometric`).
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from gitops_lab.forge.command import environment

LOOSE = 2_048
"""From how many files of one object each on a repository is packed."""

STILL = 300.0
"""Seconds of real time after which what a push has stored, and no longer changes, is left over."""

_SAMPLE = "17"
"""One of the 256 folders of objects, which fill evenly: Git, too, counts this one only."""


def remove_left_over(repository: Path, *, now: float) -> None:
    """Remove what pushes stored that ended without Git having a chance to remove it.

    Args:
        repository: the bare repository.
        now: the time on the wall, in seconds since the Unix epoch.
    """
    objects = repository / "objects"
    for pattern in ("*incoming-*", "pack/tmp_*", "pack/.tmp-*"):
        for path in objects.glob(pattern):
            with suppress(OSError):  # it has just gone: a push is under way
                changed = max(each.lstat().st_mtime for each in (path, *path.rglob("*")))
                if now - changed > STILL:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def needs_packing(repository: Path) -> bool:
    """Whether there are many files of one object each."""
    try:
        return sum(1 for _ in (repository / "objects" / _SAMPLE).iterdir()) * 256 >= LOOSE
    except OSError:
        return False


async def pack(repository: Path) -> None:
    """Put all such files into one, beside the running program; what fails is tried again later."""
    with suppress(OSError):
        process = await asyncio.create_subprocess_exec(
            "git", "repack", "--geometric=2", "-d", "-q", "--no-write-bitmap-index",
            cwd=repository,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            raise
