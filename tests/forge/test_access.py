"""What Git is told of a server of ours, however odd the names of folders are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.forge.access import configure
from gitops_lab.forge.command import git


@pytest.mark.parametrize("name", ["a b", "qu'o\"te", "back\\slash", "new\nline", "tab\t", "ü;#"])
def test_git_reads_paths_as_they_are(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    authority = folder / "ca.crt"
    told = configure(
        folder, address="127.0.0.1:1", authority=authority, account="learner", token="secret"
    )
    key = "http.https://127.0.0.1:1/.sslCAInfo"
    found = git("config", "--file", str(told), "--get", key, cwd=tmp_path)
    assert found == f"{authority}\n"
