"""Wait for Argo CD to look instead of asking for it, and clean up in another order."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import get, patch, replace

APPLICATION = "Application.argoproj.io/argocd/app"


def manual(attempt: Attempt) -> None:
    """The next look at Git comes by itself."""
    off = {"spec": {"syncPolicy": {"automated": None}}}
    patch(attempt.arm("argocd"), APPLICATION, off)
    attempt.world.commit("Open the shop", attempt.lab.files("work"))
    attempt.wait(minutes=6)


def last(attempt: Attempt) -> None:
    """Remove the miner by hand, write the old version into the file, then switch automation on."""
    arm = attempt.arm("argocd")
    live = get(arm, "Deployment/shop")
    assert live is not None
    declared = [c for c in live["spec"]["template"]["spec"]["containers"] if c["name"] == "shop"]
    patch(arm, "Deployment/shop", {"spec": {"template": {"spec": {"containers": declared}}}})
    new, old = attempt.values["next"], attempt.values["tag"]
    replace(attempt.world, "The old version", "deployment.yaml", f"shop:{new}", f"shop:{old}")
    on = {"spec": {"syncPolicy": {"automated": {"selfHeal": True}}}}
    patch(arm, APPLICATION, on)
    attempt.wait(minutes=6)
