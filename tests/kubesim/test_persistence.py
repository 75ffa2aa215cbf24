"""What is left of a store when its process is gone: every acknowledged change, and nothing else."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError, LabError
from gitops_lab.model import Object
from kubesim.persistence import Log
from kubesim.store import Key, Store

WINDOW = 8
"""Few changes a generation, so that short tests see many."""


def key(name: str) -> Key:
    return Key("", "configmaps", "default", name)


def put(store: Store, name: str, **data: Any) -> Object:
    write = store.create if store.get(key(name)) is None else store.update
    return write(key(name), {"metadata": {"namespace": "default", "name": name}, "data": data})


def change(store: Store) -> None:
    """Make the change that follows the store's revision, always the same one."""
    revision = store.revision + 1
    name = f"n{revision * 7 % 13}"
    if store.get(key(name)) is not None and revision % 5 == 0:
        store.delete(key(name))
    else:
        put(store, name, written=str(revision), filling="x" * (revision * 37 % 500))


def expected(revision: int) -> list[tuple[Key, Object]]:
    """What a store holds after so many changes."""
    store = Store()
    while store.revision < revision:
        change(store)
    return list(store.items())


def test_a_new_process_finds_objects_and_revision(tmp_path: Path) -> None:
    with Log(tmp_path / "web") as log:
        for _ in range(20):
            change(log.store)
    with Log(tmp_path / "web") as log:
        assert log.store.revision == 20
        assert list(log.store.items()) == expected(20)
        assert put(log.store, "new")["metadata"]["resourceVersion"] == "21"


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    with Log(tmp_path / "web") as log:
        for _ in range(3 * WINDOW):
            change(log.store)
    assert stat.S_IMODE((tmp_path / "web").stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "web").iterdir()}
    assert modes == {0o600}


def test_two_processes_cannot_keep_one_folder(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        with pytest.raises(LabError, match="another process"):
            Log(tmp_path)
        put(log.store, "a")
    with Log(tmp_path) as log:
        assert log.store.revision == 1


def test_a_closed_log_takes_no_more_changes(tmp_path: Path) -> None:
    log = Log(tmp_path)
    put(log.store, "a")
    log.close()
    with pytest.raises(ApiError, match="cannot be kept"):
        put(log.store, "b")
    assert log.store.revision == 1


def test_watches_find_the_history_that_the_old_process_had(tmp_path: Path) -> None:
    with Log(tmp_path, window=WINDOW) as log:
        for _ in range(5 * WINDOW + 3):
            change(log.store)
        before = log.store.events(log.store.revision - WINDOW)
    with Log(tmp_path, window=WINDOW) as log:
        assert log.store.events(log.store.revision - WINDOW) == before
        with pytest.raises(ApiError, match="too old resource version") as refusal:
            log.store.events(log.store.revision - WINDOW - 1)
    assert refusal.value.code == 410


def test_the_history_before_the_oldest_snapshot_has_expired(tmp_path: Path) -> None:
    with Log(tmp_path, window=WINDOW) as log:
        for _ in range(5 * WINDOW):
            change(log.store)
    with Log(tmp_path, window=1_000) as log:
        oldest = min(int(path.stem) for path in tmp_path.glob("*.snapshot"))
        assert len(log.store.events(oldest)) == log.store.revision - oldest
        with pytest.raises(ApiError, match="too old resource version"):
            log.store.events(oldest - 1)


def test_the_log_stays_short(tmp_path: Path) -> None:
    with Log(tmp_path, window=WINDOW) as log:
        for _ in range(1_000):
            change(log.store)
        size = sum(path.stat().st_size for path in tmp_path.iterdir())
        files = sorted(path.suffix for path in tmp_path.iterdir())
    assert files == [".log", ".log", ".snapshot", ".snapshot"]
    assert size < 40_000  # a thousand changes are 300,000


def test_what_did_not_change_is_kept_once(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        put(log.store, "a", old="x" * 100)
        log.store.update(key("a"), {**(log.store.get(key("a")) or {}), "new": 1})
    with Log(tmp_path) as log:
        first, second = log.store.events(0)
        assert second.object["data"] is first.object["data"]


def test_equal_values_of_different_types_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    values: list[Any] = [{"x": 1}, {"x": True}, {"x": 1.0}, {"x": None}, {"y": None}, [1], [True]]
    with Log(tmp_path) as log:
        for value in values:
            put(log.store, "a", value=value)
    with Log(tmp_path) as log:
        told = [event.object["data"]["value"] for event in log.store.events(0)]
    assert repr(told) == repr(values)


def test_what_json_cannot_say_is_refused_and_not_stored(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        with pytest.raises(ApiError, match="not JSON") as refusal:
            put(log.store, "a", number=2**70)
        assert refusal.value.code == 500
        assert (log.store.revision, log.store.get(key("a"))) == (0, None)


# -- the process ends ------------------------------------------------------------------------------

WRITER = """
import os, sys
from pathlib import Path
from kubesim.persistence import Log
from tests.kubesim.test_persistence import WINDOW, change
log = Log(Path(sys.argv[1]), window=WINDOW)
while True:
    change(log.store)
    os.write(1, b"%d\\n" % log.store.revision)
"""


def test_every_acknowledged_change_survives_kill_9(tmp_path: Path) -> None:
    random, acknowledged = Random(9), 0
    folder, root = tmp_path / "web", Path(__file__).parents[2]
    for _ in range(15):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, cwd=root
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(random.randrange(1, 60))]
        time.sleep(random.random() / 1_000)  # anywhere in a write, not only at its end
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        revisions = [int(line) for line in lines]
        assert revisions == list(range(revisions[0], revisions[0] + len(lines)))
        assert revisions[0] > acknowledged
        acknowledged = revisions[-1]
        with Log(folder, window=WINDOW) as log:
            # A change may have been made that no client was told of any more.
            assert acknowledged <= log.store.revision <= acknowledged + 1
            assert list(log.store.items()) == expected(log.store.revision)


@settings(max_examples=60, deadline=None)
@given(changes=st.integers(0, 30), cut=st.integers(0, 4_000), junk=st.binary(max_size=20))
def test_a_log_that_was_cut_anywhere_gives_what_was_before(
    changes: int, cut: int, junk: bytes
) -> None:
    with TemporaryDirectory() as name:
        folder, told = Path(name), list[str]()
        with Log(folder, window=WINDOW) as log:
            for _ in range(changes):
                change(log.store)
        path = max(folder.glob("*.log"))
        content = path.read_bytes()
        rest = content[: max(0, len(content) - cut)] + junk.replace(b"\n", b"")
        path.write_bytes(rest)
        lines = rest.count(b"\n")
        with Log(folder, window=WINDOW, notify=told.append) as log:
            assert log.store.revision == int(path.stem) + lines
            assert list(log.store.items()) == expected(log.store.revision)
            assert len(told) == (1 if rest and not rest.endswith(b"\n") else 0)
            change(log.store)
        with Log(folder, window=WINDOW, notify=told.append) as log:
            assert list(log.store.items()) == expected(int(path.stem) + lines + 1)


@settings(max_examples=60, deadline=None)
@given(
    changes=st.integers(1, 30),
    file=st.integers(0, 3),
    at=st.integers(0, 9_999),
    bit=st.integers(0, 7),
)
def test_no_damage_goes_unnoticed(changes: int, file: int, at: int, bit: int) -> None:
    with TemporaryDirectory() as name:
        folder, told = Path(name), list[str]()
        with Log(folder, window=WINDOW) as log:
            for _ in range(changes):
                change(log.store)
        # A later snapshot is read when the generation before it is forgotten.
        read = [min(folder.glob("*.snapshot")), *sorted(folder.glob("*.log"))]
        files = [path for path in read if path.stat().st_size]
        path = files[file % len(files)]
        content = bytearray(path.read_bytes())
        content[at % len(content)] ^= 1 << bit
        path.write_bytes(content)
        try:
            with Log(folder, window=WINDOW, notify=told.append) as log:
                # Without its end, the last line looks like a change that was never finished.
                assert told and "cut off" in told[0]
                assert log.store.revision == changes - 1
                assert list(log.store.items()) == expected(changes - 1)
        except LabError as refusal:
            assert str(path) in refusal.where + refusal.fix


def test_a_snapshot_whose_log_was_not_begun_is_whole(tmp_path: Path) -> None:
    with Log(tmp_path, window=WINDOW) as log:
        for _ in range(2 * WINDOW + 1):
            change(log.store)
    last = max(tmp_path.glob("*.log"))
    last.unlink()
    (tmp_path / "000000000099.draft").write_bytes(b"half of a snap")
    with Log(tmp_path, window=WINDOW) as log:
        assert list(log.store.items()) == expected(int(last.stem))
        change(log.store)
    assert not list(tmp_path.glob("*.draft"))
    with Log(tmp_path, window=WINDOW) as log:
        assert list(log.store.items()) == expected(int(last.stem) + 1)


# -- ways out --------------------------------------------------------------------------------------


def damage(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_damaged_change_is_refused_with_the_command_that_goes_on_without_it(
    tmp_path: Path,
) -> None:
    with Log(tmp_path) as log:
        for _ in range(10):
            change(log.store)
    path = max(tmp_path.glob("*.log"))
    lines = path.read_bytes().splitlines(keepends=True)
    place = sum(map(len, lines[:6]))
    damage(path, place + 30)
    before = path.read_bytes()
    with pytest.raises(LabError, match="a change is damaged") as refusal:
        Log(tmp_path)
    assert refusal.value.where == f"{path}, byte {place}"
    assert f"`truncate --size={place} {path}`" in refusal.value.fix
    assert path.read_bytes() == before
    os.truncate(path, place)
    with Log(tmp_path) as log:
        assert list(log.store.items()) == expected(6)


@pytest.mark.parametrize("suffix", ["snapshot", "log"])
def test_a_damaged_old_generation_can_be_done_without(tmp_path: Path, suffix: str) -> None:
    with Log(tmp_path, window=WINDOW) as log:
        for _ in range(40):
            change(log.store)
    oldest = min(tmp_path.glob("*.snapshot"))
    damage(oldest.with_suffix(f".{suffix}"), 30)
    with pytest.raises(LabError, match="no object is lost") as refusal:
        Log(tmp_path)
    assert str(oldest) in refusal.value.fix
    oldest.unlink()
    oldest.with_suffix(".log").unlink()
    with Log(tmp_path, window=WINDOW) as log:
        assert list(log.store.items()) == expected(40)


def test_a_log_without_its_snapshot_is_not_taken_for_an_empty_cluster(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        change(log.store)
    next(tmp_path.glob("*.snapshot")).unlink()
    with pytest.raises(LabError, match="snapshot that this log begins with is missing"):
        Log(tmp_path)


def test_a_missing_change_is_noticed(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        for _ in range(5):
            change(log.store)
    path = max(tmp_path.glob("*.log"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(LabError, match="revision 4 follows 2"):
        Log(tmp_path)


# -- the disk is full ------------------------------------------------------------------------------


class Disk:
    """A disk on which so many bytes are free, for this process."""

    def __init__(self, free: int) -> None:
        self.free, self.write = free, os.write

    def __call__(self, file: int, data: bytes) -> int:
        if not self.free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.write(file, data[: self.free])
        self.free -= written
        return written


@pytest.mark.parametrize("free", [0, 50])
def test_a_full_disk_refuses_changes_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    with Log(tmp_path) as log:
        put(log.store, "a")
        before = list(log.store.items())
        disk = Disk(free)
        monkeypatch.setattr(os, "write", disk)
        for _ in range(2):
            with pytest.raises(ApiError, match="No space left on device") as refusal:
                put(log.store, "b")
            assert (refusal.value.code, refusal.value.reason) == (500, "InternalError")
            assert (list(log.store.items()), log.store.revision) == (before, 1)
        disk.free = 1_000_000
        put(log.store, "c")
        after = list(log.store.items())
    told: list[str] = []
    with Log(tmp_path, notify=told.append) as log:
        assert list(log.store.items()) == after
    assert not told


def test_a_change_that_the_disk_did_not_take_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Log(tmp_path, sync=True) as log:
        put(log.store, "a")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", fails)
            with pytest.raises(ApiError, match="Input/output error"):
                put(log.store, "b")
    with Log(tmp_path, sync=True) as log:
        assert [each.name for each, _ in log.store.items()] == ["a"]


def test_without_space_for_a_snapshot_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    told: list[str] = []
    with Log(tmp_path, window=WINDOW, notify=told.append) as log:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fails)
            for _ in range(40):
                change(log.store)
        assert told and all("No space left on device" in text for text in told)
        assert len(list(tmp_path.iterdir())) == 2
        for _ in range(40):
            change(log.store)
    with Log(tmp_path, window=WINDOW) as log:
        assert list(log.store.items()) == expected(80)
        assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("sync", [True, False])
def test_with_sync_each_change_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    with Log(tmp_path, sync=sync) as log:
        for _ in range(3):
            change(log.store)
    assert len(synced) == (3 if sync else 0)
