"""How "Delete, rename, vanish" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import key, replace


def file(attempt: Attempt) -> None:
    """Delete the cart's file."""
    attempt.world.commit("Close the cart", {"cart.yaml": None})
    attempt.wait(minutes=2)


def rename(attempt: Attempt) -> None:
    """Give the Deployment another name."""
    new = attempt.values["new"]
    replace(
        attempt.world, "Rename the shop", "deployment.yaml",
        "name: shop\n  labels", f"name: {new}\n  labels",
    )  # fmt: skip


def all(attempt: Attempt) -> None:
    """Delete all manifests."""
    attempt.world.commit("Remove all", {"deployment.yaml": None, "service.yaml": None})


def back(attempt: Attempt) -> None:
    """Undo that, and delete the orphans by hand."""
    attempt.world.revert()
    attempt.settle()
    for name in ("StatefulSet/cart", "Deployment/shop"):
        attempt.arm("push-on-commit").cluster.delete(key(name))
