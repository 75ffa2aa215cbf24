"""Whether a lab is fit to be taught: every way through it is tried, in virtual time.

- an untouched start fails every check of every step, and so do empty and commented files
- the solution passes, twice alike, and for another learner as well
- each alternative passes, each bypass fails at its step
- a wrong answer is refused, and `reset` brings back the start
- hints are there, and none before the last gives the command
- terms are introduced before they are used
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gitops_lab.errors import LabError, UsageError
from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.checks import find as find_check
from gitops_lab.labs.format import Lab, Step, folders, functions, load, terms
from gitops_lab.labs.progress import Unsaved
from gitops_lab.labs.session import Session
from gitops_lab.labs.world import LabWorld, VirtualWorld
from gitops_lab.model import Revision
from gitops_lab.worlds.arms import ARMS, VARIANTS

HEADINGS = ("## What the simulation leaves out", "## On your own")
"""What the text after a lab must have."""

WIDEST = 76
"""The longest command that an 80-column terminal shows in one line."""

Solution = Mapping[str, Callable[[Attempt], None]]

_COMMAND = re.compile(
    r"`[^`]*(\bgit (add|commit|push|revert|rm|mv)\b|\bkubectl (?![^`]*\b(get|describe|logs)\b)"
    r"|\bgitops-lab (?!(status|logs|lab)\b)|\b(sed|rm|mv) )[^`]*`"
)
"""A command that changes something. To look is what a hint may always ask for."""


def verify(folder: Path, *, seed: int = 1) -> list[str]:
    """What is wrong with a lab; empty if nothing is.

    Args:
        folder: the lab's.
        seed: the learner's.
    """
    try:
        lab = load(folder, seed)
        faults = [*_texts(lab), *_references(lab)]
        return faults or [*_ways(lab, seed)]
    except UsageError as error:
        return [str(error)]


# -- what can be seen without a world -------------------------------------------------------------


def _texts(lab: Lab) -> Iterator[str]:
    if not (lab.folder / "design.md").is_file():
        yield "design.md is missing: say what you intend"
    if not 5 <= lab.minutes <= 20:
        yield f"{lab.minutes} minutes: a lab takes 5 to 20"
    if not lab.objectives:
        yield "it has no objectives"
    for heading in HEADINGS:
        if heading not in lab.after:
            yield f"after.md lacks the heading {heading!r}"
    for step in lab.steps:
        yield from (f"step {step.id}: {fault}" for fault in _step_texts(step))
    yield from _terms(lab)


def _step_texts(step: Step) -> Iterator[str]:
    if len(step.text.split()) < 10:
        yield "its text is too short to act on"
    if len(step.hints) < 2:
        yield "it needs hints: a nudge, a pointer, the command"
    if not all(step.hints):
        yield "a hint is empty"
    for number, hint in enumerate(step.hints[:-1], 1):
        if _COMMAND.search(hint):
            yield f"hint {number} gives a command already"
    for block in step.commands:
        for line in block.text.splitlines():
            if len(line) > WIDEST:
                yield f"this command is wider than {WIDEST} columns: {line}"
    if step.question is not None and not step.question.where:
        yield "its question does not say where to look"


def _terms(lab: Lab) -> Iterator[str]:
    """Each term is introduced in bold, and none is used that a later lab introduces."""
    text = "\n".join((*(step.text for step in lab.steps), lab.after))
    for term in lab.introduces:
        if not re.search(rf"\*\*{re.escape(term)}s?\*\*", text, re.IGNORECASE):
            yield f"it introduces {term!r}, but no **{term}** stands in its text"
    labs = [load(folder) for folder in folders(lab.folder.parent)]
    known = {*lab.introduces, *(t for each in _before(lab, labs) for t in each.introduces)}
    for term, other in terms(labs).items():
        if term not in known and re.search(rf"\b{re.escape(term)}\b", text, re.IGNORECASE):
            yield f"it uses {term!r}, which only the lab {other.id!r} introduces"


def _before(lab: Lab, labs: Sequence[Lab]) -> list[Lab]:
    """The labs that come before one, by what each needs."""
    by_id = {each.id: each for each in labs}
    found: dict[str, Lab] = {}
    names = list(lab.needs)
    while names:
        name = names.pop()
        if name in by_id and name not in found:
            found[name] = by_id[name]
            names += by_id[name].needs
    return list(found.values())


def _references(lab: Lab) -> Iterator[str]:
    """What is named exists."""
    ids = {path.name.partition("-")[2] for path in folders(lab.folder.parent)}
    yield from (
        f"it needs a lab {name!r}, which is not there" for name in lab.needs if name not in ids
    )
    known = {**ARMS, **VARIANTS}
    yield from (f"there is no arm {name!r}" for name in lab.arms if name not in known)
    own = lab.functions("checks.py")
    for step in lab.steps:
        for spec in step.checks:
            find_check(lab, spec)
        named = [step.predict.measured] if step.predict else []
        named += [step.question.answer] if step.question else []
        yield from (f"checks.py has no function {name!r}" for name in named if name not in own)
    solution = lab.functions("solution.py")
    for step in lab.steps:
        if step.checks and _name(step) not in solution:
            yield f"solution.py has no function {_name(step)!r}"
    if not any((lab.folder / "bypass").glob("*.py")):
        yield "bypass/ has no wrong way that looks right"


# -- ways through the lab -------------------------------------------------------------------------


def _ways(lab: Lab, seed: int) -> Iterator[str]:
    first = _Run(lab, seed)
    faults = list(first.judged())
    yield from faults
    if faults:
        return
    # Alternatives are another learner's: what is drawn must not matter.
    other = load(lab.folder, seed + 1)
    solution, paths = lab.functions("solution.py"), sorted(lab.folder.glob("alternatives/*.py"))
    ways: dict[str, Solution] = {
        f"alternatives/{path.name}": {**solution, **functions(path)} for path in paths
    }
    for name, way in (ways or {"for another learner": solution}).items():
        yield from (f"{name}: {fault}" for fault in _Run(other, seed + 1).solution(way))
    for path in sorted((lab.folder / "bypass").glob("*.py")):
        yield from _bypass(lab, seed, f"bypass/{path.name}", functions(path), _untouched)
    for step in first.committed:
        for name, change in (("empty files", _emptied), ("commented files", _commented)):
            yield from _bypass(lab, seed, name, {_name(step): _solve(lab, step)}, change)


def _solve(lab: Lab, step: Step) -> Callable[[Attempt], None]:
    return lab.functions("solution.py")[_name(step)]


def _bypass(
    lab: Lab,
    seed: int,
    name: str,
    way: Solution,
    change: Callable[[str | bytes | None], str | bytes | None],
) -> Iterator[str]:
    """Go the right way up to the step that a wrong way is for; the wrong way must fail there."""
    steps = [step for step in lab.steps if _name(step) in way]
    if not steps:
        yield f"{name}: no function in it is named like a step"
        return
    with _Run(lab, seed) as run:
        for step in lab.steps[: lab.number_of(steps[0]) - 1]:
            run.session.solve(step)
        attempt = run.session.attempt(steps[0])
        attempt.world = _Changed(run.world, change)
        try:
            way[_name(steps[0])](attempt)
        except LabError:
            return  # the world itself refuses it
        except Exception as error:
            if change is _untouched:
                yield f"{name}: {error!r}"
            return  # a solution need not go on where its files were emptied
        attempt.world.wait(180)
        if run.session.report(steps[0]).holds:
            yield f"{name}: step {steps[0].id!r} passes, and must not"


class _Run:
    """One learner's way through a lab, in a world of its own."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab, self.seed = lab, seed
        self.world = VirtualWorld(lab.arms, seed)
        self.session = Session(
            lab, self.world, Unsaved(seed), now=self.world.sandbox.clock.now, restart=self._restart
        )
        self.session.begin()
        self.committed: list[Step] = []
        """The steps whose solution commits manifests."""

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.close()

    def solution(self, way: Solution) -> Iterator[str]:
        """Go through all steps; what is wrong.

        Args:
            way: what is done for each step.
        """
        with self:
            try:
                for step in self.lab.steps:
                    self.session.solve(step, way=way)
            except LabError as error:
                yield str(error)

    def judged(self) -> Iterator[str]:
        """Go through all steps by the solution, and try at each what must fail; then go back."""
        with self:
            for step in self.lab.steps:
                yield from self._untouched(step)
                self.session.world = counted = _Changed(self.world, _untouched)
                try:
                    self.session.solve(step)
                except LabError as error:
                    yield str(error)
                    return
                finally:
                    self.session.world = self.world
                if counted.count:
                    self.committed.append(step)
                yield from self._wrong_answer(step)
            yield from self._reset()

    def _untouched(self, step: Step) -> Iterator[str]:
        report = self.session.report(step)
        for result in report.results:
            if result.passed:
                yield f"step {step.id!r}: untouched, {result.title!r} passes already"
        if not step.checks and report.passed:
            yield f"step {step.id!r}: untouched, it passes already"

    def _wrong_answer(self, step: Step) -> Iterator[str]:
        if step.question is None:
            return
        truth = self.session.truth(step)
        if truth is None:
            yield f"step {step.id!r}: its question has no answer"
        for wrong in step.question.choices or ("surely not this",):
            if wrong != truth and self.session.answer(step, wrong).right:
                yield f"step {step.id!r}: the wrong answer {wrong!r} is taken"

    def _reset(self) -> Iterator[str]:
        """Go back to the last step, come to the same world again, then go to the first."""
        journal, last = self._journal(), self.lab.steps[-1]
        self.session.reset(last)
        if self.session.current is None or self.session.current.id != last.id:
            yield "reset of the last step does not lead there"
        elif self.session.report(last).passed:
            yield f"reset of step {last.id!r} leaves it done"
        self.session.solve(last)
        if self._journal() != journal:
            yield "two runs with the same seed differ"
        self.session.reset()
        if self.session.current is not self.lab.steps[0]:
            yield "reset of the lab does not lead to its first step"

    def _journal(self) -> list[str]:
        return [entry.to_json() for entry in self.world.entries()]

    def _restart(self) -> LabWorld:
        self.world.close()
        self.world = VirtualWorld(self.lab.arms, self.seed)
        return self.world


class _Changed:
    """A world in which every manifest is committed otherwise than it was meant."""

    def __init__(
        self, world: LabWorld, change: Callable[[str | bytes | None], str | bytes | None]
    ) -> None:
        self._world, self._change, self.count = world, change, 0

    def commit(self, message: str, changes: Mapping[str, str | bytes | None]) -> Revision:
        manifests = {p: t for p, t in changes.items() if p.endswith(".yaml") and t is not None}
        self.count += len(manifests)
        changed = {path: self._change(text) for path, text in manifests.items()}
        return self._world.commit(message, {**changes, **changed})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)


def _untouched(text: str | bytes | None) -> str | bytes | None:
    return text


def _emptied(text: str | bytes | None) -> str | bytes | None:
    return None if text is None else ""


def _commented(text: str | bytes | None) -> str | bytes | None:
    if text is None:
        return None
    words = text if isinstance(text, str) else text.decode()
    return "".join(f"# {line}\n" for line in words.splitlines())


def _name(step: Step) -> str:
    return step.id.replace("-", "_")
