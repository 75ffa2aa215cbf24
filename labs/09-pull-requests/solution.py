"""How "Pull requests and protection" is done."""

from __future__ import annotations

from contextlib import suppress

from gitops_lab.errors import LabError
from gitops_lab.forge import Rule
from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch


def more_pods(attempt: Attempt) -> dict[str, str | bytes | None]:
    """The change that the pull request brings."""
    old, new = attempt.values["replicas"], attempt.values["more"]
    text = attempt.world.repository.read("deployment.yaml").decode()
    return {"deployment.yaml": text.replace(f"replicas: {old}", f"replicas: {new}")}


def protect(attempt: Attempt) -> None:
    """Protect main, be refused, and push a branch."""
    repository = attempt.world.repository
    repository.protection.protect(Rule("main", approvals=1))
    with suppress(LabError):
        repository.commit("Run more pods", more_pods(attempt))
    repository.commit("Run more pods", more_pods(attempt), branch="more-pods")
    attempt.wait(seconds=5)


def open(attempt: Attempt) -> None:
    """Open the pull request, and wait for its check."""
    attempt.world.repository.pulls.open("more-pods", by="learner")
    attempt.wait(minutes=1)


def merge(attempt: Attempt) -> None:
    """Approve as rosa, merge as yourself."""
    pulls = attempt.world.repository.pulls
    pulls.review(1, "approve", "More pods, fine", by="rosa")
    pulls.merge(1, by="learner")
    attempt.wait(minutes=3)


def stale(attempt: Attempt) -> None:
    """Edit past Git; then revert by a pull request."""
    for arm in attempt.world.arms.values():
        patch(arm, "ConfigMap/shop", {"data": {"GREETING": "Back at nine"}})
    pulls = attempt.world.repository.pulls
    number = pulls.revert(1, by="learner").number
    attempt.wait(minutes=1)
    pulls.review(number, "approve", by="rosa")
    pulls.merge(number, by="learner")
    attempt.wait(minutes=3)
