"""Have the autoscaler own the field first: let it write once, and give way at that moment."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get, patch


def handover(attempt: Attempt) -> None:
    """While the agent is paused the autoscaler writes; then one commit removes the number."""
    arm = attempt.arm("pull+self-heal")
    arm.pause()
    load = {"metadata": {"annotations": {"gitops-lab/load": "200m"}}}
    patch(arm, "Deployment/cart", load)
    attempt.until(lambda: value(get(arm, "Deployment/cart"), "spec.replicas") == 4)
    text = attempt.world.repository.read("cart.yaml").decode()
    text = text.replace("load: 150m", "load: 200m").replace("  replicas: 3\n", "")
    attempt.world.commit("Let it decide, too", {"cart.yaml": text})
    arm.resume()
    attempt.wait(minutes=2)
