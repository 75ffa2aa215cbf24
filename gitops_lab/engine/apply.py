"""Apply and prune: carry a plan out, object by object, and say what became of each.

A refused object does not stop the others; what is live afterwards is in the answer, and the next
reconcile goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from gitops_lab.engine.health import assess
from gitops_lab.engine.plan import SyncPolicy
from gitops_lab.errors import ApiError
from gitops_lab.model import Action, Change, Plan
from gitops_lab.ports import Cluster


def stage(kind: str) -> int:
    """Which stage applies a kind; the next begins when this one is ready.

    Source: Flux, kustomize-controller 1.9.
    """
    if kind in ("CustomResourceDefinition", "Namespace", "ClusterRole"):
        return 0
    return 1 if kind.endswith("Class") else 2


def apply(plan: Plan, cluster: Cluster, policy: SyncPolicy) -> Iterator[Change]:
    """Apply the plan's desired objects, stage by stage; each is answered for as it is done.

    If a stage is written but not ready yet, what comes after it is skipped: call again with a new
    plan later. So one call never waits.
    """
    blocker: Change | None = None
    desired = (change for change in plan if change.desired is not None)
    for _, changes in groupby(desired, key=lambda change: stage(change.key.kind)):
        done = []
        for change in changes:
            done.append(_apply_one(change, cluster, policy, blocker))
            yield done[-1]
        blocker = blocker or next((c for c in done if not assess(c.live).is_healthy), None)


def _apply_one(
    change: Change, cluster: Cluster, policy: SyncPolicy, blocker: Change | None
) -> Change:
    if change.desired is None or not change.action.writes:
        return change
    if blocker is not None:
        why = f"waits for {blocker.key}: {assess(blocker.live).message}"
        return replace(change, action=Action.SKIPPED, why=why)
    try:
        live = cluster.apply(change.desired, manager=policy.owner, force=policy.force)
    except ApiError as error:
        return replace(change, action=Action.FAILED, why=error.message)
    return replace(change, live=live)


def prune(plan: Plan, cluster: Cluster, *, hold: str = "") -> Iterator[Change]:
    """Delete what the plan says Git dropped, dependants in the background, one after another.

    Args:
        plan: says which objects.
        cluster: where they live.
        hold: a reason to delete none of them this time.
    """
    stale = (change for change in plan if change.desired is None)
    return (_prune_one(change, cluster, hold) for change in stale)


def _prune_one(change: Change, cluster: Cluster, hold: str) -> Change:
    if change.action is not Action.DELETED or change.live is None:
        return change
    if hold:
        return replace(change, action=Action.SKIPPED, why=hold)
    try:
        cluster.delete(change.key, uid=change.live["metadata"]["uid"])
    except ApiError as error:
        return replace(change, action=Action.FAILED, why=error.message)
    return change
