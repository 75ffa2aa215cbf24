"""Resume the agent before Git is right."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def commit(attempt: Attempt) -> None:
    """The bad version comes back for a minute."""
    good, bad = attempt.values["good"], attempt.values["bad"]
    attempt.arm("pull+self-heal").resume()
    attempt.wait(minutes=2)
    replace(attempt.world, "Go back", "deployment.yaml", f"shop:{bad}", f"shop:{good}")
