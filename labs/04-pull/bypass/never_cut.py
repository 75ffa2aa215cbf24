"""Push while everything works: nothing is lost."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def lost(attempt: Attempt) -> None:
    """All three have it, and no pipeline failed."""
    replace(attempt.world, "Greet at night", "config.yaml", "Good morning", "Good night")
    attempt.wait(minutes=3)
