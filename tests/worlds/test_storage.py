"""What CI keeps, in a file: whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gitops_lab.errors import LabError
from gitops_lab.worlds.storage import Storage


def test_another_process_finds_what_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "ci.json"
    storage = Storage(path)
    assert dict(storage) == {}
    storage.update(inventory="[]", revision="main@sha1:1")
    storage["more"] = "x"
    del storage["more"]
    assert dict(Storage(path)) == {"inventory": "[]", "revision": "main@sha1:1"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_that_cannot_be_kept_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "ci.json"
    storage = Storage(path)
    storage["revision"] = "1"
    (tmp_path / ".ci.json.new").mkdir()
    with pytest.raises(LabError, match="what CI keeps cannot be written"):
        storage["revision"] = "2"
    assert storage["revision"] == Storage(path)["revision"] == "1"


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_a_damaged_file_is_told_of_with_the_way_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ci.json"
    path.write_text(text)
    with pytest.raises(LabError, match="what CI kept cannot be read") as error:
        Storage(path)
    assert error.value.where == str(path)
