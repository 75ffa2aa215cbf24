"""Protect main, and never try the door: nothing was refused."""

from __future__ import annotations

from gitops_lab.forge import Rule
from gitops_lab.labs.checks import Attempt


def protect(attempt: Attempt) -> None:
    """The rule is there, and the branch is pushed."""
    repository = attempt.world.repository
    repository.protection.protect(Rule("main", approvals=1))
    repository.commit("Run more pods", {"note.txt": "more pods"}, branch="more-pods")
    attempt.wait(seconds=5)
