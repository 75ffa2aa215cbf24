"""How "Push: a pipeline from a merge" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace

COMMENT, GROUP = "# concurrency: deploy", "concurrency: deploy"


def merge(attempt: Attempt) -> None:
    """Upgrade, and wait for the pipeline."""
    old, new = attempt.values["tag"], attempt.values["next"]
    replace(attempt.world, "Upgrade the shop", "deployment.yaml", f"shop:{old}", f"shop:{new}")
    attempt.wait(minutes=3)


def verdict(attempt: Attempt) -> None:
    """Break it, wait for the verdict, and go back."""
    good = f"shop:{attempt.values['next']}"
    replace(attempt.world, "Upgrade to nothing", "deployment.yaml", good, "shop:missing")
    attempt.wait(minutes=4)
    attempt.world.revert()
    attempt.wait(minutes=3)


def overtake(attempt: Attempt) -> None:
    """A mistake, and its revert two seconds later."""
    replace(attempt.world, "Greet better", "config.yaml", "Welcome", "Wlecome")
    attempt.wait(seconds=2)
    attempt.world.revert()
    attempt.wait(minutes=3)


def group(attempt: Attempt) -> None:
    """A group for the job; then the same again."""
    path = ".gitops-lab/pipeline.yaml"
    replace(attempt.world, "Deploy one at a time", path, COMMENT, GROUP)
    attempt.wait(seconds=2)
    replace(attempt.world, "Greet better", "config.yaml", "Welcome", "Wlecome")
    attempt.wait(seconds=2)
    attempt.world.revert()
    attempt.wait(minutes=5)
