"""All experiments, in the order in which they are listed. To add one: a file, and a line here."""

from __future__ import annotations

from gitops_lab.errors import UsageError
from gitops_lab.experiments import (
    deletion,
    extra_fields,
    fighting_controllers,
    front_ends,
    ordering,
    partial_failure,
)
from gitops_lab.experiments.experiment import Experiment

MODULES = (ordering, partial_failure, fighting_controllers, deletion, extra_fields, front_ends)

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT for module in MODULES
}


def find(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in EXPERIMENTS:
        raise UsageError(
            f"there is no experiment {name!r}", fix=f"choose from {', '.join(EXPERIMENTS)}"
        )
    return EXPERIMENTS[name]
