"""Apply over what the commands made, and do not start from nothing."""

from __future__ import annotations

import yaml

from gitops_lab.labs.checks import Attempt


def apply(attempt: Attempt) -> None:
    """The Deployment has two owners, and a generation for each change."""
    for body in yaml.safe_load_all(attempt.lab.files("work")["shop.yaml"]):
        body["metadata"]["namespace"] = "default"
        attempt.arm("pull").cluster.apply(body, manager="kubectl")
    attempt.wait(seconds=30)
