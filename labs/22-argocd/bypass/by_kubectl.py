"""Deploy the old version by hand instead of rolling back."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch, replace

APPLICATION = "Application.argoproj.io/argocd/app"


def rollback(attempt: Attempt) -> None:
    """The image is the old one, and the history knows of no rollback."""
    old, new = attempt.values["tag"], attempt.values["next"]
    replace(attempt.world, "Upgrade the shop", "deployment.yaml", f"shop:{old}", f"shop:{new}")
    attempt.wait(minutes=6)
    arm = attempt.arm("argocd")
    patch(arm, APPLICATION, {"spec": {"syncPolicy": {"automated": None}}})
    containers = [{"name": "shop", "image": f"gitops-lab/shop:{old}"}]
    patch(arm, "Deployment/shop", {"spec": {"template": {"spec": {"containers": containers}}}})
