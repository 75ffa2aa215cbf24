"""Delete the orphans before Git is in order, and write the manifests again instead of a revert."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import key


def back(attempt: Attempt) -> None:
    """The order of the two does not matter, and neither does how the files come back."""
    for name in ("StatefulSet/cart", "Deployment/shop"):
        attempt.arm("push-on-commit").cluster.delete(key(name))
    files = attempt.lab.files("repository")
    new = attempt.values["new"]
    text = files["deployment.yaml"].replace("name: shop\n  labels", f"name: {new}\n  labels")
    attempt.world.commit("Bring it back", {"all.yaml": f"{text}---\n{files['service.yaml']}"})
