"""Everything in one file, in a folder of its own: where manifests stand is the learner's choice."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt


def change(attempt: Attempt) -> None:
    """Upgrade, and move both manifests into one file on the way."""
    old, new = attempt.values["tag"], attempt.values["next"]
    text = "---\n".join(attempt.lab.files("work").values()).replace(f"shop:{old}", f"shop:{new}")
    attempt.world.commit(
        "One file for the shop",
        {"deploy/shop.yaml": text, "deployment.yaml": None, "service.yaml": None},
    )
