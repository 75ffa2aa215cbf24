"""Do not pause: the clock does the work, and not the learner."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def clock(attempt: Attempt) -> None:
    """The greeting arrives by itself."""
    replace(attempt.world, "Greet in the morning", "config.yaml", "Welcome", "Good morning")
    attempt.wait(minutes=3)
