"""Declare the miner in Git: then it is no extra field."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def extra(attempt: Attempt) -> None:
    """Argo CD deploys it, and is Synced."""
    end = "            - containerPort: 8080\n"
    more = f"{end}        - name: miner\n          image: lab/miner:1\n"
    replace(attempt.world, "Add a miner", "deployment.yaml", end, more)
    attempt.wait(minutes=6)
