"""Notebook 1: predictions beside what was measured, checked answers, the timeline, the sources."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Generic, TypeVar

from gitops_lab.deployers import pull, push
from gitops_lab.errors import UsageError
from gitops_lab.experiments import picture, table
from gitops_lab.experiments.measure import Measurement, Row, measure
from gitops_lab.sandbox import Sandbox, Text

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Picture:
    """A PNG picture that a notebook shows, and its words for those who do not see it."""

    png: bytes
    words: str

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Markup:
    """HTML that a notebook shows, and its words for a terminal."""

    html: str
    words: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.words


def measured(world: Sandbox) -> Measurement:
    """What the story so far comes to."""
    return measure(world.journal, until=world.clock.now())


def timeline(world: Sandbox) -> Picture:
    """The picture of the story so far."""
    file = BytesIO()
    picture.save(picture.timeline(measured(world)), file)
    return Picture(file.getvalue(), str(world.status()))


def compare(world: Sandbox, measure_of: str, guesses: Mapping[str, float | str | None]) -> Text:
    """What was guessed of each arm's last chapter, beside what was measured.

    Args:
        world: where it was measured.
        measure_of: a number in the chapter's row: `applied_after`, `healthy_after`,
            `drift_seconds`.
        guesses: seconds by arm; None for "that will not happen".

    Raises:
        UsageError: an arm or a measure that does not exist.
    """
    rows = _last_chapter(world)
    if not rows:
        raise UsageError("no chapter has been played yet", fix="run the cells above first")
    if measure_of not in ("applied_after", "healthy_after", "drift_seconds"):
        raise UsageError(f"there is no measure {measure_of!r}", fix="try applied_after")
    lines = [f"{'arm':<20}{'you guessed':>14}{'measured':>14}"]
    for arm, guess in guesses.items():
        if arm not in rows:
            raise UsageError(f"there is no arm {arm!r}", fix=f"choose from {', '.join(rows)}")
        found = getattr(rows[arm], measure_of)
        lines.append(f"{arm:<20}{_seconds(number(guess)):>14}{_seconds(found):>14}")
    return Text("\n".join(lines))


def number(guess: float | str | None) -> float | None:
    """A guess as a number, also if it was written in quotes; None for "never".

    Raises:
        UsageError: it is no number.
    """
    if guess is None:
        return None
    try:
        return float(guess)
    except ValueError:
        raise UsageError(
            f"{guess!r} is no number", fix="write seconds such as 30, or None for never"
        ) from None


@dataclass(frozen=True)
class Question(Generic[Subject]):
    """A question whose right answer is measured, and never typed in.

    Args:
        prompt: the question.
        truth: finds the right answer in what was measured.
        look: where a learner finds it.
    """

    prompt: str
    truth: Callable[[Subject], object]
    look: str

    def check(self, subject: Subject, answer: object) -> Text:
        """Say whether an answer is right, and if not, where to look.

        Args:
            subject: what the answer is found in: a world, or a table that was measured.
            answer: the learner's; None or an empty text if there is none yet.
        """
        if answer is None or answer == "":
            return Text(f"{self.prompt}\nNo answer yet. {self.look}")
        truth = self.truth(subject)
        if str(answer).strip() == str(truth):
            return Text(f"{self.prompt}\nRight: {truth}.")
        return Text(f"{self.prompt}\nNot {answer}. {self.look}")


def _who_undid(world: Sandbox) -> str:
    found = measured(world)
    edits = [m.at for marks in found.marks.values() for m in marks if m.what == "edited"]
    edited = {
        title for title, start, end in found.chapters if any(start <= at < end for at in edits)
    }
    return ", ".join(row.arm for row in found.rows if row.chapter in edited and row.in_sync)


def _orphans(world: Sandbox) -> int:
    return sum(len(row.orphans) for row in _last_chapter(world).values())


WHO_REPAIRED = Question(
    "Which arm undid the hand edit, without a new commit?",
    _who_undid,
    "In the picture, find the crossed part that begins at the edit, and where it ends.",
)
HOW_MANY_ORPHANS = Question(
    "How many live objects, in all clusters together, does Git no longer have?",
    _orphans,
    "In the picture, orphans are the thin stripe below an arm; status() counts them.",
)


def sources() -> Markup:
    """The two deployers' own source as one text: lines of both, of push (-) and of pull (+)."""
    left, right = (inspect.getsource(module).splitlines() for module in (push, pull))
    whole = max(len(left), len(right))
    lines = [*difflib.unified_diff(left, right, "push.py", "pull.py", n=whole, lineterm="")]
    styles = {"-": "background: #fbe3d5; color: #222", "+": "background: #d5efe6; color: #222"}
    shown = (
        f'<span style="{styles[line[0]]}">{escape(line)}</span>'
        if line[:1] in styles
        else escape(line)
        for line in lines
    )
    style = "font-size: 12px; line-height: 1.35; overflow-x: auto; white-space: pre"
    return Markup(f'<pre style="{style}">' + "\n".join(shown) + "</pre>", "\n".join(lines))


def _last_chapter(world: Sandbox) -> dict[str, Row]:
    rows = measured(world).rows
    return {row.arm: row for row in rows if row.chapter == rows[-1].chapter}


def _seconds(value: float | None) -> str:
    return "never" if value is None else table.seconds(value)
