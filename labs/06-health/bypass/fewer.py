"""Ask for fewer pods instead of making room."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def room(attempt: Attempt) -> None:
    """Healthy, and not what the business wants."""
    replace(attempt.world, "Fewer", "deployment.yaml", "replicas: 6", "replicas: 2")
