"""How "Drift, and what is not drift" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import get, key, patch, replace

SHOP = "Deployment/shop"


def replicas(attempt: Attempt) -> None:
    """Scale by hand everywhere, and give the slowest loop its time."""
    for arm in attempt.world.arms.values():
        patch(arm, SHOP, {"spec": {"replicas": attempt.values["edited"]}})
    attempt.wait(minutes=4)


def miner(attempt: Attempt) -> None:
    """Add a container by hand everywhere."""
    for arm in attempt.world.arms.values():
        live = get(arm, SHOP)
        assert live is not None
        containers = live["spec"]["template"]["spec"]["containers"]
        more = [*containers, {"name": "miner", "image": "lab/miner:1"}]
        patch(arm, SHOP, {"spec": {"template": {"spec": {"containers": more}}}})
    attempt.wait(minutes=4)


def upgrade(attempt: Attempt) -> None:
    """Deploy another version through Git."""
    old, new = attempt.values["tag"], attempt.values["next"]
    replace(attempt.world, "Upgrade the shop", "deployment.yaml", f"shop:{old}", f"shop:{new}")


def delete(attempt: Attempt) -> None:
    """Delete the Deployment everywhere."""
    for arm in attempt.world.arms.values():
        arm.cluster.delete(key(SHOP))
    attempt.wait(minutes=4)


def back(attempt: Attempt) -> None:
    """Move Git."""
    attempt.world.commit("Say what this is", {"README.md": "The shop\n"})
