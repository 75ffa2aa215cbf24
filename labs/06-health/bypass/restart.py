"""Restart by hand, as `kubectl rollout restart` does, and push something else."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch, replace

RESTART = {"kubectl.kubernetes.io/restartedAt": "2026-01-05T09:00:00Z"}


def through(attempt: Attempt) -> None:
    """The pods are new in these two clusters, and in no third one."""
    for arm in attempt.world.arms.values():
        change = {"spec": {"template": {"metadata": {"annotations": RESTART}}}}
        patch(arm, "Deployment/shop", change)
    replace(attempt.world, "Seven", "deployment.yaml", "replicas: 6", "replicas: 7")
