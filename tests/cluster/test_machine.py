"""What this machine has to offer, as the kernel tells it."""

from __future__ import annotations

from pathlib import Path

from gitops_lab.cluster.machine import (
    available_memory,
    free_disk,
    inotify_limits,
)


def test_memory_is_what_programs_may_still_take(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\n")
    assert available_memory(tmp_path) == 2 * 1024 * 1024


def test_the_limits_of_inotify_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "sys/fs/inotify"
    folder.mkdir(parents=True)
    (folder / "max_user_watches").write_text("8192\n")
    (folder / "max_user_instances").write_text("128\n")
    assert inotify_limits(tmp_path) == (8192, 128)


def test_where_there_is_no_linux_nothing_is_said(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None
    assert inotify_limits(tmp_path) is None
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\n")
    assert available_memory(tmp_path) is None


def test_free_disk_is_that_of_the_folder_above_if_there_is_none_yet(tmp_path: Path) -> None:
    free = free_disk(tmp_path / "not" / "yet")
    assert abs(free - free_disk(tmp_path)) < 2**30
