"""How "Synced is not healthy" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace

QUOTA = """\
apiVersion: v1
kind: ResourceQuota
metadata:
  name: pods
spec:
  hard:
    pods: "{}"
"""


def image(attempt: Attempt) -> None:
    """Deploy an image that does not exist."""
    replace(attempt.world, "Upgrade", "deployment.yaml", "shop:1.0.0", "shop:does-not-exist")


def quota(attempt: Attempt) -> None:
    """Undo that, ask for six pods, and allow fewer."""
    attempt.world.revert()
    text = attempt.world.repository.read("deployment.yaml").decode()
    attempt.world.commit(
        "Six pods, and a quota",
        {
            "deployment.yaml": text.replace("replicas: 2", "replicas: 6"),
            "quota.yaml": QUOTA.format(attempt.values["limit"]),
        },
    )


def room(attempt: Attempt) -> None:
    """Allow twenty."""
    attempt.world.commit("More room", {"quota.yaml": QUOTA.format(20)})


def greeting(attempt: Attempt) -> None:
    """Change the ConfigMap alone."""
    old, new = attempt.values["old"], attempt.values["new"]
    replace(attempt.world, "Greet otherwise", "config.yaml", old, new)
    attempt.wait(minutes=2)


def through(attempt: Attempt) -> None:
    """Another name for another content."""
    config = attempt.world.repository.read("config.yaml").decode()
    text = attempt.world.repository.read("deployment.yaml").decode()
    attempt.world.commit(
        "Another name for another configuration",
        {
            "config.yaml": config.replace("name: shop\n", "name: shop-2\n"),
            "deployment.yaml": text.replace(
                "configMapRef:\n                name: shop",
                "configMapRef:\n                name: shop-2",
            ),
        },
    )
