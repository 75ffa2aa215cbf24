"""Leave the orphans where they are, with no pods: they are there all the same."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch


def back(attempt: Attempt) -> None:
    """Nothing runs, but the objects live on."""
    attempt.world.revert()
    for name in ("StatefulSet/cart", "Deployment/shop"):
        patch(attempt.arm("push-on-commit"), name, {"spec": {"replicas": 0}})
