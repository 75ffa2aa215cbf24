"""What is left of a store when its process is gone: a log of changes, and snapshots.

As etcd does it: each change is written to the log before anybody hears that it was made, and a
snapshot of all objects is taken from time to time, so that the log stays short. A folder holds
generations, each named after the revision it starts from:

- `000000004711.snapshot`: all objects as of that revision
- `000000004711.log`: the changes after it, up to the next generation

A new store starts from the oldest generation and makes all later changes again, so that watches
find the history that they would have found in the old one. A file is lines; a line is the
checksum (CRC-32, in hex) of the JSON that follows it.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from zlib import crc32

import orjson

from kubesim.errors import ApiError, LabError
from kubesim.model import Object
from kubesim.store import WINDOW, Event, Key, Store

_CHECKSUM = 9
"""How many bytes stand before a line's JSON: eight digits and a space."""


@dataclass(frozen=True)
class _Generation:
    """A snapshot and the log that begins with it."""

    folder: Path
    revision: int

    @property
    def snapshot(self) -> Path:
        return self.folder / f"{self.revision:012}.snapshot"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.revision:012}.log"


class Log:
    """A store that outlives its process. Recovers what a folder holds, then keeps each change.

    What is acknowledged survives the end of the process at any moment, `kill -9` included: the
    system call that hands a change to the kernel has returned by then. With `sync` it survives
    the end of the machine, too, and each write waits for the disk. A change that cannot be
    written is refused with an ApiError 500 InternalError, and the store stays as it was.

    Args:
        folder: where the files are; made if need be. Only its owner may read it.
        sync: wait until the disk itself has each change.
        window: how many changes the store remembers for watches.
        notify: called with a sentence about each problem that does not stop the work.

    Raises:
        LabError: another process uses the folder, or a file in it is damaged.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync: bool = False,
        window: int = WINDOW,
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._sync, self._window, self._notify = sync, window, notify
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder = _locked(folder)
        self._file = -1
        try:
            self._generations = _generations(folder)
            self.store = Store(window=window, journal=self._keep)
            """The store, as the last process left it."""
            if not self._generations:
                self._generations = [_Generation(folder, 0)]
                os.close(self._new(self._generations[0]))
            with _uncollected():
                self._recover()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the folder; the store refuses every change from now on."""
        for descriptor in (self._file, self._folder):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._folder = -1

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- keeping a change -----------------------------------------------------------------------

    def _keep(self, event: Event) -> None:
        """Write a change down; it is made only if this returns."""
        if self._is_due():
            self._turn()
        record: Object = {"revision": event.revision, "type": event.type, "key": list(event.key)}
        if event.type != "DELETED":
            record["object"] = event.object
        try:
            line = _line(record)
        except orjson.JSONEncodeError as error:
            raise _refused(f"the object is not JSON: {error}") from None
        try:
            self._truncate_torn()
            self._is_torn = True
            _write(self._file, line)
            if self._sync:
                os.fdatasync(self._file)
        except OSError as error:
            with suppress(OSError):  # then it is done before the next change is written
                self._truncate_torn()
            raise _refused(f"it cannot be kept: {error.strerror}") from error
        self._is_torn = False
        self._size += len(line)
        self._records += 1

    def _is_due(self) -> bool:
        """Whether the log is long enough for a generation: then a snapshot costs little by it."""
        return self._records >= self._next_turn and self._size >= self._snapshot_size

    def _turn(self) -> None:
        """Begin a new generation, and forget the one before the present one."""
        generation = _Generation(self._generations[0].folder, self.store.revision)
        try:
            self._truncate_torn()
            os.fdatasync(self._file)  # a snapshot must not outlive the changes that led to it
            file = self._new(generation)
        except OSError as error:
            _forget(generation)  # without its log, it would hide the changes that are still to come
            self._next_turn = self._records + self._window
            self._notify(f"no snapshot could be taken, the log goes on: {error.strerror}")
            return
        os.close(self._file)
        self._begin(generation, file, size=0, records=0)
        self._generations.append(generation)
        for old in self._generations[:-2]:
            _forget(old)
        del self._generations[:-2]

    def _truncate_torn(self) -> None:
        """Remove what is left of a change that could not be written."""
        if self._is_torn:
            os.ftruncate(self._file, self._size)
            self._is_torn = False

    def _new(self, generation: _Generation) -> int:
        """A generation's snapshot, and its log, open."""
        self._write_snapshot(generation)
        file = _opened(generation.log)
        os.fsync(self._folder)
        return file

    def _begin(self, generation: _Generation, file: int, *, size: int, records: int) -> None:
        self._file, self._size, self._records = file, size, records
        self._snapshot_size = generation.snapshot.stat().st_size
        self._next_turn = max(self._window, 1)
        self._is_torn = False

    def _write_snapshot(self, generation: _Generation) -> None:
        """Write all objects down. The file is there with all of them, or it is not there."""
        draft = generation.snapshot.with_suffix(".draft")
        objects = list(self.store.items())
        try:
            file = _opened(draft)
            try:
                lines = [_line({"revision": generation.revision, "objects": len(objects)})]
                for key, obj in objects:
                    lines.append(_line({"key": list(key), "object": obj}))
                    if len(lines) == 256:
                        _write(file, b"".join(lines))
                        lines.clear()
                _write(file, b"".join(lines))
                os.fsync(file)
            finally:
                os.close(file)
            draft.replace(generation.snapshot)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    # -- finding all of them again --------------------------------------------------------------

    def _recover(self) -> None:
        first, last = self._generations[0], self._generations[-1]
        self._load_snapshot(first)
        for generation in self._generations:
            if self.store.revision != generation.revision:
                self._refuse(
                    self._generations[self._generations.index(generation) - 1],
                    "the log ends before the next generation begins: "
                    f"at revision {self.store.revision}, not at {generation.revision}",
                )
            size, records = self._load_log(generation, is_last=generation is last)
        self._begin(last, _opened(last.log), size=size, records=records)
        os.ftruncate(self._file, size)
        for old in self._generations[:-2]:
            _forget(old)
        del self._generations[:-2]

    def _load_snapshot(self, generation: _Generation) -> None:
        path = generation.snapshot
        records = []
        for place, line in _lines(path.read_bytes()):
            record = _record(line)
            if record is None:
                self._refuse(generation, "a line of the snapshot is damaged", path, place)
            records.append(record)
        if not records or records[0]["objects"] != len(records) - 1:
            self._refuse(generation, "the snapshot is not whole", path)
        objects = ((Key(*record["key"]), record["object"]) for record in records[1:])
        self.store.restore(generation.revision, objects)

    def _load_log(self, generation: _Generation, *, is_last: bool) -> tuple[int, int]:
        """Make the changes of a log again; its length in bytes and in changes."""
        path, size, records = generation.log, 0, 0
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return 0, 0  # the process ended between a snapshot and its log
        for place, line in _lines(content):
            if is_last and not line.endswith(b"\n"):
                self._notify(
                    f"{path}: the last change was written in part and never acknowledged; "
                    f"{len(line)} bytes were cut off"
                )
                break
            record = _record(line)
            if record is None:
                self._refuse(generation, "a change is damaged", path, place)
            if record["revision"] != self.store.revision + 1:
                self._refuse(
                    generation,
                    f"revision {record['revision']} follows {self.store.revision}",
                    path,
                    place,
                )
            key = Key(*record["key"])
            old = self.store.get(key)
            if (old is None) is not (record["type"] == "ADDED"):
                self._refuse(generation, "a change does not fit what was before", path, place)
            obj = old if record["type"] == "DELETED" else record["object"]
            self.store.replay(record["type"], key, _shared(obj, old))
            size, records = place + len(line), records + 1
        return size, records

    def _refuse(
        self, generation: _Generation, what: str, path: Path | None = None, place: int | None = None
    ) -> NoReturn:
        """Go no further: nothing may be lost unless a person decides so."""
        path = path or generation.log
        if generation is not self._generations[-1]:
            fix = (
                f"restore the file from a copy; or remove {generation.snapshot} and "
                f"{generation.log}: no object is lost with them, as there is a later snapshot, "
                "only the history for watches that fell behind"
            )
        elif path == generation.log:
            fix = (
                f"restore the file from a copy; or run `truncate --size={place or 0} {path}` to go "
                "on with what was before the damage: the changes from there on are lost"
            )
        else:
            fix = (
                f"restore the file from a copy; or remove {path.parent} to begin with an empty "
                "cluster: its objects are lost"
            )
        where = str(path) if place is None else f"{path}, byte {place}"
        raise LabError(what, where=where, fix=fix)


def _line(record: Object) -> bytes:
    text = orjson.dumps(record)
    return b"%08x %b\n" % (crc32(text), text)


def _record(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if it is not what was written."""
    text = line[_CHECKSUM:-1]
    if line[:_CHECKSUM] != b"%08x " % crc32(text) or line[-1:] != b"\n":
        return None
    record: dict[str, Any] = orjson.loads(text)
    return record


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each line with its end, and the place at which it begins."""
    place = 0
    while place < len(content):
        end = content.find(b"\n", place) + 1 or len(content)
        yield place, content[place:end]
        place = end


def _shared(new: Any, old: Any, depth: int = 2) -> Any:
    """An object with the parts that did not change taken from the old one: history costs little.

    Parts are compared as JSON, where 1, 1.0 and true are three things; and only so far down.
    """
    if depth and isinstance(new, dict) and isinstance(old, dict):
        shared = {
            key: _shared(new[key], old[key], depth - 1) if key in old else new[key] for key in new
        }
        is_same = len(new) == len(old) and all(
            key in old and shared[key] is old[key] for key in new
        )
        return old if is_same else shared
    return old if orjson.dumps(new) == orjson.dumps(old) else new


@contextmanager
def _uncollected() -> Iterator[None]:
    """Make many objects that all stay, without the garbage collector looking for some that do not.

    It would go through all of them again and again, and take longer than the rest.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _generations(folder: Path) -> list[_Generation]:
    """The generations of a folder, oldest first, without what an ended process left half done."""
    for draft in folder.glob("*.draft"):
        draft.unlink()
    found = sorted(int(path.stem) for path in folder.glob("[0-9]*.snapshot"))
    for log in sorted(folder.glob("[0-9]*.log")):
        if found and int(log.stem) < found[0]:
            log.unlink()  # its snapshot was forgotten already
        elif int(log.stem) not in found:
            raise LabError(
                "the snapshot that this log begins with is missing",
                where=str(log),
                fix=f"restore {log.with_suffix('.snapshot').name} from a copy; or remove {folder} "
                "to begin with an empty cluster: its objects are lost",
            )
    return [_Generation(folder, revision) for revision in found]


def _forget(generation: _Generation) -> None:
    # In this order: a log without a snapshot is known to be superfluous.
    generation.snapshot.unlink(missing_ok=True)
    generation.log.unlink(missing_ok=True)


def _locked(folder: Path) -> int:
    """The folder, held for as long as it is open."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LabError(
            "another process keeps its objects in this folder",
            where=str(folder),
            fix="end that process first, or use another folder",
        ) from None
    return descriptor


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _write(file: int, data: bytes) -> None:
    """Write all of it; a disk that is almost full takes a part first."""
    written = os.write(file, data)
    while written < len(data):
        more = os.write(file, data[written:])
        if not more:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += more


def _refused(why: str) -> ApiError:
    return ApiError(
        500,
        "InternalError",
        f"Internal error occurred: the change was not made, because {why}",
    )
