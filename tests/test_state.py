"""The state folder: private, held by one process at a time, and gone without a trace."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from gitops_lab.errors import LabError, UsageError
from gitops_lab.state import StateFolder, error_from, error_to, home


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder("shop", tmp_path / "state")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_state_lies_where_the_user_keeps_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert StateFolder("shop").path == tmp_path / "gitops-lab" / "shop"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/paths/do/not/count")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert home() == tmp_path / "me" / ".local" / "state" / "gitops-lab"


@pytest.mark.parametrize("name", ["", "..", "a/b", "Shop", "-x", "a" * 41])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name of a sandbox"):
        StateFolder(name)


def test_a_folder_is_held_by_one_and_open_to_nobody_else(folder: StateFolder) -> None:
    assert not folder.is_alive
    with folder.held() as held:
        assert held and folder.is_alive
        assert mode(folder.path) == 0o700
        with StateFolder(folder.name, folder.path.parent).held() as second:
            assert not second
        assert folder.is_alive
    assert not folder.is_alive


def test_a_folder_that_others_could_read_is_closed_to_them(folder: StateFolder) -> None:
    folder.path.mkdir(parents=True, mode=0o755)
    with folder.held():
        assert mode(folder.path) == 0o700


def test_what_is_published_is_private_and_found_while_its_process_lives(
    folder: StateFolder,
) -> None:
    with folder.held():
        folder.publish({"pid": 1, "key": "k"})
        assert mode(folder.process) == 0o600
        assert folder.description() == {"pid": 1, "key": "k"}


def test_a_process_that_ended_unexpectedly_is_told_of_with_the_way_out(
    folder: StateFolder,
) -> None:
    with folder.held():
        folder.publish({"pid": 17})
    with pytest.raises(LabError, match=r"process 17 .* ended unexpectedly") as error:
        folder.description()
    assert "gitops-lab up --name shop" in error.value.fix
    with pytest.raises(LabError, match="ended unexpectedly"):
        folder.ask("status")


def test_a_sandbox_that_never_ran_is_told_from_one_that_is_starting(folder: StateFolder) -> None:
    with pytest.raises(LabError, match="does not run"):
        folder.description()
    with folder.held(), pytest.raises(LabError, match="about to start"):
        folder.description()


def test_what_passes_with_a_process_is_swept_and_the_rest_stays(folder: StateFolder) -> None:
    with folder.held():
        assert not folder.sweep()
        for name in ("git", "clusters", "kubectl", "tmp"):
            (folder.path / name).mkdir()
            (folder.path / name / "some").touch()
        folder.keep({"arms": ["pull"]})
        folder.publish({"pid": 1})
        assert folder.sweep()
        assert not folder.sweep()
        left = {path.name for path in folder.path.iterdir()}
        assert left == {"lock", "git", "clusters", "settings.json"}
        assert folder.settings() == {"arms": ["pull"]}


def test_settings_that_cannot_be_read_are_told_of_with_the_way_out(folder: StateFolder) -> None:
    assert folder.settings() == {}
    with folder.held():
        (folder.path / "settings.json").write_text("{")
    with pytest.raises(LabError, match="cannot be read") as error:
        folder.settings()
    assert "gitops-lab down" in error.value.fix


def test_removing_leaves_nothing_and_spares_the_neighbours(folder: StateFolder) -> None:
    other = StateFolder("other", folder.path.parent)
    with folder.held(), other.held():
        (folder.path / "link").symlink_to(other.path)
        folder.remove()
        assert not folder.path.exists() and other.lock.exists()
        other.remove()
    assert not folder.path.parent.exists()


def test_who_takes_a_lock_that_was_removed_meanwhile_takes_the_new_one(
    folder: StateFolder,
) -> None:
    with folder.held():
        folder.remove()
        with folder.held() as held:
            assert held and folder.lock.exists()


def test_who_only_looks_does_not_keep_anybody_from_taking_the_lock(folder: StateFolder) -> None:
    with folder.held():
        pass
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            assert isinstance(folder.is_alive, bool)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(50):
            with folder.held() as held:
                assert held
    finally:
        done.set()
        looking.join()


def test_a_process_that_does_not_answer_is_told_of(folder: StateFolder) -> None:
    with folder.held():
        folder.publish({"pid": os.getpid(), "url": "https://127.0.0.1:1", "token": "t", "ca": ""})
        with pytest.raises(LabError, match="does not answer"):
            folder.ask("status")


@pytest.mark.parametrize("error", [LabError("a", where="b", fix="c"), UsageError("a")])
def test_an_error_arrives_in_another_process_as_it_was(error: LabError) -> None:
    arrived = error_from(json.loads(json.dumps(error_to(error))))
    assert str(arrived) == str(error) and arrived.exit_code == error.exit_code


def test_folders_above_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with StateFolder("shop", tmp_path / "state" / "gitops-lab").held():
            pass
    finally:
        os.umask(before)
    assert mode(tmp_path / "state") == mode(tmp_path / "state" / "gitops-lab") == 0o700


def test_who_holds_the_lock_is_known(folder: StateFolder) -> None:
    assert folder.holder is None
    with folder.held():
        assert folder.holder == os.getpid()
        folder.lock.write_text("garbage")
        assert folder.holder is None
    assert folder.holder is None


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"port": 1}'])
def test_a_damaged_description_is_told_of(folder: StateFolder, text: str) -> None:
    with folder.held():
        folder.process.write_text(text)
        with pytest.raises(LabError, match="cannot be read") as error:
            folder.description()
        assert str(os.getpid()) in error.value.fix
    with pytest.raises(LabError, match="ended unexpectedly"):
        folder.description()


@pytest.mark.parametrize("text", ["{", "[]", '{"setup": {"arms": 3}}', '{"setup": {"arm": ["a"]}}'])
def test_damaged_settings_are_told_of(folder: StateFolder, text: str) -> None:
    with folder.held():
        (folder.path / "settings.json").write_text(text)
    with pytest.raises(LabError, match="cannot be read"):
        folder.settings()
