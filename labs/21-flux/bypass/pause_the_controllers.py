"""Stop Flux altogether, instead of suspending one object: nothing is fetched either."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt


def suspend(attempt: Attempt) -> None:
    """Nothing is applied, but the GitRepository does not see the commit."""
    attempt.arm("flux").pause()
    attempt.world.commit("Remove the settings", {"settings.yaml": None})
