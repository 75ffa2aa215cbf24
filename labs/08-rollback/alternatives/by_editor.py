"""Write the good version into the file by hand instead of a revert."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def commit(attempt: Attempt) -> None:
    """What counts is what Git declares."""
    good, bad = attempt.values["good"], attempt.values["bad"]
    replace(attempt.world, "Go back", "deployment.yaml", f"shop:{bad}", f"shop:{good}")
    attempt.wait(seconds=40)
    attempt.arm("pull+self-heal").resume()
