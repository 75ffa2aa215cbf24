"""Bring the shop back by hand, and move Git only by an empty file."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import PERSON, declared


def back(attempt: Attempt) -> None:
    """It runs again everywhere, and Git did not move."""
    shop = declared(attempt.world, "Deployment/shop")
    assert shop is not None
    for name in ("push-on-commit", "pull", "pull+webhook"):
        attempt.arm(name).cluster.apply(shop, manager=PERSON)
