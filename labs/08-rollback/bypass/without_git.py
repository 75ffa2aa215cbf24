"""Leave the agent paused: all is well, as long as nothing else changes."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt


def commit(attempt: Attempt) -> None:
    """Git still asks for the bad version."""
    attempt.world.commit("Explain", {"NOTES.md": "We undid this by hand.\n"})
