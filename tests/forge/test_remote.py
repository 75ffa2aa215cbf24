"""A repository on another machine: asked by name and token, copied, and gone at times."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import SourceError
from gitops_lab.forge import Forge, GitSource
from gitops_lab.forge.command import git
from gitops_lab.forge.remote import RemoteSource


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    forge = Forge(tmp_path / "far", now=lambda: 0.0)
    forge.create("app")
    return forge


def remote(forge: Forge, tmp_path: Path, path: str = ".") -> RemoteSource:
    url = forge.repositories["app"].url
    return RemoteSource(url, tmp_path / "copy", path=path)


def test_it_finds_what_a_source_beside_the_repository_finds(forge: Forge, tmp_path: Path) -> None:
    repository = forge.repositories["app"]
    near, far = GitSource(repository, path="deploy"), remote(forge, tmp_path, "deploy")
    for page in "12":
        repository.commit(page, {"deploy/book.yaml": page, "readme": page})
        assert far.head() == near.head()
        artifact = far.fetch(far.head())
        assert artifact == near.fetch(near.head())
        assert artifact.files == {"book.yaml": page.encode()}


def test_another_agent_goes_on_with_the_copy(forge: Forge, tmp_path: Path) -> None:
    revision = forge.repositories["app"].commit("one", {"a": "1"})
    remote(forge, tmp_path).fetch(revision)
    assert remote(forge, tmp_path).fetch(revision).files == {"a": b"1"}


def test_a_forced_push_is_followed(forge: Forge, tmp_path: Path) -> None:
    repository = forge.repositories["app"]
    far = remote(forge, tmp_path)
    first = repository.commit("one", {"a": "1"})
    second = repository.commit("two", {"a": "2"})
    far.fetch(second)
    git("update-ref", "refs/heads/main", first.commit, cwd=repository.path)
    assert far.head() == first
    assert far.fetch(first).files == {"a": b"1"}


def test_an_empty_repository_and_one_that_is_gone_are_told_apart(
    forge: Forge, tmp_path: Path
) -> None:
    far = remote(forge, tmp_path)
    with pytest.raises(SourceError, match="no branch 'main'"):
        far.head()
    (tmp_path / "far" / "app.git").rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="does not answer") as error:
        far.head()
    assert error.value.where == far.url


def test_a_commit_that_is_not_on_the_branch_is_refused(forge: Forge, tmp_path: Path) -> None:
    revision = forge.repositories["app"].commit("one", {"a": "1"})
    far = remote(forge, tmp_path)
    gone = type(revision)(revision.branch, "0123456789" * 4)
    with pytest.raises(SourceError, match="does not exist"):
        far.fetch(gone)
