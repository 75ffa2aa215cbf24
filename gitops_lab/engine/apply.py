"""Apply and prune: carry a plan out, object by object, and say what became of each.

A refused object does not stop the others of its batch; what is live afterwards is in the answer,
and the next reconcile goes on from there. No call waits: what must wait is skipped, and comes
with the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from gitops_lab.engine import hooks, waves
from gitops_lab.engine.health import assess
from gitops_lab.engine.plan import SyncPolicy, recreates
from gitops_lab.engine.takeover import take_over
from gitops_lab.errors import ApiError
from gitops_lab.model import Action, Change, Object, Plan
from gitops_lab.ports import Cluster


def stage(kind: str) -> int:
    """Which stage applies a kind; the next begins when this one is ready.

    Source: Flux, kustomize-controller 1.9.
    """
    if kind in ("CustomResourceDefinition", "Namespace", "ClusterRole"):
        return 0
    return 1 if kind.endswith("Class") else 2


def _wave(change: Change) -> tuple[str, int, bool]:
    is_definition = change.key.kind == "CustomResourceDefinition"
    body = change.desired or {"metadata": {}}
    return change.phase or hooks.SYNC, waves.wave(body), is_definition


BATCHES: dict[str, Callable[[Change], Any]] = {
    "none": lambda change: 0,
    "kinds": lambda change: 0,
    "stages": lambda change: stage(change.key.kind),
    "waves": _wave,
}
"""For each order: changes with the same value are one batch, and the next one waits for it."""


def apply(plan: Plan, cluster: Cluster, policy: SyncPolicy) -> Iterator[Change]:
    """Apply the plan's desired objects, batch by batch; each is answered for as it is done.

    If a batch is written but not ready yet, what comes after it is skipped: call again with a new
    plan later.
    """
    blocker = failed = ""
    desired = [change for change in plan if change.desired is not None]
    ordinary = (change for change in desired if change.phase != hooks.SYNC_FAIL)
    for _, batch in groupby(ordinary, key=BATCHES[policy.order]):
        changes = list(batch)
        if policy.validate_first and not blocker:
            changes = [_checked(change, cluster, policy) for change in changes]
            blocker = failed = _refusal(changes)
        done = []
        for change in changes:
            done.append(_apply_one(change, cluster, policy, blocker))
            yield done[-1]
        failed = failed or _failure(done)
        blocker = blocker or next(filter(None, map(_reason_to_wait, done)), "")
    for change in desired:
        if change.phase == hooks.SYNC_FAIL:
            yield _apply_one(change, cluster, policy, "" if failed else "runs if the sync fails")


def _checked(change: Change, cluster: Cluster, policy: SyncPolicy) -> Change:
    """A change whose object the cluster has accepted in a dry run, or would refuse."""
    if change.checked or change.desired is None:
        return change
    try:
        cluster.apply(change.desired, manager=policy.owner, force=policy.force, dry_run=True)
    except ApiError as error:
        return replace(change, action=Action.FAILED, why=error.message)
    return replace(change, checked=True)


def _refusal(changes: list[Change]) -> str:
    """Why nothing of a batch may be written."""
    refused = next((c for c in changes if c.action is Action.FAILED), None)
    return f"nothing is written, for {refused.key} would be refused" if refused else ""


def _failure(done: list[Change]) -> str:
    failed = next((change for change in done if change.action is Action.FAILED), None)
    return f"{failed.key} failed" if failed else ""


def _reason_to_wait(change: Change) -> str:
    """Why the next batch must wait for this object; empty if it need not."""
    if change.action is Action.FAILED:
        return f"waits for {change.key}: {change.why}"
    if change.action is Action.SKIPPED:
        return change.why
    health = assess(change.live)
    return "" if health.is_healthy else f"waits for {change.key}: {health.message}"


def _apply_one(change: Change, cluster: Cluster, policy: SyncPolicy, blocker: str) -> Change:
    if change.desired is None or not change.action.writes:
        return change
    if blocker:
        return replace(change, action=Action.SKIPPED, why=blocker)
    write = _run_hook if change.phase else _write
    try:
        live = write(change, change.desired, cluster, policy)
    except ApiError as error:
        if change.live is None or not recreates(change.desired, error):
            return replace(change, action=Action.FAILED, why=error.message)
        live = _replace(change, change.desired, cluster, policy)
    if live is None:
        return replace(change, action=Action.SKIPPED, why=f"waits until {change.key} is deleted")
    return replace(change, live=live)


def _write(change: Change, desired: Object, cluster: Cluster, policy: SyncPolicy) -> Object | None:
    if change.live is not None:
        take_over(cluster, change.live, policy.owner, policy.taken_over)
    return cluster.apply(desired, manager=policy.owner, force=policy.force)


def _replace(
    change: Change, desired: Object, cluster: Cluster, policy: SyncPolicy
) -> Object | None:
    """Delete an object and create it again; None while it is being deleted."""
    if change.live is not None:
        cluster.delete(change.key, uid=change.live["metadata"]["uid"])
        if cluster.get(change.key) is not None:
            return None
    return cluster.apply(desired, manager=policy.owner, force=policy.force)


def _run_hook(
    change: Change, desired: Object, cluster: Cluster, policy: SyncPolicy
) -> Object | None:
    """Start a hook; what it left behind at an older revision goes first, if it may."""
    if hooks.BEFORE_CREATION in hooks.delete_policies(desired):
        return _replace(change, desired, cluster, policy)
    return _write(change, desired, cluster, policy)


def finished_hooks(done: Plan) -> Iterator[Change]:
    """The hooks that are to be deleted, now that the sync is over."""
    for change in done:
        if not change.phase or change.live is None or change.desired is None:
            continue
        policies = hooks.delete_policies(change.desired)
        wanted = hooks.HOOK_FAILED if change.action is Action.FAILED else hooks.HOOK_SUCCEEDED
        if wanted in policies and change.action is not Action.SKIPPED:
            yield replace(change, action=Action.DELETED, why=f"delete policy {wanted}")


def prune(plan: Plan, cluster: Cluster, *, hold: str = "") -> Iterator[Change]:
    """Delete what the plan says Git dropped, dependants in the background, one after another.

    Args:
        plan: says which objects.
        cluster: where they live.
        hold: a reason to delete none of them this time.
    """
    stale = (change for change in plan if change.desired is None)
    return (prune_one(change, cluster, hold) for change in stale)


def prune_one(change: Change, cluster: Cluster, hold: str = "") -> Change:
    """Delete one object, unless there is a reason not to."""
    if change.action is not Action.DELETED or change.live is None:
        return change
    if hold:
        return replace(change, action=Action.SKIPPED, why=hold)
    try:
        cluster.delete(change.key, uid=change.live["metadata"]["uid"])
    except ApiError as error:
        return replace(change, action=Action.FAILED, why=error.message)
    return change
