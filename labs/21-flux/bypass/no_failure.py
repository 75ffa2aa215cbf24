"""Push two commits without an error in them."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def typo(attempt: Attempt) -> None:
    """All is Ready all the time, so there was nothing to read."""
    replace(attempt.world, "Open another port", "service.yaml", "port: 80\n", "port: 90\n")
    replace(attempt.world, "Close it again", "service.yaml", "port: 90\n", "port: 80\n")
