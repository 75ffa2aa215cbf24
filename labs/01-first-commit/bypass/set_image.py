"""Set the image in both clusters by hand, and push something that changes nothing."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import patch


def change(attempt: Attempt) -> None:
    """The clusters run the new version; Git does not know of it."""
    image = f"gitops-lab/shop:{attempt.values['next']}"
    attempt.world.commit("Say what the shop is", {"README.md": "# The shop\n"})
    attempt.settle()
    container = {"name": "shop", "image": image, "ports": [{"containerPort": 8080}]}
    for arm in attempt.world.arms.values():
        patch(arm, "Deployment/shop", {"spec": {"template": {"spec": {"containers": [container]}}}})
