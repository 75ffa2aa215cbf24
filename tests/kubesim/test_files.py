"""Files that only their owner can read, there as a whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kubesim.files import write_private


def test_nobody_else_can_read_it_whatever_the_umask_says(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        write_private(path, "secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "secret"


def test_the_old_file_stays_if_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, "old")
    (tmp_path / ".key.new").mkdir()
    with pytest.raises(OSError, match="key"):
        write_private(path, "new")
    assert path.read_text() == "old"


def test_what_a_crash_left_half_written_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".key.new").write_text("ha")
    write_private(tmp_path / "key", "whole")
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
