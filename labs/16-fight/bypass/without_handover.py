"""Remove the line from Git, as before."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def handover(attempt: Attempt) -> None:
    """The cart falls to one replica."""
    replace(attempt.world, "Let it decide, too", "cart.yaml", "  replicas: 3\n", "")
    attempt.wait(minutes=2)
