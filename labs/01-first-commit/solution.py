"""How "First commit" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def push(attempt: Attempt) -> None:
    """Commit the files as they are, and push them."""
    attempt.world.commit("Deploy the shop", attempt.lab.files("work"))


def change(attempt: Attempt) -> None:
    """Change the version, commit and push."""
    old, new = attempt.values["tag"], attempt.values["next"]
    replace(attempt.world, "Upgrade the shop", "deployment.yaml", f"shop:{old}", f"shop:{new}")
