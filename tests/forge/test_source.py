"""What a deployer sees of a repository, on good days and on bad ones."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from gitops_lab.errors import NoCommits, SourceError
from gitops_lab.forge import GitSource, Repository
from gitops_lab.forge.command import git
from gitops_lab.model import Revision
from kubesim.clock import EPOCH
from tests.forge.conftest import Person


def test_a_source_sees_the_newest_commit_and_its_files(repository: Repository) -> None:
    source = GitSource(repository)
    first = repository.commit("one", {"a.yaml": "1", "d/b.yaml": b"\xff"})
    assert source.head() == first
    second = repository.commit("two", {"a.yaml": "2"})
    assert source.head() == second
    artifact = source.fetch(first)
    assert artifact.revision == first
    assert artifact.files == {"a.yaml": b"1", "d/b.yaml": b"\xff"}
    assert source.fetch(second).files["a.yaml"] == b"2"


@pytest.mark.parametrize("path", ["clusters/east", "./clusters/east/", "clusters/x/../east"])
def test_only_files_below_the_sources_path_count(path: str, repository: Repository) -> None:
    revision = repository.commit(
        "one", {"a.yaml": "1", "clusters/east/b/c.yaml": "2", "clusters/east2/d.yaml": "3"}
    )
    assert GitSource(repository, path=path).fetch(revision).files == {"b/c.yaml": b"2"}


@pytest.mark.parametrize("path", ["/etc", "..", "../other", "a/../../b"])
def test_a_source_path_cannot_leave_the_repository(path: str, repository: Repository) -> None:
    with pytest.raises(SourceError, match="leads out of the repository"):
        GitSource(repository, path=path)


def test_a_missing_folder_is_an_error_and_not_an_empty_artifact(repository: Repository) -> None:
    revision = repository.commit("one", {"a.yaml": "1"})
    for path in ("deploy", "a.yaml", "a.yaml/b"):
        with pytest.raises(SourceError, match=f"has no folder {path}"):
            GitSource(repository, path=path).fetch(revision)


def test_the_digest_is_the_content_and_nothing_else(repository: Repository) -> None:
    source = GitSource(repository)

    def digest(changes: dict[str, str | bytes | None]) -> str:
        return source.fetch(repository.commit("next", changes)).digest

    first = digest({"a": "1", "b": "2"})
    assert first.startswith("sha256:")
    assert len(first) == 7 + 64
    moved = digest({"a": None, "c": "1"})
    joined = digest({"c": None, "b": None, "ab": "12"})
    assert len({first, moved, joined}) == 3
    assert digest({"ab": None, "a": "1", "b": "2"}) == first


def test_an_artifact_is_read_once_for_all_sources(repository: Repository) -> None:
    revision = repository.commit("one", {"a": "1"})
    first = GitSource(repository).fetch(revision)
    assert GitSource(repository, path="./").fetch(revision) is first


def test_links_are_told_apart_and_submodules_left_out(
    person: Person, repository: Repository
) -> None:
    (person.folder / "link.yaml").symlink_to("../../etc/passwd")
    person.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    person.git("add", "link.yaml")
    person.git("commit", "--message", "a link and a submodule")
    person.git("push")
    source = GitSource(repository)
    artifact = source.fetch(source.head())
    assert artifact.links == {"link.yaml": "../../etc/passwd"}
    assert list(artifact.files) == ["a.yaml"]


def test_a_name_that_is_not_utf8_can_still_be_printed(
    person: Person, repository: Repository
) -> None:
    blob = person.git("rev-parse", "HEAD:a.yaml")
    tree = git(
        "mktree", "-z", cwd=person.folder, stdin=f"100644 blob {blob}\t".encode() + b"\xff.yaml\0"
    ).strip()
    commit = person.git("commit-tree", tree, "-m", "odd name")
    person.git("push", "origin", f"{commit}:refs/heads/odd")
    artifact = GitSource(repository).fetch(Revision("odd", commit))
    assert list(artifact.files) == ["\\xff.yaml"]


def test_an_empty_repository_says_so(repository: Repository) -> None:
    with pytest.raises(NoCommits, match="has no commits yet") as caught:
        GitSource(repository).head()
    assert caught.value.where == "app"


def test_a_branch_that_does_not_exist_is_answered_with_those_that_do(
    repository: Repository,
) -> None:
    repository.commit("one", {"a": "1"})
    repository.commit("two", {"a": "2"}, branch="staging")
    with pytest.raises(SourceError, match="no branch 'prod'") as caught:
        GitSource(repository, branch="prod").head()
    assert "main, staging" in caught.value.fix


def test_a_branch_that_was_deleted_is_missed_until_it_is_back(
    person: Person, repository: Repository
) -> None:
    source = GitSource(repository)
    revision = source.head()
    person.git("push", "origin", "HEAD:refs/heads/other", ":main")
    with pytest.raises(SourceError, match="no branch 'main'"):
        source.head()
    person.git("push", "origin", "HEAD:refs/heads/main")
    assert source.head() == revision


def test_after_a_forced_push_the_source_sees_the_new_commit(
    person: Person, repository: Repository
) -> None:
    source = GitSource(repository)
    old = source.head()
    person.git("commit", "--amend", "--message", "rewritten")
    person.git("push", "--force")
    assert source.head() != old
    assert source.fetch(source.head()).digest == source.fetch(old).digest


def test_a_commit_that_a_forced_push_removed_for_good_is_an_error(
    person: Person, repository: Repository
) -> None:
    old = GitSource(repository).head()
    person.git("commit", "--amend", "--message", "rewritten")
    person.git("push", "--force")
    git("gc", "--quiet", "--prune=now", cwd=repository.path)
    fresh = Repository(repository.path, now=lambda: EPOCH)
    with pytest.raises(SourceError, match=f"commit {old.short} does not exist") as caught:
        GitSource(fresh).fetch(old)
    assert "forced push" in caught.value.fix
    fresh.close()


@pytest.mark.parametrize("commit", ["f" * 40, "", "main~5", "zzz"])
def test_a_revision_that_never_was_is_an_error(commit: str, repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    with pytest.raises(SourceError, match="does not exist"):
        GitSource(repository).fetch(Revision("main", commit))


def test_packed_branches_and_objects_are_read_as_loose_ones(repository: Repository) -> None:
    source = GitSource(repository)
    first = repository.commit("one", {"a": "1"})
    assert source.fetch(first).files == {"a": b"1"}
    second = repository.commit("two", {"b": "1"})
    git("gc", "--quiet", cwd=repository.path)
    git("pack-refs", "--all", cwd=repository.path)
    assert not (repository.path / "refs/heads/main").exists()
    assert source.head() == second
    assert source.fetch(second).files == {"a": b"1", "b": b"1"}
    third = repository.commit("three", {"c": "1"})
    assert source.head() == third
    assert repository.branches == ("main",)


def test_during_an_outage_nothing_answers_and_afterwards_all_is_as_before(
    repository: Repository,
) -> None:
    source = GitSource(repository)
    revision = repository.commit("one", {"a": "1"})
    repository.reachable = False
    with pytest.raises(SourceError, match="does not answer"):
        source.head()
    with pytest.raises(SourceError, match="does not answer"):
        source.fetch(revision)
    repository.reachable = True
    assert source.fetch(source.head()).files == {"a": b"1"}


def test_asking_for_the_head_starts_no_process(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = repository.commit("one", {"a": "1"})

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert GitSource(repository).head() == revision
