"""What happened, when, to what, and why: append-only, and the only thing that reports read.

The events, by who records them:

- the forge: `pushed`, and for pull requests and rules `opened`, `reviewed`, `commented`,
  `merged`, `closed`, `refused`, `protected`, `unprotected`
- a deployer: `triggered`, `missed`, `fetched`, `decided` and `applied` (one a changed object),
  `synced`, `health`, `reported`, `notified` (a message that Flux sent to a generic Provider)
- a person: `edited`; the arm whose cluster it is stands in the data
- a fault, in an arm: `outage`, `restored`, `started`
- the watcher of an arm: `observed`
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gitops_lab.model import Action
from gitops_lab.ports import Clock

OUTCOMES = ("action", "state", "sync", "status")
"""Data that belongs into the sentence that an entry makes."""

COMMIT = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33}\b")
"""A commit's full hash, of which people read the first seven digits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Args:
        at: when, in seconds since the Unix epoch, to the millisecond.
        actor: who did it: the name of an arm, `forge`, `learner`.
        event: what, one of the words in this module's description.
        subject: to what: an object, a revision, a part of the sandbox.
        why: the reason, in one sentence.
        data: what a program needs to know about it, as JSON values.
    """

    at: float
    actor: str
    event: str
    subject: str = ""
    why: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """This entry as one line of `journal.jsonl`."""
        time = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "actor": self.actor, "event": self.event}
        line |= {k: v for k in ("subject", "why", "data") if (v := getattr(self, k))}
        return json.dumps(line, ensure_ascii=False)

    def __str__(self) -> str:
        time = datetime.fromtimestamp(self.at, UTC).strftime("%H:%M:%S")
        what = next((self.data[key] for key in OUTCOMES if key in self.data), "")
        if self.event == "observed":
            what = self._seen()
        subject = COMMIT.sub(r"\1", self.subject)
        if "arm" in self.data:
            subject += f" in {self.arm}"
        words = (time, self.actor, self.event, str(what), subject)
        return " ".join(word for word in words if word) + (f": {self.why}" if self.why else "")

    def _seen(self) -> str:
        """What was observed, in words, whether or not there is a reason to give."""
        if not self.subject:
            return "no commits yet"
        sync = sync_in_words(bool(self.data.get("in_sync")), bool(self.data.get("drifted")))
        return f"{sync}, {self.data.get('health')}"

    @property
    def arm(self) -> str:
        """The arm that this is about: where it happened, if others did it."""
        return str(self.data.get("arm", self.actor))

    @classmethod
    def from_json(cls, line: str) -> Entry:
        """The entry that a line of `journal.jsonl` holds."""
        raw = json.loads(line)
        return cls(at=datetime.fromisoformat(raw.pop("time")).timestamp(), **raw)


def sync_in_words(in_sync: bool, drifted: bool) -> str:
    """How live state compares with Git's newest revision, and with what was applied last."""
    return "in sync" if in_sync else "drifted" if drifted else "out of sync"


class Journal:
    """The entries of one world, in order: all of them, but for those that were let go of.

    Args:
        clock: tells when an entry is recorded.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[Entry] = []
        self.last: dict[tuple[str, str], Entry] = {}
        """The newest entry of each actor and event."""
        self._forgotten = 0

    def record(
        self, actor: str, event: str, subject: object = "", why: str = "", **data: Any
    ) -> None:
        """Write one entry down, at the clock's present instant."""
        entry = Entry(round(self._clock.now(), 3), actor, event, str(subject), why, data)
        self._entries.append(entry)
        self.last[actor, event] = entry

    def by(self, actor: str) -> ActorJournal:
        """This journal, for one actor to write in."""
        return ActorJournal(self, actor)

    def __len__(self) -> int:
        return self._forgotten + len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def since(self, position: int) -> list[Entry]:
        """The entries from a position on; `len(journal)` is the position after the last."""
        return self._entries[max(position - self._forgotten, 0) :]

    def forget(self, position: int) -> None:
        """Let go of the entries before a position, which are kept elsewhere; positions stay."""
        count = max(position - self._forgotten, 0)
        del self._entries[:count]
        self._forgotten += count

    def write(self, path: Path) -> None:
        """Write all entries to a file, one JSON object a line."""
        path.write_text("".join(entry.to_json() + "\n" for entry in self), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ActorJournal:
    """A journal for one actor to write in, such as a deployer."""

    journal: Journal
    actor: str

    def record(self, event: str, subject: object = "", why: str = "", **data: Any) -> None:
        """Write one entry down, at the clock's present instant."""
        self.journal.record(self.actor, event, subject, why, **data)


def read(path: Path) -> list[Entry]:
    """The entries of a `journal.jsonl`."""
    return [Entry.from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass
class DeployerState:
    """What a deployer holds to be true, as its journal entries tell it."""

    revision: str = ""
    objects: set[str] = field(default_factory=set)
    sync: str = "Unknown"
    health: str = "Unknown"


def replay(entries: Iterable[Entry]) -> dict[str, DeployerState]:
    """The state of each deployer after these entries: the journal leaves nothing out."""
    states: dict[str, DeployerState] = {}
    for entry in entries:
        if entry.event not in ("applied", "synced", "health"):
            continue
        state = states.setdefault(entry.actor, DeployerState())
        if entry.event == "applied":
            match entry.data["action"]:
                case Action.CREATED | Action.CONFIGURED:
                    state.objects.add(entry.subject)
                case Action.DELETED:
                    state.objects.discard(entry.subject)
        elif entry.event == "synced":
            state.sync = entry.data["sync"]
            state.revision = entry.data["applied"]
        else:
            state.health = entry.data["status"]
    return states
