"""Set the image by hand first, and have Git say the same while no deployer works."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch, replace


def change(attempt: Attempt) -> None:
    """Live state and Git agree, but no value came through Git."""
    old, new = attempt.values["tag"], attempt.values["next"]
    container = {
        "name": "shop",
        "image": f"gitops-lab/shop:{new}",
        "ports": [{"containerPort": 8080}],
    }
    for arm in attempt.world.arms.values():
        arm.pause()
        patch(arm, "Deployment/shop", {"spec": {"template": {"spec": {"containers": [container]}}}})
    replace(attempt.world, "Agree", "deployment.yaml", f"shop:{old}", f"shop:{new}")
