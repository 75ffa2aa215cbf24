"""The hook and the spool: every push is heard, in order, and once."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ForgeError
from gitops_lab.forge import Forge, PushEvent, Repository, Spool
from gitops_lab.forge.command import environment
from gitops_lab.forge.spool import NOTHING
from kubesim.clock import EPOCH
from tests.forge.conftest import Person

ONE, TWO = "1" * 40, "2" * 40


def deliver(folder: Path, number: int, after: str = ONE, *, written: int | None = None) -> Path:
    """An event as the hook writes it."""
    folder.mkdir(exist_ok=True)
    file = folder / f"1700000000-77-{number}"
    file.write_text(f"{NOTHING} {after} forward main\n")
    if written is not None:
        os.utime(file, ns=(written, written))
    return file


def ids(spool: Spool) -> list[str]:
    return [event.id for event in spool.drain()]


def test_each_commit_is_one_event_in_order_and_is_handed_out_once(repository: Repository) -> None:
    commits = [repository.commit("next", {"a": str(number)}).commit for number in range(4)]
    events = list(repository.spool.drain())
    assert [(e.repository, e.branch, e.after) for e in events] == [
        ("app", "main", commit) for commit in commits
    ]
    assert all(later.before == earlier.after for earlier, later in pairwise(events))
    assert [event.created for event in events] == [True, False, False, False]
    assert not any(event.forced or event.deleted for event in events)
    assert len({event.id for event in events}) == 4
    assert list(repository.spool.drain()) == []


def test_a_push_by_hand_is_an_event_like_any_other(person: Person, repository: Repository) -> None:
    before = repository.tip()
    commit = person.commit("b.yaml", "1")
    person.git("push")
    (event,) = repository.spool.drain()
    assert (event.branch, event.before, event.after) == ("main", before, commit)


def test_a_forced_push_and_a_deleted_branch_are_told_as_such(
    person: Person, repository: Repository
) -> None:
    old = repository.tip()
    person.git("commit", "--amend", "--message", "rewritten")
    person.git("push", "--force")
    (event,) = repository.spool.drain()
    assert (event.before, event.forced, event.deleted) == (old, True, False)
    person.git("push", "origin", "--delete", "main")
    (event,) = repository.spool.drain()
    assert (event.after, event.forced, event.deleted) == (NOTHING, False, True)


def test_pushing_back_to_an_older_commit_is_forced(person: Person, repository: Repository) -> None:
    person.commit("b.yaml", "1")
    person.git("push")
    person.git("push", "--force", "origin", "HEAD~1:main")
    assert [event.forced for event in repository.spool.drain()] == [False, True]


def test_a_push_of_many_branches_is_one_event_for_each_in_order(
    person: Person, repository: Repository
) -> None:
    names = [f"b{number:02}" for number in range(12)]
    person.git("push", "origin", *(f"HEAD:refs/heads/{name}" for name in names))
    assert [event.branch for event in repository.spool.drain()] == names


def test_a_tag_is_no_event(person: Person, repository: Repository) -> None:
    person.git("tag", "v1")
    person.git("push", "--tags")
    assert list(repository.spool.drain()) == []


def test_the_pushers_own_hooks_do_not_take_the_place_of_the_forges(
    person: Person, repository: Repository, tmp_path: Path
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\nhooksPath = {tmp_path}\n")
    person.commit("b.yaml", "1")
    subprocess.run(
        ["git", "push", "--quiet"],
        cwd=person.folder,
        env={**environment(), "GIT_CONFIG_GLOBAL": str(config)},
        check=True,
    )
    assert len(list(repository.spool.drain())) == 1


def test_the_hook_works_in_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    repository = Forge(tmp_path / 'it\'s $HOME "a b"', now=lambda: EPOCH).create("app")
    repository.commit("one", {"a": "1"})
    assert len(list(repository.spool.drain())) == 1


def test_of_pushes_at_the_same_time_none_is_lost(person: Person, repository: Repository) -> None:
    pushes = [
        subprocess.Popen(
            ["git", "push", "--quiet", "origin", f"HEAD:refs/heads/b{number}"],
            cwd=person.folder,
            env=environment(),
        )
        for number in range(6)
    ]
    assert [push.wait() for push in pushes] == [0] * 6
    events = list(repository.spool.drain())
    assert sorted(event.branch for event in events) == [f"b{number}" for number in range(6)]


def test_events_wait_for_a_later_reader(repository: Repository) -> None:
    repository.commit("one", {"a": "1"})
    again = Repository(repository.path, now=lambda: EPOCH)
    assert len(list(again.spool.drain())) == 1
    again.close()


def test_an_event_that_is_delivered_twice_is_handed_out_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "app")
    deliver(spool.path, 1)
    assert ids(spool) == ["1700000000-77-1"]
    deliver(spool.path, 1)
    assert ids(spool) == []
    file = deliver(spool.path, 1)
    assert ids(Spool(spool.path, "app")) == []
    assert not file.exists()


def test_an_event_whose_hearer_fell_over_comes_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "app")
    deliver(spool.path, 1, written=1)
    deliver(spool.path, 2, written=2)
    with pytest.raises(RuntimeError):
        for _ in spool.drain():
            raise RuntimeError
    assert ids(Spool(spool.path, "app")) == ["1700000000-77-1", "1700000000-77-2"]


def test_a_crash_while_the_delivery_was_noted_loses_no_event(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "app")
    deliver(spool.path, 1)
    (spool.path / ".delivered").write_text("\n1700000000-7")
    after = Spool(spool.path, "app")
    assert ids(after) == ["1700000000-77-1"]
    deliver(spool.path, 1)
    assert ids(Spool(spool.path, "app")) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1700000000-77-9", ""),
        ("1700000000-77-9", f"{NOTHING} {ONE} forward"),
        ("1700000000-77-9", f"{NOTHING} {ONE} forward main\ntrailing"),
        ("1700000000-77-9", "\udcff\n"),
        ("notes.txt", f"{NOTHING} {ONE} forward main\n"),
    ],
)
def test_an_unreadable_event_is_set_aside_and_told_and_the_others_are_heard(
    name: str, text: str, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool", "app")
    deliver(spool.path, 1, written=1)
    (spool.path / name).write_bytes(text.encode(errors="surrogateescape"))
    deliver(spool.path, 2, TWO, written=2**62)
    heard: list[PushEvent] = []
    with pytest.raises(ForgeError, match="1 events could not be read") as caught:
        heard.extend(spool.drain())
    assert (spool.path / ".unreadable" / name).exists()
    assert caught.value.where.endswith(name)
    # `extend` keeps what came before the error.
    assert [event.after for event in heard] == [ONE, TWO]
    assert ids(spool) == []


def test_a_file_that_the_hook_is_still_writing_is_left_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "app")
    spool.path.mkdir()
    draft = spool.path / ".draft-77"
    draft.write_text("0000")
    assert ids(spool) == []
    assert draft.exists()


def test_a_spool_that_nobody_wrote_to_is_empty(tmp_path: Path) -> None:
    assert ids(Spool(tmp_path / "none", "app")) == []


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.just("push"),
            st.just("restart"),
            st.integers(0, 5).map(lambda n: ("again", n)),
            st.integers(0, 3).map(lambda n: ("crash after", n)),
            st.just("drain"),
        ),
        max_size=25,
    )
)
def test_whatever_crashes_every_event_is_heard_in_order_and_once_if_nothing_crashed(
    steps: list[str | tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("law") / "spool"
    spool, pushed, heard, crashed = Spool(folder, "app"), 0, [], False
    for step in [*steps, "drain"]:
        match step:
            case "push":
                pushed += 1
                deliver(folder, pushed, written=pushed)
            case "restart":
                spool = Spool(folder, "app")
            case ("again", number) if 1 <= number <= pushed:
                deliver(folder, number, written=number)
            case ("crash after", number):
                for event in spool.drain():
                    heard.append(event.id)
                    if number == 0:
                        crashed = True
                        break
                    number -= 1
                spool = Spool(folder, "app")
            case "drain":
                heard += ids(spool)
    numbers = [int(id.rpartition("-")[2]) for id in heard]
    assert list(dict.fromkeys(numbers)) == list(range(1, pushed + 1))
    if not crashed:
        assert len(numbers) == pushed
