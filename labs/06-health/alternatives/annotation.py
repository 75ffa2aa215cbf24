"""An annotation in the pod template, and no quota at all."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import key, replace


def room(attempt: Attempt) -> None:
    """Remove the quota from Git; the pipeline does not prune, so delete it there as well."""
    attempt.world.commit("No quota", {"quota.yaml": None})
    attempt.arm("push-on-commit").cluster.delete(key("ResourceQuota/pods"))


def through(attempt: Attempt) -> None:
    """The pod template changes, and so the pods are replaced."""
    replace(
        attempt.world,
        "Note the configuration's version",
        "deployment.yaml",
        "  template:\n    metadata:\n",
        "  template:\n    metadata:\n      annotations:\n        configuration: '2'\n",
    )
