"""The frame of an experiment: a hypothesis, arms that differ in one dial, steps, and measures.

An experiment is a file of its own that makes one `Experiment`. Its steps are what a person would
do: commits, edits by hand, waiting. They answer with what was measured for each arm. The verdict
is a sentence that is made from these numbers, never written beforehand.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

from gitops_lab import __version__
from gitops_lab.errors import LabError, UsageError
from gitops_lab.experiments import measure
from gitops_lab.journal import Journal
from gitops_lab.sandbox import ARMS, ArmDescription, Sandbox

Value = float | int | bool | str | None
"""What is measured: a number, a yes or no, or words; None is what did not come about."""

Findings = Mapping[str, Mapping[str, Value]]
"""What was measured, by arm and by the name of the measure."""

SETTLING = 90
"""Seconds before the first step: an agent that is installed this instant looks this instant."""


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Args:
        name: what people type.
        question: what it answers, in one sentence.
        hypothesis: what to expect, so that it can turn out wrong.
        arms: the ways of deploying that are compared.
        steps: acts in a world of these arms and measures.
        verdict: the answer, made from the findings.
        leaves_out: what the simulation leaves out that may matter.
    """

    name: str
    question: str
    hypothesis: str
    arms: tuple[ArmDescription, ...]
    steps: Callable[[Sandbox], Findings]
    verdict: Callable[[Findings], str]
    leaves_out: str

    def chosen(self, names: Sequence[str]) -> tuple[ArmDescription, ...]:
        """The arms of these names: of the experiment's own, or standard ones.

        Raises:
            UsageError: there is no such arm.
        """
        own = {arm.name: arm for arm in self.arms}
        known = {**ARMS, **own}
        for name in names:
            if name not in known:
                raise UsageError(
                    f"{self.name} has no arm {name!r}", fix=f"choose from {', '.join(known)}"
                )
        return tuple(known[name] for name in names) or self.arms


@dataclass(frozen=True)
class Result:
    """What came out of an experiment.

    Args:
        experiment: which one.
        seeds: of its runs, in order.
        runs: the findings of each run.
        journal: of the first run.
    """

    experiment: Experiment
    seeds: tuple[int, ...]
    runs: tuple[Findings, ...]
    journal: Journal

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of its arms, in order."""
        return tuple(self.runs[0])

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of its measures, in order."""
        return tuple(dict.fromkeys(name for arm in self.runs[0].values() for name in arm))

    def values(self, arm: str, name: str) -> tuple[Value, ...]:
        """What was measured in each run."""
        return tuple(run[arm].get(name) for run in self.runs)

    @property
    def findings(self) -> Findings:
        """Over all runs: the median of numbers, the most frequent of everything else."""
        return {
            arm: {name: typical(self.values(arm, name)) for name in self.measures}
            for arm in self.arms
        }

    @property
    def verdict(self) -> str:
        """The answer."""
        return self.experiment.verdict(self.findings)

    def to_json(self) -> dict[str, Any]:
        """What `results.json` holds."""
        return {
            "version": __version__,
            "experiment": self.experiment.name,
            "question": self.experiment.question,
            "hypothesis": self.experiment.hypothesis,
            "verdict": self.verdict,
            "leaves_out": self.experiment.leaves_out,
            "seeds": list(self.seeds),
            "arms": {
                arm: {name: list(self.values(arm, name)) for name in self.measures}
                for arm in self.arms
            },
        }

    def write(self, directory: Path) -> list[Path]:
        """Write the picture, the results and the journal; the files written.

        Raises:
            LabError: the folder cannot be written.
        """
        from gitops_lab.experiments import picture  # matplotlib is slow to import

        names = ("timeline.png", "results.json", "journal.jsonl")
        paths = [directory / self.experiment.name / name for name in names]
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"
        try:
            paths[0].parent.mkdir(parents=True, exist_ok=True)
            drawn = picture.timeline(measure.measure(self.journal), title=self.experiment.question)
            picture.save(drawn, paths[0], source=f"sha256:{sha256(text.encode()).hexdigest()}")
            paths[1].write_text(text, encoding="utf-8")
            self.journal.write(paths[2])
        except OSError as error:
            raise LabError(
                f"cannot write: {error.strerror}", where=str(error.filename or directory),
                fix="name another folder with --output",
            ) from error  # fmt: skip
        return paths


def run(
    experiment: Experiment, *, arms: Sequence[str] = (), seed: int = 1, repeat: int = 1
) -> Result:
    """Run an experiment in virtual time.

    Args:
        experiment: which one.
        arms: names of arms; all of the experiment's if there are none.
        seed: of the first run; each other one has the next number.
        repeat: how many runs.

    Raises:
        UsageError: an arm that does not exist.
    """
    chosen = experiment.chosen(arms)
    seeds = tuple(range(seed, seed + repeat))
    runs, journal = [], None
    for number in seeds:
        with Sandbox(*chosen, seed=number) as world:
            world.run(seconds=SETTLING)
            runs.append(experiment.steps(world))
            world.chapter("end")
            journal = journal or world.journal
    assert journal is not None
    return Result(experiment, seeds, tuple(runs), journal)


def typical(values: Sequence[Value]) -> Value:
    """The median of numbers, the most frequent of everything else."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if numbers and len(numbers) * 2 >= len(values):
        return median(numbers)
    return Counter(values).most_common(1)[0][0]


# -- what steps often ask -------------------------------------------------------------------------


def seconds_until(
    world: Sandbox, reached: Callable[[str], bool], *, limit: float, every: float = 5
) -> dict[str, float | None]:
    """How long each arm takes to reach something, in seconds; None if longer than the limit.

    Args:
        world: lets its time pass.
        reached: whether the arm of this name is there.
        limit: how long to wait, in seconds.
        every: between two looks, in seconds.
    """
    found: dict[str, float | None] = dict.fromkeys(world.arms)
    waited = 0.0
    while True:
        for name, value in found.items():
            if value is None and reached(name):
                found[name] = waited
        if waited >= limit:
            return found
        world.run(seconds=every)
        waited += every


def reports(world: Sandbox, arm: str, state: str, since: int) -> int:
    """How many runs of an arm ended so, since a position of the journal."""
    entries = world.journal.since(since)
    return sum(
        entry.actor == arm and entry.event == "reported" and entry.data.get("state") == state
        for entry in entries
    )


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; `no arm` if there is none."""
    *others, last = names or ("no arm",)
    return f"{', '.join(others)} and {last}" if others else last


def those(findings: Findings, name: str, value: Value = True) -> list[str]:
    """The arms of which a measure has a value."""
    return [arm for arm, measures in findings.items() if measures.get(name) == value]
