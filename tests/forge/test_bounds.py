"""What a push may bring is bounded: depth, entries and bytes, before they are read."""

from __future__ import annotations

import os

import pytest

from gitops_lab.errors import SourceError
from gitops_lab.forge import GitSource, Repository
from gitops_lab.forge import database as module
from gitops_lab.forge.command import GitFailed, git
from gitops_lab.forge.database import Database
from gitops_lab.forge.objects import Entry, tree_data
from gitops_lab.forge.trees import FILE, FOLDER
from tests.forge.conftest import Person


def deployed(repository: Repository, tree: bytes) -> GitSource:
    """A source whose branch has this folder."""
    who = {f"GIT_{r}_{f}": "x" for r in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")}
    commit = git("commit-tree", "-m", "x", tree.hex(), cwd=repository.path, variables=who).strip()
    repository.push(commit, "main")
    return GitSource(repository)


def test_a_thousand_nested_folders_are_refused(repository: Repository) -> None:
    database = Database(repository.path)
    entry = Entry(FILE, database.store("blob", b"x"))
    for _ in range(1000):
        entry = Entry(FOLDER, database.store("tree", tree_data([("d", entry)])))
    source = deployed(repository, entry.sha)
    database.close()
    with pytest.raises(SourceError, match="nested more than 64 deep"):
        source.fetch(source.head())


def test_a_tree_bomb_is_refused_while_it_is_walked(repository: Repository) -> None:
    database = Database(repository.path)
    entry = Entry(FILE, database.store("blob", b"x"))
    for _ in range(9):  # a billion files in ten objects
        entry = Entry(
            FOLDER, database.store("tree", tree_data([(f"d{n}", entry) for n in range(10)]))
        )
    source = deployed(repository, entry.sha)
    database.close()
    with pytest.raises(SourceError, match="more than 50,000 files"):
        source.fetch(source.head())


def test_a_large_file_is_refused_by_its_size(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILE", 1 << 20)
    repository.commit("large", {"video": os.urandom(3 << 20), "web.yaml": "a: 1"})
    source = GitSource(repository)
    with pytest.raises(SourceError, match="3 MiB, and 1 are read at most"):
        source.fetch(source.head())
    assert repository.read("web.yaml") == b"a: 1"  # the reader goes on


def test_replaced_objects_are_not_what_is_deployed(person: Person, repository: Repository) -> None:
    honest = repository.tip()
    evil = repository.commit("evil", {"a.yaml": "evil"}, branch="evil").commit
    path = repository.path / "refs" / "replace"
    path.mkdir(parents=True)
    (path / honest).write_text(evil + "\n")
    source = GitSource(repository)
    assert source.fetch(source.head()).files["a.yaml"] == b"a: 1\n"
    assert repository.log()[0].message == "begin"


def test_objects_that_git_finds_faulty_are_refused(repository: Repository, person: Person) -> None:
    database = Database(person.folder / ".git")
    blob = Entry(FILE, database.store("blob", b"x"))
    hooks = Entry(FOLDER, database.store("tree", tree_data([("hooks", blob)])))
    tree = database.store("tree", tree_data([(".git", hooks)]))
    who = {f"GIT_{r}_{f}": "x" for r in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")}
    made = git("commit-tree", "-m", "x", tree.hex(), cwd=person.folder, variables=who)
    database.close()
    with pytest.raises(GitFailed, match="hasDotgit"):
        person.git("push", "origin", f"{made.strip()}:refs/heads/x")
