"""Delete the ConfigMap by hand, and leave the Kustomization suspended."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import key


def resume(attempt: Attempt) -> None:
    """The object is gone, but Flux still does nothing."""
    attempt.arm("flux").cluster.delete(key("ConfigMap/settings"))
