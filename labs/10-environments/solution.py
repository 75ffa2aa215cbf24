"""How "Environments and promotion" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace

STAGING, PROD = "envs/staging/version.yaml", "envs/prod/version.yaml"


def layout(attempt: Attempt) -> None:
    """A new version for staging."""
    old, new = attempt.values["tag"], attempt.values["next"]
    replace(attempt.world, f"Try {new} in staging", STAGING, f"shop:{old}", f"shop:{new}")
    attempt.wait(minutes=3)


def promote(attempt: Attempt) -> None:
    """The version file, by a pull request."""
    repository = attempt.world.repository
    repository.commit("Promote to prod", {PROD: repository.read(STAGING)}, branch="promote")
    number = repository.pulls.open("promote", by="learner").number
    attempt.wait(minutes=1)
    repository.pulls.merge(number, by="learner")
    attempt.wait(minutes=3)


def branches(attempt: Attempt) -> None:
    """A branch for prod, two changes of staging, and a merge that brings both."""
    repository, new = attempt.world.repository, attempt.values["next"]
    repository.push(repository.tip(), "production")
    attempt.wait(seconds=1)
    settings = repository.read("envs/staging/settings.yaml").decode()
    version = repository.read(STAGING).decode()
    attempt.world.commit(
        "Try 3.0.0 with two pods in staging",
        {
            "envs/staging/settings.yaml": settings.replace("replicas: 1", "replicas: 2"),
            STAGING: version.replace(f"shop:{new}", "shop:3.0.0"),
        },
    )
    repository.push(repository.tip(), "production")
    attempt.wait(minutes=3)
