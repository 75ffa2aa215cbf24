"""What a notebook needs beside the sandbox: predictions, checked answers, pictures, sources.

A notebook holds no logic of its own, so what it would need of it is here, under test.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from gitops_lab.deployers import pull, push
from gitops_lab.errors import UsageError
from gitops_lab.experiments import picture, table
from gitops_lab.experiments.measure import Measurement, Row, measure
from gitops_lab.sandbox import Sandbox, Text


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


def compare(world: Sandbox, measure_of: str, guesses: Mapping[str, float | None]) -> Text:
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
    if measure_of not in ("applied_after", "healthy_after", "drift_seconds"):
        raise UsageError(f"there is no measure {measure_of!r}", fix="try applied_after")
    lines = [f"{'arm':<20}{'you guessed':>14}{'measured':>14}"]
    for arm, guess in guesses.items():
        if arm not in rows:
            raise UsageError(f"there is no arm {arm!r}", fix=f"choose from {', '.join(rows)}")
        found = getattr(rows[arm], measure_of)
        lines.append(f"{arm:<20}{_seconds(guess):>14}{_seconds(found):>14}")
    return Text("\n".join(lines))


@dataclass(frozen=True)
class Question:
    """A question about a story, whose right answer is measured and never typed in.

    Args:
        prompt: the question.
        truth: finds the right answer in the rows of a story.
        look: where a learner finds it.
    """

    prompt: str
    truth: Callable[[Sequence[Row]], object]
    look: str

    def check(self, world: Sandbox, answer: object) -> Text:
        """Say whether an answer is right, and if not, where to look."""
        if answer is None or answer == "":
            return Text(f"{self.prompt}\nNo answer yet. {self.look}")
        truth = self.truth(measured(world).rows)
        if str(answer).strip() == str(truth):
            return Text(f"{self.prompt}\nRight: {truth}.")
        return Text(f"{self.prompt}\nNot {answer}. {self.look}")


def _who_repaired(rows: Sequence[Row]) -> str:
    edited = [row for row in rows if row.chapter == "hand edit"]
    return ", ".join(row.arm for row in edited if row.in_sync)


def _orphans(rows: Sequence[Row]) -> int:
    return sum(len(row.orphans) for row in rows if row.chapter == rows[-1].chapter)


WHO_REPAIRED = Question(
    "Which arm repaired the hand edit, without a new commit?",
    _who_repaired,
    "In the picture, see where the crossed stretch that begins at the edit ends.",
)
HOW_MANY_ORPHANS = Question(
    "How many live objects, in all clusters together, does Git not have any more?",
    _orphans,
    "In the picture, orphans are the thin stripe below an arm; world.status() counts them.",
)


STYLE = """<style>
table.diff { font: 12px monospace; background: #fff; color: #222 }
table.diff .diff_add, table.diff .diff_chg, table.diff .diff_sub { background: #fff3d6 }
</style>"""


def sources() -> Markup:
    """The two deployers' own source, side by side; what differs is marked."""
    left, right = (inspect.getsource(module).splitlines() for module in (push, pull))
    table_ = difflib.HtmlDiff(wrapcolumn=72).make_table(left, right, "push.py", "pull.py")
    words = difflib.unified_diff(left, right, "push.py", "pull.py", lineterm="")
    return Markup(f'{STYLE}<div style="overflow-x: auto">{table_}</div>', "\n".join(words))


def _last_chapter(world: Sandbox) -> dict[str, Row]:
    rows = measured(world).rows
    return {row.arm: row for row in rows if row.chapter == rows[-1].chapter}


def _seconds(value: float | None) -> str:
    return "never" if value is None else table.seconds(value)
