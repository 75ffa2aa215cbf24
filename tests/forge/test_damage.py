"""What is damaged in a repository: told in words, and nothing else breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_lab.errors import ForgeError, SourceError
from gitops_lab.forge import Forge, GitSource, Repository
from gitops_lab.forge.command import git
from gitops_lab.model import Revision


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One with a commit, which was not read yet."""
    repository = Forge(tmp_path, now=lambda: 0.0).create("app")
    repository.commit("one", {"page.yaml": "a: 1"})
    return Repository(repository.path, now=lambda: 0.0)


def stored(repository: Repository, name: str) -> Path:
    """Where an object's content is, writable."""
    sha = git("rev-parse", name, cwd=repository.path).strip()
    path = repository.path / "objects" / sha[:2] / sha[2:]
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("text", ["", "garbage\n", "abc"])
def test_a_damaged_branch_is_not_taken_for_one_that_is_not_there(
    repository: Repository, text: str
) -> None:
    (repository.path / "refs/heads/main").write_text(text)
    with pytest.raises(ForgeError, match="damaged") as error:
        repository.tip()
    assert "fsck" in error.value.fix
    assert repository.tip("other") == ""


def test_a_damaged_configuration_is_told_of(repository: Repository) -> None:
    (repository.path / "config").write_bytes(b"\xff[[[\x00")
    with pytest.raises(ForgeError, match="damaged"):
        Repository(repository.path, now=lambda: 0.0)


@pytest.mark.parametrize("name", ["main", "main^{tree}", "main:page.yaml"])
@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_object_is_told_of_and_the_others_are_still_read(
    repository: Repository, name: str, kept: float
) -> None:
    other = repository.commit("two", {"page.yaml": "a: 2"}, branch="other")
    path = stored(repository, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    revision = Revision("main", repository.tip())
    try:
        files = GitSource(repository).fetch(revision).files
    except (ForgeError, SourceError) as error:
        assert error.fix
    else:  # what was cut off may be a checksum alone
        assert dict(files) == {"page.yaml": b"a: 1"}
    path.write_bytes(whole)
    assert GitSource(repository).fetch(other).files == {"page.yaml": b"a: 2"}
    assert GitSource(repository).fetch(revision).files == {"page.yaml": b"a: 1"}


def test_a_spool_whose_memory_is_damaged_delivers_still(repository: Repository) -> None:
    (repository.spool.path / ".delivered").write_bytes(b"\xff\x00\n" * 9)
    again = Repository(repository.path, now=lambda: 0.0)
    assert [event.branch for event in again.spool.drain()] == ["main"]
