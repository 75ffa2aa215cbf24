"""Delete the StatefulSet by hand in both clusters; Git still has it."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import key


def file(attempt: Attempt) -> None:
    """It is gone for now, and no commit says so."""
    for arm in attempt.world.arms.values():
        arm.cluster.delete(key("StatefulSet/cart"))
