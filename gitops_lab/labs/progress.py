"""The learner's progress: one file of JSON, replaced as a whole, without names.

Schema 1:

    {"schema": 1, "seed": 7351,
     "labs": {"first-commit": {
        "folder": …, "sandbox": …, "clone": …, "virtual": false, "began": …, "position": 0,
        "current": "push", "finished": false,
        "steps": {"push": {"state": "passed", "tries": 2, "hints": 1, "prediction": …,
                           "measured": …, "answer": …, "right": true, "began": …, "seconds": 31,
                           "position": 12, "memory": {}}}}}}
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any

from gitops_lab.errors import LabError
from gitops_lab.state import home
from kubesim.files import write_private

SCHEMA = 1

STATES = ("open", "passed", "solved", "skipped")
"""What a step can be: to be done, done, done by `solve`, done by `catch-up`."""


@dataclass
class StepRecord:
    """What is known of one step.

    Args:
        state: one of `STATES`.
        tries: how often the learner asked for a check.
        hints: how many hints were shown.
        prediction: what the learner predicted.
        measured: what was measured of it.
        answer: the learner's last answer.
        right: whether it was right.
        began: when the step began, in seconds since the Unix epoch.
        seconds: how long it took.
        position: the journal's position when it began.
        memory: what checks remember.
    """

    state: str = "open"
    tries: int = 0
    hints: int = 0
    prediction: str = ""
    measured: str = ""
    answer: str = ""
    right: bool = False
    began: float = 0.0
    seconds: float = 0.0
    position: int = 0
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state != "open"


@dataclass
class LabRecord:
    """What is known of one lab.

    Args:
        folder: where the lab is.
        sandbox: the name of the live sandbox; empty for a virtual world.
        clone: the learner's clone.
        began: when, in seconds since the Unix epoch.
        position: the journal's position when it began.
        finished: whether every step is done.
        steps: by id.
    """

    folder: str = ""
    sandbox: str = ""
    clone: str = ""
    began: float = 0.0
    position: int = 0
    finished: bool = False
    steps: dict[str, StepRecord] = field(default_factory=dict)

    def step(self, name: str) -> StepRecord:
        """The record of a step; a new one if there is none."""
        return self.steps.setdefault(name, StepRecord())


@dataclass
class Book:
    """All progress of a learner.

    Args:
        seed: what is drawn for this learner follows from it.
        labs: by id.
        active: the lab that was started last.
    """

    seed: int
    labs: dict[str, LabRecord] = field(default_factory=dict)
    active: str = ""

    def lab(self, name: str) -> LabRecord:
        """The record of a lab; a new one if there is none."""
        return self.labs.setdefault(name, LabRecord())


class Progress:
    """The file. Each change reads it, changes it and replaces it, while a lock is held.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home().with_name("gitops-lab-progress") / "progress.json"

    def read(self) -> Book:
        """What the file holds; a new learner's book if there is none.

        Raises:
            LabError: the file is damaged, or of a later version.
        """
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            with self.change() as book:  # what is drawn once must stay
                return book
        except ValueError as error:
            raise self._damaged(error) from error
        return self._book(raw)

    @contextmanager
    def change(self) -> Iterator[Book]:
        """Change what the file holds; nothing is written if this raises."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_name("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            is_new = not self.path.exists()
            book = Book(SystemRandom().randrange(1, 10_000)) if is_new else self.read()
            yield book
            write_private(self.path, dump(book))
        finally:
            os.close(descriptor)

    def _book(self, raw: Any) -> Book:
        try:
            if raw["schema"] > SCHEMA:
                raise LabError(
                    f"this progress was written by a later gitops-lab (schema {raw['schema']})",
                    where=str(self.path),
                    fix="install the newest gitops-lab",
                )
            return load(raw)
        except (TypeError, KeyError, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> LabError:
        return LabError(
            f"the learner's progress cannot be read: {error}",
            where=str(self.path),
            fix="restore the file from a copy, or remove it to start from nothing",
        )


class Unsaved(Progress):
    """Progress that is kept in memory alone, for tests, `lab verify` and notebooks.

    Args:
        seed: the learner's.
    """

    def __init__(self, seed: int = 0) -> None:
        self._kept = Book(seed)

    def read(self) -> Book:
        """What is kept."""
        return self._kept

    @contextmanager
    def change(self) -> Iterator[Book]:
        """Change what is kept."""
        yield self._kept


def dump(book: Book) -> str:
    """The file's text."""
    return json.dumps({"schema": SCHEMA, **asdict(book)}, indent=1, ensure_ascii=False) + "\n"


def load(raw: dict[str, Any]) -> Book:
    """The book that a file's JSON is.

    Raises:
        TypeError, KeyError: it is none.
    """
    labs = {
        name: LabRecord(
            **{**lab, "steps": {key: StepRecord(**step) for key, step in lab["steps"].items()}}
        )
        for name, lab in raw["labs"].items()
    }
    return Book(raw["seed"], labs, raw["active"])


EXPORTED = (
    "state", "tries", "hints", "prediction", "measured", "answer", "right", "seconds",
)  # fmt: skip
"""What an export says of each step. Paths of the learner's machine stay out of it."""


def rows(book: Book, learner: str = "") -> list[dict[str, Any]]:
    """One row a step, for an export.

    Args:
        book: the progress.
        learner: what to call the learner; nothing if empty.
    """
    return [
        {
            **({"learner": learner} if learner else {}),
            "seed": book.seed,
            "lab": lab,
            "step": name,
            **{part: getattr(step, part) for part in EXPORTED},
        }
        for lab, record in book.labs.items()
        for name, step in record.steps.items()
    ]


def as_csv(found: list[dict[str, Any]]) -> str:
    """Rows as CSV (RFC 4180), with a line of headings."""
    if not found:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(cell) for name, cell in row.items()} for row in found)
    return text.getvalue()


def _plain(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    is_formula = isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{cell}" if is_formula else cell
