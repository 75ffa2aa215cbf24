"""Take time between the clusters, and move Git by a change that matters."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch, replace


def replicas(attempt: Attempt) -> None:
    """Scale one cluster after the other; each time another number will do."""
    for number, arm in enumerate(attempt.world.arms.values(), 5):
        patch(arm, "Deployment/shop", {"spec": {"replicas": number}})
        attempt.wait(seconds=20)
    attempt.wait(minutes=4)


def back(attempt: Attempt) -> None:
    """Have three replicas from now on."""
    replace(attempt.world, "Three of them", "deployment.yaml", "replicas: 2", "replicas: 3")
