"""What "First commit" measures."""

from __future__ import annotations

import yaml

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.fields import managers
from gitops_lab.labs.world import get


def replicas_in_the_file(attempt: Attempt) -> int:
    """How many pods the learner's own manifest asks for."""
    return int(yaml.safe_load(attempt.lab.files("work")["deployment.yaml"])["spec"]["replicas"])


def first_cluster(attempt: Attempt) -> str:
    """The cluster in which the first object was applied."""
    applied = attempt.entries(event="applied", subject="Deployment default/shop")
    return applied[0].actor if applied else ""


def who_set_the_image(attempt: Attempt) -> str | None:
    """The field manager of the image in the cluster `pull`."""
    found = managers(
        get(attempt.arm("pull"), "Deployment/shop"), "spec.template.spec.containers[shop].image"
    )
    return found[0] if found else None


def seconds_until_pull(attempt: Attempt) -> int | None:
    """From the second push until the agent applied it, in the world's seconds."""
    pushed = attempt.entries(since="step", event="pushed")
    applied = attempt.entries(since="step", actor="pull", event="applied", action="configured")
    return round(applied[-1].at - pushed[-1].at) if pushed and applied else None
