"""Delete the pods, so that new ones read the new greeting."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.model import ObjectKey


def through(attempt: Attempt) -> None:
    """The pods are new, and no commit says why."""
    for arm in attempt.world.arms.values():
        for pod in arm.cluster.list("", "Pod", namespace="default"):
            arm.cluster.delete(ObjectKey.of(pod))
    attempt.world.commit("Say something", {"README.md": "The shop\n"})
