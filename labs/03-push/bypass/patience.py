"""Wait for each run before the next push: nothing is overtaken."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def overtake(attempt: Attempt) -> None:
    """One after the other, by hand."""
    replace(attempt.world, "Greet better", "config.yaml", "Welcome", "Wlecome")
    attempt.wait(minutes=3)
    attempt.world.revert()
    attempt.wait(minutes=3)
