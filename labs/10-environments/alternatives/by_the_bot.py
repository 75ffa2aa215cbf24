"""The bot opens the promotion, and it is merged as one commit."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt

STAGING, PROD = "envs/staging/version.yaml", "envs/prod/version.yaml"


def promote(attempt: Attempt) -> None:
    """The same change, from another account, squashed."""
    repository = attempt.world.repository
    files = {PROD: repository.read(STAGING)}
    repository.commit("Promote to prod", files, branch="bot/promote", account="bot")
    number = repository.pulls.open("bot/promote", by="bot").number
    repository.pulls.merge(number, by="rosa", method="squash")
    attempt.wait(minutes=4)
