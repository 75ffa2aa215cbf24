"""Take the protection away for a moment, and push: the change is live, and has no approval."""

from __future__ import annotations

from gitops_lab.forge import Rule
from gitops_lab.labs.checks import Attempt


def merge(attempt: Attempt) -> None:
    """The live state is right, and how it came there is not."""
    repository = attempt.world.repository
    repository.protection.unprotect("main")
    old, new = attempt.values["replicas"], attempt.values["more"]
    text = repository.read("deployment.yaml").decode()
    changed = text.replace(f"replicas: {old}", f"replicas: {new}")
    attempt.world.commit("Run more pods", {"deployment.yaml": changed})
    repository.protection.protect(Rule("main", approvals=1))
    attempt.wait(minutes=3)
