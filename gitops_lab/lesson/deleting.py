"""Notebook 5: what a deployer must remember to delete, and what is live after half a sync."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gitops_lab.errors import UsageError
from gitops_lab.experiments import catalogue, findings_table
from gitops_lab.experiments.experiment import Result, Value, run
from gitops_lab.lesson.story import Question
from gitops_lab.model import ObjectKey
from gitops_lab.sandbox import Sandbox, Text

NAMES = "abc"
SYSTEM = "kube-root-ca.crt"
"""A ConfigMap that the cluster itself puts into every namespace."""


def manifest(name: str) -> str:
    """A small ConfigMap of this name."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  k: '1'\n"


def sets(world: Sandbox, arm: str) -> Text:
    """The three sets that decide what a deployer does: Git, inventory, live.

    Args:
        world: whose ConfigMaps are shown.
        arm: a deployer that keeps an inventory.
    """
    wanted = {m.key.name for m in world.desired(arm) if m.key.kind == "ConfigMap"}
    deployer: Any = world[arm].deployer
    known = {key.name for key in deployer.recall().inventory if key.kind == "ConfigMap"}
    there = world[arm].kubectl.list("", "ConfigMap", namespace="default")
    live = {obj["metadata"]["name"] for obj in there} - {SYSTEM}
    lines = [f"{'object':<10}{'in Git':>8}{'inventory':>12}{'live':>7}   so the deployer will"]
    for name in sorted(wanted | known | live):
        marks = [("yes" if name in each else "-") for each in (wanted, known, live)]
        lines.append(
            f"{name:<10}{marks[0]:>8}{marks[1]:>12}{marks[2]:>7}   "
            f"{_decision(name in wanted, name in known, name in live)}"
        )
    return Text("\n".join(lines))


def _decision(wanted: bool, known: bool, live: bool) -> str:
    if wanted:
        return "compare it, and change it if it differs" if live else "create it"
    if known:
        return "prune it" if live else "forget it"
    return "leave it alone: it belongs to others"


def create_by_hand(world: Sandbox, name: str) -> None:
    """Create a ConfigMap in every cluster that Git never had."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    for arm in world.arms.values():
        arm.kubectl.apply(
            {**body, "metadata": {"name": name, "namespace": "default"}}, manager="kubectl"
        )


def is_live(world: Sandbox, arm: str, name: str) -> bool:
    """Whether a ConfigMap is live."""
    return world[arm].kubectl.get(ObjectKey("", "ConfigMap", "default", name)) is not None


@dataclass(frozen=True)
class Shown:
    """An experiment's result, which a notebook shows as a table with the verdict."""

    result: Result

    def __repr__(self) -> str:
        found = self.result
        rows = [("", *found.arms)]
        rows += [
            (name, *(findings_table.in_words(found.values(arm, name)) for arm in found.arms))
            for name in found.measures
        ]
        widths = [max(len(row[place]) for row in rows) + 2 for place in range(len(rows[0]))]
        lines = [
            "".join(
                f"{cell:<{width}}" if place == 0 else f"{cell:>{width}}"
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, "", f"Verdict: {found.verdict}"])

    def value(self, arm: str, name: str) -> Value:
        """What was measured of an arm.

        Raises:
            UsageError: an arm or a measure that does not exist.
        """
        for word, choices in ((arm, self.result.arms), (name, self.result.measures)):
            if word not in choices:
                raise UsageError(f"there is no {word!r}", fix=f"choose from {', '.join(choices)}")
        return self.result.findings[arm][name]


def experiment(name: str, *arms: str) -> Shown:
    """Run an experiment, as `gitops-lab experiment run NAME` does.

    Args:
        name: which one.
        arms: the arms to compare; all of the experiment's if there are none.

    Raises:
        UsageError: an experiment or an arm that does not exist.
    """
    return Shown(run(catalogue.find(name), arms=arms))


WHO_DELETES_EVERYTHING = Question[Shown](
    "Which arms delete everything when the folder becomes empty? (names, in order, with commas)",
    lambda shown: ", ".join(arm for arm in shown.result.arms if shown.value(arm, "orphans") == 0),
    "In the last row of the table, look for 0 orphans.",
)
HOW_MANY_ARE_LIVE = Question[Shown](
    "How many of the five objects are live with push:waves, while one is refused?",
    lambda shown: shown.value("push:waves", "live of 5"),
    "In the table, look at the column push:waves.",
)
