"""Ask the source first, resume by taking the field away, and repair by another commit."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch, replace

KUSTOMIZATION = "Kustomization.kustomize.toolkit.fluxcd.io/flux-system/app"


def resume(attempt: Attempt) -> None:
    """As `kubectl edit` would do it."""
    patch(attempt.arm("flux"), KUSTOMIZATION, {"spec": {"suspend": None}})


def typo(attempt: Attempt) -> None:
    """Correct the word; the other change arrives then."""
    world = attempt.world
    port = attempt.values["port"]
    replace(world, "Open another port", "service.yaml", "port: 80\n", f"port: {port}\n")
    replace(world, "Scale", "deployment.yaml", "replicas: 2", "replica: 3")
    attempt.wait(minutes=2)
    replace(world, "Spell it right", "deployment.yaml", "replica: 3", "replicas: 3")
