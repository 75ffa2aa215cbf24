"""Other ways: an extra commit in between, and a group that cancels what is older."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace

PATH = ".gitops-lab/pipeline.yaml"


def overtake(attempt: Attempt) -> None:
    """Write the old text again instead of reverting."""
    replace(attempt.world, "Greet better", "config.yaml", "Welcome", "Wlecome")
    attempt.wait(seconds=4)
    replace(attempt.world, "Greet as before", "config.yaml", "Wlecome", "Welcome")
    attempt.wait(minutes=3)


def group(attempt: Attempt) -> None:
    """Another name for the group, and more time between the pushes."""
    comment, grouped = "# concurrency: deploy", "concurrency: {group: production}"
    replace(attempt.world, "One at a time", PATH, comment, grouped)
    attempt.wait(minutes=3)
    replace(attempt.world, "Greet better", "config.yaml", "Welcome", "Wlecome")
    attempt.wait(seconds=8)
    attempt.world.revert()
    attempt.wait(minutes=5)
