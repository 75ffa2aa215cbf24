"""A forge in a temporary folder, and a person who works with git by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_lab.forge import Forge, Repository
from gitops_lab.forge.command import git
from kubesim.clock import EPOCH


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    forge = Forge(tmp_path / "forge", now=lambda: EPOCH)
    yield forge
    forge.close()


@pytest.fixture
def repository(forge: Forge) -> Repository:
    return forge.create("app")


class Person:
    """A person with a clone, who types git commands."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.folder = repository.checkout(folder)

    def git(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.folder).strip()

    def commit(self, path: str, content: str, message: str = "by hand") -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def person(repository: Repository, tmp_path: Path) -> Person:
    """A person whose clone has one commit, which is pushed already; its event is drained."""
    repository.commit("begin", {"a.yaml": "a: 1\n"})
    list(repository.spool.drain())
    return Person(repository, tmp_path / "clone")
