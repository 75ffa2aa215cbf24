"""Put the mistake into the cluster by hand: no run overtook another."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch


def overtake(attempt: Attempt) -> None:
    """The live state is right, and its cause is not."""
    for arm in attempt.world.arms.values():
        patch(arm, "ConfigMap/shop", {"data": {"GREETING": "Wlecome"}})
    attempt.wait(minutes=1)
