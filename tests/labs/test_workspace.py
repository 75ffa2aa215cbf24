"""The learner's clone: what is in it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import UsageError
from gitops_lab.forge import Forge, Repository
from gitops_lab.forge.command import git
from gitops_lab.labs.workspace import Workspace


@pytest.fixture
def server(tmp_path: Path) -> Repository:
    return Forge(tmp_path / "server", now=lambda: 1e9).create("app")


@pytest.fixture
def clone(tmp_path: Path, server: Repository) -> Workspace:
    workspace = Workspace(tmp_path / "clone")
    workspace.make(server.url, str(tmp_path / "none"))
    return workspace


def branches(clone: Workspace) -> list[str]:
    return git("branch", "--format=%(refname:short)", cwd=clone.folder).split()


def test_it_begins_empty_with_the_files_beside_it(clone: Workspace) -> None:
    assert clone.follow({"a/b.yaml": "b"}) == ""
    assert (clone.folder / "a" / "b.yaml").read_text() == "b"
    assert "??" in git("status", "--short", cwd=clone.folder)


def test_making_it_twice_is_harmless(clone: Workspace, server: Repository, tmp_path: Path) -> None:
    (clone.folder / "mine.txt").write_text("mine")
    clone.make(server.url, str(tmp_path / "other"))
    assert (clone.folder / "mine.txt").exists()


def test_a_commit_in_it_can_be_pushed_and_has_a_neutral_author(
    clone: Workspace, server: Repository
) -> None:
    clone.follow({"a.yaml": "a"})
    git("add", ".", cwd=clone.folder)
    git("commit", "--quiet", "-m", "First", cwd=clone.folder)
    git("push", "--quiet", "origin", "HEAD:main", cwd=clone.folder)
    assert server.log()[0].author == "Learner <learner@example.org>"
    assert clone.keep_work() == "", "the server has it"


def test_what_is_not_on_the_server_is_kept_on_a_branch(
    clone: Workspace, server: Repository
) -> None:
    server.commit("One", {"a.yaml": "a"})
    clone.follow()
    (clone.folder / "a.yaml").write_text("changed")
    (clone.folder / "new.yaml").write_text("new")
    server.commit("Two", {"a.yaml": "b"})
    assert clone.follow() == "my-work-1"
    assert (clone.folder / "a.yaml").read_text() == "b"
    assert not (clone.folder / "new.yaml").exists()
    assert git("show", "my-work-1:a.yaml", cwd=clone.folder) == "changed"
    assert clone.follow() == "", "there is nothing new to keep"
    git("commit", "--quiet", "--allow-empty", "-m", "Ahead", cwd=clone.folder)
    assert clone.follow() == "my-work-2"
    assert branches(clone) == ["main", "my-work-1", "my-work-2"]


def test_a_server_that_was_emptied_empties_it_and_nothing_is_lost(
    clone: Workspace, server: Repository, tmp_path: Path
) -> None:
    server.commit("One", {"a.yaml": "a"})
    clone.follow()
    git("commit", "--quiet", "--allow-empty", "-m", "Mine", cwd=clone.folder)
    git("push", "--quiet", "origin", "HEAD:main", cwd=clone.folder)
    empty = Forge(tmp_path / "second", now=lambda: 1e9).create("app")
    assert clone.keep_work() == ""
    assert clone.keep_work(pushed=True) == "my-work-1"
    clone.make(empty.url, str(tmp_path / "none"))
    assert clone.follow({"start.yaml": "s"}) == ""
    assert [p.name for p in clone.folder.glob("*.yaml")] == ["start.yaml"]
    assert git("show", "my-work-1:a.yaml", cwd=clone.folder) == "a"


@pytest.mark.parametrize("is_repository", [False, True])
def test_a_folder_of_the_learner_s_own_is_left_alone(
    tmp_path: Path, server: Repository, is_repository: bool
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("all of it")
    if is_repository:
        git("init", "--quiet", cwd=folder)
    with pytest.raises(UsageError, match=r"repository of yours|not empty"):
        Workspace(folder).make(server.url, "")
    assert (folder / "thesis.txt").read_text() == "all of it"
