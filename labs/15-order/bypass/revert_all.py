"""Go back to before the season: in sync, and the colleague's work is gone."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt


def right(attempt: Attempt) -> None:
    """The files as they were in the beginning."""
    attempt.world.commit("Back to the start", attempt.lab.files("repository"))
