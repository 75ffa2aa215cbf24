"""One learner in one lab: predict, do, be checked, be told why, answer.

The command line and notebooks use the same session; it never asks which world it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

from gitops_lab.errors import LabError, UsageError
from gitops_lab.labs.checks import Attempt, Result, evaluate
from gitops_lab.labs.format import Lab, Question, Step
from gitops_lab.labs.progress import LabRecord, Progress, StepRecord
from gitops_lab.labs.world import LabWorld

LOOK = 5.0
"""Time between two looks at level checks, in seconds of the world."""

LAST = 30
"""How many entries of the journal a tutor is shown."""

Look = Callable[["Report"], None]


@dataclass(frozen=True)
class Report:
    """What a check of a step found.

    Args:
        step: which step.
        results: what each check found.
        question: asked now, for the checks have passed and it is not answered yet.
        predicted: what the learner predicted; empty if nothing.
        measured: what was measured of it; empty if nothing can be yet.
    """

    step: Step
    results: tuple[Result, ...]
    question: Question | None = None
    predicted: str = ""
    measured: str = ""

    @property
    def holds(self) -> bool:
        """Whether every check passed."""
        return all(result.passed for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether the step is done."""
        return self.holds and self.question is None

    @property
    def missing(self) -> str:
        """What keeps the step from being done, in a few words; empty if nothing does."""
        failed = [r for r in self.results if not r.passed]
        first = next((r for r in failed if not r.waiting), None)
        if first is not None:
            return f"{first.title}: {first.observed}"
        return "" if self.passed else "its question is open"

    @property
    def may_come(self) -> bool:
        """Whether all that is missing may come by itself: nothing waits for an action."""
        return not self.holds and not any(result.waiting for result in self.results)


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right.

    Args:
        right: whether it is.
        truth: what was measured; empty while the answer is wrong.
        text: what to say.
    """

    right: bool
    truth: str
    text: str


class Session:
    """One learner in one lab.

    Args:
        lab: the lab.
        world: the learner's world.
        progress: where the learner's progress is kept.
        now: the time, in seconds since the Unix epoch.
        restart: starts the world again from its beginning, for `reset` and `catch_up`.
    """

    def __init__(
        self,
        lab: Lab,
        world: LabWorld,
        progress: Progress,
        *,
        now: Callable[[], float],
        restart: Callable[[], LabWorld] | None = None,
    ) -> None:
        self.lab, self.world, self.progress, self.now = lab, world, progress, now
        self._restart = restart

    # -- where the learner is -------------------------------------------------------------------

    @property
    def record(self) -> LabRecord:
        """What is known of this lab."""
        return self.progress.read().lab(self.lab.id)

    @property
    def current(self) -> Step | None:
        """The first step that is not done; None if all are."""
        record = self.record
        return next((s for s in self.lab.steps if not record.step(s.id).is_done), None)

    def step(self, name: str = "") -> Step:
        """The step of this id or number; without one, the current one, or else the last."""
        return self.lab.step(name) if name else self.current or self.lab.steps[-1]

    def begin(self) -> None:
        """Put the world at the lab's start: what is in Git then, deployed and at rest."""
        files = self.lab.files("repository")
        if files:
            self.world.commit("What was there before you", files)
            attempt = Attempt(self.lab, self.lab.steps[0], self.world)
            if not attempt.settle(minutes=5):
                raise LabError(
                    "the lab's start does not settle", where=str(self.lab.folder / "start")
                )
        position = self.world.position()
        with self.progress.change() as book:
            record = book.lab(self.lab.id)
            record.position, record.began, record.finished = position, self.now(), False
            self._start(record, self.lab.steps[0])

    def attempt(self, step: Step) -> Attempt:
        """What checks of a step are given."""
        record = self.record
        mine = record.step(step.id)
        return Attempt(
            self.lab,
            step,
            self.world,
            record.position,
            max(mine.position, record.position),
            mine.prediction,
            dict(mine.memory),
        )

    # -- what the learner does ------------------------------------------------------------------

    def predict(self, step: Step, text: str) -> str:
        """Record a prediction; the choice that was meant.

        Raises:
            UsageError: there is nothing to predict, or no such choice.
        """
        if step.predict is None:
            raise UsageError(f"the step {step.id!r} asks for no prediction")
        meant = _chosen(text, step.predict.choices)
        with self._changed(step) as record:
            record.prediction = meant
        return meant

    def check(
        self, step: Step, *, patience: float = 0, look: Look | None = None, counts: bool = True
    ) -> Report:
        """Judge a step, and note it if it is done.

        Args:
            step: which.
            patience: how long to wait for what may come by itself, in seconds of the world.
            look: is shown each report, the last one too.
            counts: whether this counts as a try.
        """
        waited = 0.0
        while True:
            self.world.look()
            report = self.report(step)
            if look is not None:
                look(report)
            # The journal may be a moment behind what the learner did.
            if report.holds or waited >= (patience if report.may_come else min(patience, LOOK)):
                break
            self.world.wait(LOOK)
            waited += LOOK
        with self._changed(step) as record:
            record.tries += counts and not record.is_done
            record.measured = report.measured or record.measured
        if report.passed:
            self._finish(step, "passed")
        return report

    def report(self, step: Step) -> Report:
        """What the checks of a step find now; what they remember is kept."""
        attempt = self.attempt(step)
        results = tuple(evaluate(attempt))
        with self._changed(step) as record:
            record.memory |= attempt.memory
            prediction, right = record.prediction, record.right
        holds = all(result.passed for result in results)
        measured = self._measured(step.predict.measured, attempt) if step.predict and holds else ""
        question = step.question if holds and step.question and not right else None
        return Report(step, results, question, prediction, measured)

    def answer(self, step: Step, text: str) -> Verdict:
        """Judge an answer to a step's question, and note it.

        Raises:
            UsageError: there is no question, or no such choice.
        """
        question = step.question
        if question is None:
            raise UsageError(f"the step {step.id!r} asks no question")
        meant = _chosen(text, question.choices)
        truth = self.truth(step)
        right = truth is not None and _equal(meant, truth, question.tolerance)
        with self._changed(step) as record:
            record.answer, record.right = meant, record.right or right
        if truth is None:
            return Verdict(False, "", "This cannot be measured yet: do the step first.")
        if not right:
            return Verdict(False, "", f"Not {meant}. {question.where}".strip())
        return Verdict(True, _words(truth), f"Right: {_words(truth)}. {question.explain}".strip())

    def truth(self, step: Step) -> Any:
        """The right answer to a step's question, from the learner's world; None if unknown yet."""
        if step.question is None:
            return None
        function = self._function(step.question.answer)
        return function(self.attempt(step))

    def hint(self, step: Step) -> tuple[int, str]:
        """The next hint, and its number from 1; the last one again when all were shown.

        Raises:
            UsageError: the step has no hints.
        """
        if not step.hints:
            raise UsageError(f"the step {step.id!r} has no hints")
        with self._changed(step) as record:
            record.hints = min(record.hints + 1, len(step.hints))
            number = record.hints
        return number, step.hints[number - 1]

    def solve(self, step: Step, *, way: Mapping[str, Any] | None = None) -> Report:
        """Do a step for the learner, and check it.

        Args:
            step: which.
            way: what is done for each step; the lab's solution if None.

        Raises:
            LabError: the solution does not solve it.
        """
        was = self.record.step(step.id).state
        attempt = self.attempt(step)
        chosen = self.lab.functions("solution.py") if way is None else way
        solution = chosen.get(step.id.replace("-", "_"))
        if solution is not None:
            solution(attempt)
        report = self.check(step, patience=600, counts=False)
        if report.question is not None:
            truth = self.truth(step)
            if truth is not None:
                self.answer(step, _words(truth))
            report = self.check(step, counts=False)
        if not report.passed:
            raise LabError(f"the solution of step {step.id!r} does not solve it: {report.missing}")
        if was == "open":
            with self._changed(step) as record:
                record.state = "solved"
        return report

    def reset(self, step: Step | None = None) -> None:
        """Go back to where the lab begins, or where a step does.

        Args:
            step: which; the whole lab if None.
        """
        self._to(step or self.lab.steps[0])

    def catch_up(self, step: Step) -> None:
        """Be where a step begins; what the learner has not done before it is marked as skipped."""
        self._to(step, skipped=True)

    # -- what others are shown ------------------------------------------------------------------

    def context(self, step: Step) -> str:
        """Task, checks, and the journal's last entries, for a tutor; never the solution."""
        report = self.report(step)
        record = self.record.step(step.id)
        lines = [
            f"Lab: {self.lab.title} ({self.lab.id}), step {self.lab.number_of(step)} of "
            f"{len(self.lab.steps)}: {step.title}",
            f"State: {record.state}, {record.tries} tries, {record.hints} hints shown",
            "",
            "## Task",
            step.text.strip(),
            "",
            "## Checks",
        ]
        for result in report.results:
            state = "passed" if result.passed else "waiting" if result.waiting else "failed"
            lines += [
                f"- {result.title}: {state}",
                f"  expected: {result.expected}",
                f"  observed: {result.observed}",
            ]
        if step.predict is not None:
            lines += ["", "## Prediction", step.predict.text, record.prediction or "(none yet)"]
        if step.question is not None:
            lines += ["", "## Question", step.question.text, record.answer or "(no answer yet)"]
        lines += ["", f"## The journal's last {LAST} entries"]
        lines += [str(entry) for entry in self.world.entries()[-LAST:]]
        return "\n".join(lines) + "\n"

    # -- how it is done -------------------------------------------------------------------------

    def _to(self, target: Step, *, skipped: bool = False) -> None:
        """Start the world again, and do every step before the target for the learner."""
        if self._restart is None:
            raise UsageError("this world cannot be started again")
        self.world = self._restart()
        before = self.lab.steps[: self.lab.number_of(target) - 1]
        with self.progress.change() as book:
            record = book.lab(self.lab.id)
            kept = {s.id: record.step(s.id) for s in before}
            record.steps = {name: StepRecord() for name in kept}
        self.begin()
        for step in before:
            self.solve(step)
            old = kept[step.id]
            if not old.is_done:
                old.state = "skipped" if skipped else "solved"
            with self._changed(step) as mine:
                old.position, old.began = mine.position, mine.began
                mine.__dict__.update(old.__dict__)
        with self.progress.change() as book:
            self._start(book.lab(self.lab.id), target)

    def _start(self, record: LabRecord, step: Step) -> None:
        mine = record.step(step.id)
        mine.position, mine.began = self.world.position(), self.now()

    def _finish(self, step: Step, state: str) -> None:
        with self.progress.change() as book:
            record = book.lab(self.lab.id)
            mine = record.step(step.id)
            if mine.is_done:
                return
            mine.state, mine.seconds = state, round(self.now() - mine.began, 1)
            following = next((s for s in self.lab.steps if not record.step(s.id).is_done), None)
            record.finished = following is None
            if following is not None:
                self._start(record, following)

    @contextmanager
    def _changed(self, step: Step) -> Iterator[StepRecord]:
        with self.progress.change() as book:
            yield book.lab(self.lab.id).step(step.id)

    def _measured(self, name: str, attempt: Attempt) -> str:
        found = self._function(name)(attempt)
        return "" if found is None else _words(found)

    def _function(self, name: str) -> Callable[[Attempt], Any]:
        found = self.lab.functions("checks.py").get(name)
        if found is None:
            raise UsageError(
                f"there is no function {name!r}", where=str(self.lab.folder / "checks.py")
            )
        return found


def _chosen(text: str, choices: tuple[str, ...]) -> str:
    """The choice that is meant, by its letter or its words; the text itself if all is allowed.

    Raises:
        UsageError: it is empty, or no choice.
    """
    text = text.strip()
    if not text:
        raise UsageError("there is nothing to note", fix="write your answer behind the command")
    if not choices:
        return text
    lettered = dict(zip(ascii_lowercase, choices, strict=False))
    found = [choice for choice in choices if choice.lower() == text.lower()]
    found = found or [choice for letter, choice in lettered.items() if letter == text.lower()]
    found = found or [choice for choice in choices if choice.lower().startswith(text.lower())]
    if len(found) != 1:
        named = "; ".join(f"{letter} {choice}" for letter, choice in lettered.items())
        raise UsageError(f"{text!r} is no choice here", fix=f"choose from: {named}")
    return found[0]


def _equal(answer: str, truth: Any, tolerance: float) -> bool:
    if isinstance(truth, int | float) and not isinstance(truth, bool):
        try:
            return abs(float(answer.rstrip(" s")) - truth) <= tolerance
        except ValueError:
            return False
    if isinstance(truth, set | frozenset | list | tuple):
        given = [] if answer.lower() in ("none", "nothing") else answer.replace(",", " ").split()
        return _names(given) == _names(truth)
    return answer.strip().lower() == str(truth).lower()


def _names(found: Iterable[object]) -> set[str]:
    return {str(each).strip().lower() for each in found}


def _words(value: Any) -> str:
    """A measured value as people write it."""
    if isinstance(value, set | frozenset):
        return ", ".join(sorted(map(str, value))) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")
    return str(value)
