"""How "Controllers that fight" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace

ARM = "pull+self-heal"


def fight(attempt: Attempt) -> None:
    """More load, and patience."""
    load = attempt.values["load"]
    replace(attempt.world, "More customers", "shop.yaml", "load: 200m", f"load: {load}")
    attempt.wait(minutes=6)


def drop(attempt: Attempt) -> None:
    """Less load, peace, and then no number in Git."""
    load = attempt.values["load"]
    replace(attempt.world, "Fewer customers", "shop.yaml", f"load: {load}", "load: 200m")
    attempt.wait(minutes=3)
    replace(attempt.world, "Let it decide", "shop.yaml", "  replicas: 4\n", "")
    attempt.wait(minutes=3)


def handover(attempt: Attempt) -> None:
    """Let another manager hold the field, then take it out of Git."""
    part = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": "default"},
        "spec": {"replicas": 3},
    }
    attempt.arm(ARM).cluster.apply(part, manager="handover")
    replace(attempt.world, "Let it decide, too", "cart.yaml", "  replicas: 3\n", "")
    attempt.wait(minutes=2)
