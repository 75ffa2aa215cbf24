"""Remove the miner by hand: Flux took nothing over."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import get, patch


def miner(attempt: Attempt) -> None:
    """It comes and goes, and no run was asked for."""
    arm = attempt.arm("flux")
    live = get(arm, "Deployment/shop")
    assert live is not None
    shop = live["spec"]["template"]["spec"]["containers"]
    for containers in ([*shop, {"name": "miner", "image": "lab/miner:1"}], shop):
        patch(arm, "Deployment/shop", {"spec": {"template": {"spec": {"containers": containers}}}})
        attempt.wait(seconds=20)
