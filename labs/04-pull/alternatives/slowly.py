"""Wait before each step, cut off one cluster only, and revert instead of adding a commit."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def clock(attempt: Attempt) -> None:
    """More steps than needed do no harm."""
    pull = attempt.arm("pull")
    pull.pause()
    attempt.wait(minutes=2)
    replace(attempt.world, "Greet in the morning", "config.yaml", "Welcome", "Good morning")
    for _ in range(8):
        pull.step()
        attempt.wait(seconds=10)


def lost(attempt: Attempt) -> None:
    """Only the pipeline's cluster is cut off: it makes the same difference."""
    arm = attempt.arm("push-on-commit")
    arm.disconnect()
    replace(attempt.world, "Greet at night", "config.yaml", "Good morning", "Good night")
    attempt.wait(minutes=3)
    arm.reconnect()


def behind(attempt: Attempt) -> None:
    """Undo the last commit: that moves Git, too."""
    attempt.world.revert()
