"""Switch automation on before Git agrees: the version that was rolled back is deployed again."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import key, patch

APPLICATION = "Application.argoproj.io/argocd/app"


def last(attempt: Attempt) -> None:
    """Synced, Healthy, one container, and the wrong version."""
    on = {"spec": {"syncPolicy": {"automated": {"selfHeal": True}}}}
    patch(attempt.arm("argocd"), APPLICATION, on)
    attempt.arm("argocd").cluster.delete(key("Deployment/shop"))
    attempt.world.commit("Say what this is", {"README.md": "The shop\n"})
    attempt.wait(minutes=6)
