"""Two approvals instead of one, a squash, and a revert that is written by hand."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch


def merge(attempt: Attempt) -> None:
    """Omar approves as well, and merges as one commit."""
    pulls = attempt.world.repository.pulls
    pulls.review(1, "approve", by="rosa")
    pulls.review(1, "approve", by="omar")
    pulls.merge(1, by="omar", method="squash")
    attempt.wait(minutes=3)


def stale(attempt: Attempt) -> None:
    """Change the number back in a branch, with a title that says so."""
    repository = attempt.world.repository
    for arm in attempt.world.arms.values():
        patch(arm, "ConfigMap/shop", {"data": {"GREETING": "Back at nine"}})
    attempt.wait(seconds=5)
    old, new = attempt.values["more"], attempt.values["replicas"]
    text = repository.read("deployment.yaml").decode()
    changed = text.replace(f"replicas: {old}", f"replicas: {new}")
    repository.commit("Revert to fewer pods", {"deployment.yaml": changed}, branch="fewer")
    number = repository.pulls.open("fewer", by="alex").number
    repository.pulls.review(number, "approve", by="rosa")
    repository.pulls.merge(number, by="alex", method="rebase")
    attempt.wait(minutes=3)
