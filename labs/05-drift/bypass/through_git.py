"""Change the number of replicas in Git: that is no drift, for no one edited by hand."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def replicas(attempt: Attempt) -> None:
    """The live state moves everywhere, because Git did."""
    replace(attempt.world, "More of them", "deployment.yaml", "replicas: 2", "replicas: 7")
    attempt.wait(minutes=4)
