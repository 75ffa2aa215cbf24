"""How "Say what, not how" is done."""

from __future__ import annotations

import yaml

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import key


def commands(attempt: Attempt) -> None:
    """Create, scale, expose; the managers are those that kubectl names."""
    cluster = attempt.arm("pull").cluster
    deployment, service = yaml.safe_load_all(attempt.lab.files("work")["shop.yaml"])
    cluster.apply(_here(deployment), manager="kubectl-create")
    replicas = {"spec": {"replicas": attempt.values["replicas"]}}
    cluster.patch(key("Deployment/shop"), replicas, manager="kubectl")
    cluster.apply(_here(service), manager="kubectl-expose")
    attempt.wait(seconds=30)


def apply(attempt: Attempt) -> None:
    """Delete, then apply the file twice."""
    cluster = attempt.arm("pull").cluster
    for name in ("Deployment/shop", "Service/shop"):
        cluster.delete(key(name))
    attempt.wait(seconds=30)
    for _ in range(2):
        for body in yaml.safe_load_all(attempt.lab.files("work")["shop.yaml"]):
            cluster.apply(_here(body), manager="kubectl")
    attempt.wait(seconds=30)


def git(attempt: Attempt) -> None:
    """Commit the file."""
    attempt.world.commit("Describe the shop", attempt.lab.files("work"))


def _here(body: dict[str, object]) -> dict[str, object]:
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    return {**body, "metadata": {**metadata, "namespace": "default"}}
