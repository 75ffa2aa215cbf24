"""What the forge knows beside the files, kept in Git: each change is a commit on a ref of its own.

The ref is `refs/forge/records`. Its tree holds JSON documents: `pulls/1.json`,
`statuses/ab/cdef….json`. So a copy of the repository has them, `git log refs/forge/records` shows
who changed what and when, and a process that is killed loses nothing that it has said to be done.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_lab.errors import ForgeError
from gitops_lab.forge.objects import CommitObject
from gitops_lab.forge.trees import edit

if TYPE_CHECKING:
    from gitops_lab.forge.database import Database

REF = "refs/forge/records"

Document = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One change of the records, as its commit records it.

    Args:
        name: what happened, such as `opened`, `reviewed`, `status`.
        by: the account that did it.
        at: when, in seconds since the Unix epoch.
        text: one sentence for people.
        data: the same for programs, as JSON values.
    """

    name: str
    by: str
    at: float
    text: str
    data: Mapping[str, Any]

    @property
    def is_news(self) -> bool:
        """Whether the journal has an entry for it; statuses and runs are in there as reports."""
        return self.name not in ("status", "merging", "moved", "pipeline", "taken")

    @property
    def subject(self) -> str:
        """What it is about, in a word."""
        return f"#{self.data['number']}" if "number" in self.data else ""


class Records:
    """The documents of one repository.

    Args:
        path: the bare repository.
        database: its objects and references.
        now: returns the time of changes, in seconds since the Unix epoch.
    """

    def __init__(self, path: Path, database: Database, now: Callable[[], float]) -> None:
        self._path, self._database, self.now = path, database, now
        self._depth = 0

    def read(self, path: str) -> Any:
        """A JSON document; None if there is none.

        Raises:
            ForgeError: it is not JSON.
        """
        content = self.content(path)
        if content is None:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise ForgeError(
                f"a record of the forge is damaged: {error}",
                where=f"{REF}:{path}",
                fix=f"git -C {self._path} update-ref {REF} {REF}~1 takes the last change back",
            ) from error

    def content(self, path: str) -> bytes | None:
        """The bytes of a document; None if there is none."""
        tip = self.tip()
        entry = self._database.find(tip, path) if tip else None
        return self._database.content(entry.sha) if entry and entry.is_file else None

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted; empty if there is no such folder."""
        tip = self.tip()
        entry = self._database.find(tip, folder) if tip else None
        return tuple(sorted(self._database.folder(entry.sha))) if entry else ()

    def tip(self) -> str:
        """The newest change; empty if there is none yet."""
        return self._database.reference(REF)

    def write(self, by: str, name: str, text: str, changes: Mapping[str, Any], **data: Any) -> None:
        """Change documents in one commit, inside `locked` if what is written follows from a read.

        Args:
            by: the account that does it.
            name: what happens.
            text: one sentence for people, without line breaks.
            changes: documents by path: JSON values, bytes as they are, or None to remove one.
            data: about the event, for programs.
        """
        with self.locked():
            tip = self.tip()
            contents = {path: _content(value) for path, value in changes.items()}
            tree = edit(self._database, self._database.tree(tip) if tip else None, contents)
            stamp = f"{by} <{by}@forge> {int(self.now())} +0000"
            details = json.dumps(
                {"event": name, "by": by, **data}, ensure_ascii=False, sort_keys=True
            )
            message = f"{' '.join(text.split())}\n\n{details}\n"
            parents = (tip,) if tip else ()
            commit = CommitObject(tree, parents, stamp.encode(), stamp.encode(), message)
            self._database.set_reference(REF, self._database.store_commit(commit))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes and threads from changing records; may be nested.

        The kernel lets go of the lock when a process ends, however it ends.
        """
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        descriptor = os.open(
            self._path / "forge.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._depth = 1
            yield
        finally:
            self._depth = 0
            os.close(descriptor)

    def since(self, commit: str) -> tuple[Event, ...]:
        """The changes after one of them, the oldest first; all if it is empty or unknown."""
        events: list[Event] = []
        at = self.tip()
        while at and at != commit:
            found = self._database.commit(at)
            events.append(_event(found.message, found.at))
            at = found.parents[0] if found.parents else ""
        return tuple(reversed(events))


def _content(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _event(message: str, at: float) -> Event:
    text, _, rest = message.partition("\n")
    try:
        data = json.loads(rest)
        return Event(data.pop("event"), data.pop("by"), at, text, data)
    except (ValueError, KeyError, AttributeError):  # a commit that was made with git itself
        return Event("changed", "", at, text, {})
