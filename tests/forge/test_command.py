"""Git is there, young enough, and deaf to what surrounds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_lab.errors import ForgeError
from gitops_lab.forge import Forge
from gitops_lab.forge.command import GitFailed, environment, git


def test_a_machine_without_git_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ForgeError, match="git is not installed") as caught:
        Forge(tmp_path, now=lambda: 0)
    assert "install git" in caught.value.fix


def test_a_process_that_never_saw_git_gets_the_same_clear_error(tmp_path: Path) -> None:
    # GitPython fails on import where there is no git, so this must not depend on an earlier import.
    program = (
        "from pathlib import Path\n"
        "from gitops_lab.errors import ForgeError\n"
        "from gitops_lab.forge import Forge\n"
        "try:\n    Forge(Path('.'), now=lambda: 0)\n"
        "except ForgeError as error:\n    print(error.what)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "git is not installed on this machine\n"


@pytest.mark.parametrize("said", ["git version 2.31.8", "git version 1.99", "no idea"])
def test_a_git_that_is_too_old_is_refused(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "git"
    old.write_text(f"#!/bin/sh\necho '{said}'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ForgeError, match="too old"):
        Forge(tmp_path, now=lambda: 0)


def test_what_git_says_when_it_fails_is_told() -> None:
    with pytest.raises(GitFailed, match="git nonsense failed: git: 'nonsense' is not a git"):
        git("nonsense")


def test_a_folder_that_is_gone_is_not_taken_for_a_missing_git(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="folder is gone"):
        git("version", cwd=tmp_path / "gone")


def test_variables_of_a_surrounding_git_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    assert "GIT_DIR" not in environment()
    assert environment()["GIT_CONFIG_GLOBAL"] == os.devnull
