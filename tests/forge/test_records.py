"""The forge's records: in Git, one commit a change, by many writers, and never half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitops_lab.errors import ForgeError
from gitops_lab.forge import Forge, Repository
from gitops_lab.forge.command import git
from gitops_lab.forge.records import REF
from kubesim.clock import EPOCH


def test_a_change_is_a_commit_that_tells_who_did_what(repository: Repository) -> None:
    repository.records.write("rosa", "noted", "rosa notes\n something", {"a/b.json": {"x": 1}}, n=2)
    (event,) = repository.records.since("")
    assert (event.name, event.by, event.at, event.text) == (
        "noted",
        "rosa",
        EPOCH,
        "rosa notes something",
    )
    assert event.data == {"n": 2}
    assert repository.records.read("a/b.json") == {"x": 1}
    assert repository.records.names("a") == ("b.json",)
    git("fsck", "--strict", cwd=repository.path)


def test_documents_can_be_removed_and_folders_go_with_their_last_document(
    repository: Repository,
) -> None:
    repository.records.write("a", "x", "x", {"a/b.json": 1, "c.json": 2})
    repository.records.write("a", "x", "x", {"a/b.json": None})
    assert git("ls-tree", "--name-only", REF, cwd=repository.path) == "c.json\n"
    assert repository.records.read("a/b.json") is None


def test_another_process_and_a_mirror_read_the_same(repository: Repository, tmp_path: Path) -> None:
    repository.statuses.set("a" * 40, "ci", "success")
    git("clone", "--quiet", "--mirror", str(repository.path), str(tmp_path / "copy.git"))
    copy = Repository(tmp_path / "copy.git", now=lambda: 0.0)
    assert copy.statuses.of("a" * 40) == repository.statuses.of("a" * 40) != ()
    copy.close()


def test_writers_in_several_processes_lose_nothing(repository: Repository) -> None:
    program = (
        "import sys; from pathlib import Path; from gitops_lab.forge import Repository\n"
        "r = Repository(Path(sys.argv[1]), now=lambda: 0.0)\n"
        "for n in range(10): r.statuses.set('b' * 40, f'{sys.argv[2]}-{n}', 'success')\n"
    )
    command = [sys.executable, "-c", program, str(repository.path)]
    running = [subprocess.Popen([*command, name]) for name in ("x", "y", "z")]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert len(repository.statuses.of("b" * 40)) == 30
    assert len(repository.records.since("")) == 30


def test_news_is_given_out_once_and_survives_the_process(forge: Forge) -> None:
    first = forge.create("app")
    first.statuses.set("c" * 40, "ci", "pending")
    assert [event.name for event in first.news()] == ["status"]
    first.statuses.set("c" * 40, "ci", "success")
    again = forge.open("app")
    assert [event.data["state"] for event in again.news()] == ["success"]
    assert again.news() == ()
    first.close()


def test_a_damaged_record_is_named(repository: Repository) -> None:
    repository.records.write("a", "x", "x", {"open.json": b"{"})
    with pytest.raises(ForgeError, match="damaged") as caught:
        repository.pulls.all()
    assert "open.json" in caught.value.where
