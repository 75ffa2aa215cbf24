"""How "Argo CD: from OutOfSync to Synced" is done."""

from __future__ import annotations

from typing import Any

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import get, key, patch, replace

APPLICATION = "Application.argoproj.io/argocd/app"
SHOP = "Deployment/shop"
ON = {"syncPolicy": {"automated": {"selfHeal": True}}}
OFF = {"syncPolicy": {"automated": None}}


def _change(attempt: Attempt, change: dict[str, Any], *, seconds: float = 10) -> None:
    patch(attempt.arm("argocd"), APPLICATION, change)
    attempt.wait(seconds=seconds)


def _refresh(attempt: Attempt) -> None:
    refresh = {"argocd.argoproj.io/refresh": "normal"}
    _change(attempt, {"metadata": {"annotations": refresh}})


def manual(attempt: Attempt) -> None:
    """Switch automation off, push, compare."""
    _change(attempt, {"spec": OFF})
    attempt.world.commit("Open the shop", attempt.lab.files("work"))
    _refresh(attempt)


def sync(attempt: Attempt) -> None:
    """Start two syncs."""
    for _ in range(2):
        _change(attempt, {"operation": {"sync": {}}}, seconds=30)


def heal(attempt: Attempt) -> None:
    """Switch automation and self-heal on, and scale by hand."""
    _change(attempt, {"spec": ON})
    patch(attempt.arm("argocd"), SHOP, {"spec": {"replicas": attempt.values["edited"]}})
    attempt.wait(seconds=30)


def extra(attempt: Attempt) -> None:
    """Add a container by hand."""
    live = get(attempt.arm("argocd"), SHOP)
    assert live is not None
    containers = live["spec"]["template"]["spec"]["containers"]
    more = [*containers, {"name": "miner", "image": "lab/miner:1"}]
    patch(attempt.arm("argocd"), SHOP, {"spec": {"template": {"spec": {"containers": more}}}})
    attempt.wait(seconds=30)
    _refresh(attempt)


def rollback(attempt: Attempt) -> None:
    """Deploy another version, switch automation off, and sync to the revision before."""
    old, new = attempt.values["tag"], attempt.values["next"]
    replace(attempt.world, "Upgrade the shop", "deployment.yaml", f"shop:{old}", f"shop:{new}")
    _refresh(attempt)
    attempt.settle()
    _change(attempt, {"spec": OFF})
    application = get(attempt.arm("argocd"), APPLICATION)
    assert application is not None
    before = application["status"]["history"][-2]
    sync = {"revision": before["revision"], "syncStrategy": {"apply": {}}}
    _change(attempt, {"operation": {"sync": sync}}, seconds=30)


def last(attempt: Attempt) -> None:
    """Undo the upgrade in Git, switch automation on, and have the Deployment created again."""
    attempt.world.revert()
    _change(attempt, {"spec": ON})
    attempt.arm("argocd").cluster.delete(key(SHOP))
    _refresh(attempt)
