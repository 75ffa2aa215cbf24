"""How "Going back" is done."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get, patch, replace

SHOP = "Deployment/shop"
IMAGE = "spec.template.spec.containers[shop].image"


def _undo(attempt: Attempt) -> None:
    """What `kubectl rollout undo` does."""
    for arm in attempt.world.arms.values():
        live = get(arm, SHOP)
        assert live is not None
        containers = live["spec"]["template"]["spec"]["containers"]
        containers[0]["image"] = f"gitops-lab/shop:{attempt.values['good']}"
        patch(arm, SHOP, {"spec": {"template": {"spec": {"containers": containers}}}})


def undo(attempt: Attempt) -> None:
    """Deploy the bad version, and undo it by hand."""
    good, bad = attempt.values["good"], attempt.values["bad"]
    replace(attempt.world, "Upgrade the shop", "deployment.yaml", f"shop:{good}", f"shop:{bad}")
    attempt.until(
        lambda: all(
            str(value(get(arm, SHOP), IMAGE)).endswith(bad) for arm in attempt.world.arms.values()
        )
    )
    attempt.wait(seconds=20)
    _undo(attempt)
    attempt.wait(minutes=2)


def merge(attempt: Attempt) -> None:
    """Merge something harmless."""
    attempt.world.commit("Say what this is", {"README.md": "The shop\n"})


def glass(attempt: Attempt) -> None:
    """Stop the loop, and undo by hand."""
    attempt.arm("pull+self-heal").pause()
    _undo(attempt)


def commit(attempt: Attempt) -> None:
    """Undo the bad commit in Git, then resume."""
    bad = attempt.world.repository.log()[1].revision
    attempt.world.revert(bad)
    attempt.wait(seconds=40)
    attempt.arm("pull+self-heal").resume()
