"""Remove the miner by hand instead of having the loops write what Git declares."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import get, patch


def delete(attempt: Attempt) -> None:
    """The miner is gone, but no deployer did anything."""
    for arm in attempt.world.arms.values():
        live = get(arm, "Deployment/shop")
        assert live is not None
        shop = live["spec"]["template"]["spec"]["containers"][:1]
        patch(arm, "Deployment/shop", {"spec": {"template": {"spec": {"containers": shop}}}})
