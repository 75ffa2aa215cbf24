"""Write the autoscaler's number into Git instead of giving it up."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def drop(attempt: Attempt) -> None:
    """Peace for now, until the next customers come."""
    load = attempt.values["load"]
    replace(attempt.world, "Fewer customers", "shop.yaml", f"load: {load}", "load: 200m")
    attempt.wait(minutes=3)
    replace(attempt.world, "Two", "shop.yaml", "  replicas: 4\n", "  replicas: 2\n")
    attempt.wait(minutes=3)
