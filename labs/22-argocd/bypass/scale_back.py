"""Undo the edit by hand, with automation but without self-heal."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch

APPLICATION = "Application.argoproj.io/argocd/app"


def heal(attempt: Attempt) -> None:
    """The number is right again, and Argo CD did nothing."""
    arm = attempt.arm("argocd")
    patch(arm, APPLICATION, {"spec": {"syncPolicy": {"automated": {}}}})
    for number in (attempt.values["edited"], attempt.values["replicas"]):
        patch(arm, "Deployment/shop", {"spec": {"replicas": number}})
        attempt.wait(seconds=30)
