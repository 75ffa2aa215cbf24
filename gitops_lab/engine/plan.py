"""The plan: what must change so that live state becomes desired state.

Each desired object is sent as a server-side dry run, and the answer is compared with the live
object. So the API server itself fills in defaults, and what differs really would change. Drift
needs no code of its own: it is a plan that is not empty at an unchanged revision.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gitops_lab.engine.inventory import Inventory, stale
from gitops_lab.errors import ApiError, SyncError
from gitops_lab.model import Action, Change, Manifest, Object, ObjectKey, Plan
from gitops_lab.ports import Cluster

OWNER_LABEL = "gitops-lab/owner"
"""Label on every applied object: the deployer that applied it. Only its owner may prune it."""

KEEP_ANNOTATION = "gitops-lab/prune"
"""Annotation that forbids to prune an object: set it to `disabled`."""


@dataclass(frozen=True, kw_only=True)
class SyncPolicy:
    """How one sync may act.

    Args:
        owner: the deployer's name: field manager of what it applies, and its owner label.
        namespace: where namespaced objects go that do not say so themselves.
        prune: delete objects that were applied once and that Git dropped since.
        force: take fields over that another field manager changed.
        allow_empty: prune even if Git holds no object at all any more.
    """

    owner: str
    namespace: str = "default"
    prune: bool = True
    force: bool = True
    allow_empty: bool = False


def plan(
    manifests: Sequence[Manifest], cluster: Cluster, inventory: Inventory, policy: SyncPolicy
) -> Plan:
    """Compare desired with live state, without writing.

    Args:
        manifests: the desired objects.
        cluster: answers reads and dry runs.
        inventory: what this deployer applied before.
        policy: how it may act.

    Raises:
        SyncError: Git holds nothing any more and everything would be pruned.
        ClusterUnreachable: the API server does not answer.
    """
    if inventory and not manifests and policy.prune and not policy.allow_empty:
        raise SyncError(
            f"the revision renders to no object at all; refusing to prune all {len(inventory)}",
            fix="check the path and the last commit, or allow it with allow_empty",
        )
    ordered = sorted(manifests, key=lambda manifest: apply_order(manifest.key))
    promised = _promises(manifests)
    changes = [_desired_change(manifest, cluster, policy, promised) for manifest in ordered]
    dropped = sorted(stale(inventory, manifests), key=apply_order, reverse=True)
    changes += [
        change
        for key in dropped
        if (change := _stale_change(key, inventory[key], cluster, policy)) is not None
    ]
    return Plan(tuple(changes))


def _desired_change(
    manifest: Manifest, cluster: Cluster, policy: SyncPolicy, promised: Promises
) -> Change:
    key, desired = manifest.key, stamped(manifest.body, policy.owner)
    _, _, version = desired["apiVersion"].rpartition("/")
    live = None
    try:
        live = cluster.get(key, version=version)
        merged = cluster.apply(desired, manager=policy.owner, force=policy.force, dry_run=True)
    except ApiError as error:
        missing = promised.get((key.group, key.kind)) or promised.get(("", key.namespace))
        if error.code == 404 and missing:
            return Change(key, Action.CREATED, missing, desired)
        return Change(key, Action.FAILED, f"{manifest.origin}: {error.message}", desired, live)
    if live is None:
        return Change(key, Action.CREATED, "in Git, not in the cluster", desired)
    found = list(differences(live, merged))
    if not found:
        return Change(key, Action.UNCHANGED, "live state is desired state", desired, live)
    why = str(found[0]) + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")
    fields = tuple(difference.path for difference in found)
    return Change(key, Action.CONFIGURED, why, desired, live, fields)


Promises = Mapping[tuple[str, str], str]
"""What is not there yet but will be before it is needed, and why: kinds by group and kind,
namespaces by an empty group and name."""


def _promises(manifests: Sequence[Manifest]) -> Promises:
    found = {}
    for manifest in manifests:
        match manifest.body:
            case {"kind": "Namespace"}:
                found["", manifest.key.name] = "its namespace is created in this sync"
            case {
                "kind": "CustomResourceDefinition",
                "spec": {"group": str(group), "names": {"kind": str(kind)}},
            }:
                found[group, kind] = "its kind is defined in this sync"
    return found


def _stale_change(
    key: ObjectKey, version: str, cluster: Cluster, policy: SyncPolicy
) -> Change | None:
    live = cluster.get(key, version=version)
    if live is None or "deletionTimestamp" in live["metadata"]:
        return None
    metadata = live["metadata"]
    if (metadata.get("labels") or {}).get(OWNER_LABEL) != policy.owner:
        return Change(key, Action.SKIPPED, "Git dropped it, but it is not ours any more", live=live)
    if (metadata.get("annotations") or {}).get(KEEP_ANNOTATION) == "disabled":
        return Change(key, Action.SKIPPED, f"{KEEP_ANNOTATION} is disabled on it", live=live)
    if not policy.prune:
        return Change(key, Action.SKIPPED, "Git dropped it, but pruning is off: orphan", live=live)
    return Change(key, Action.DELETED, "applied before, not in Git any more", live=live)


def stamped(body: Object, owner: str) -> Object:
    """The desired object with its owner's label."""
    metadata = body["metadata"]
    labels = {**(metadata.get("labels") or {}), OWNER_LABEL: owner}
    return {**body, "metadata": {**metadata, "labels": labels}}


# The order in which Flux's kustomize-controller 1.9 applies: what others need comes first.
FIRST = (
    "CustomResourceDefinition", "Namespace", "ClusterRole", "*Class", "ClusterRoleBinding",
    "ResourceQuota", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret", "Service",
    "LimitRange", "Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget",
)  # fmt: skip
LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def apply_order(key: ObjectKey) -> tuple[int, ObjectKey]:
    """Where an object stands in the order of apply; pruning goes the other way round."""
    kind = "*Class" if key.kind.endswith("Class") else key.kind
    if kind in FIRST:
        return FIRST.index(kind), key
    return len(FIRST) + (kind in LAST), key


# -- comparing ----------------------------------------------------------------------------------


class Difference(NamedTuple):
    """One field that a dry run would change."""

    path: str
    live: Any
    desired: Any

    def __str__(self) -> str:
        # The last two steps of a path tell people enough; `path` tells programs all.
        where = ".".join(self.path.split(".")[-2:])
        return f"{where} is {_short(self.live)}, Git wants {_short(self.desired)}"


def differences(live: Object, merged: Object) -> Iterator[Difference]:
    """The fields that a dry run would change: labels, annotations, and all but status.

    What Flux's `ssa` package compares (kustomize-controller 1.9).
    """
    for part in ("labels", "annotations"):
        before, after = live["metadata"].get(part) or {}, merged["metadata"].get(part) or {}
        yield from _walk(before, after, f"metadata.{part}")
    for name in sorted((live.keys() | merged.keys()) - {"metadata", "status"}):
        yield from _walk(live.get(name), merged.get(name), name)


def _walk(live: Any, desired: Any, path: str) -> Iterator[Difference]:
    if live == desired:
        return
    if isinstance(live, dict) and isinstance(desired, dict):
        for name in sorted(live.keys() | desired.keys()):
            yield from _walk(live.get(name), desired.get(name), f"{path}.{name}")
    elif isinstance(live, list) and isinstance(desired, list) and len(live) == len(desired):
        for index, (before, after) in enumerate(zip(live, desired, strict=True)):
            name = after.get("name", index) if isinstance(after, dict) else index
            yield from _walk(before, after, f"{path}[{name}]")
    else:
        yield Difference(path, live, desired)


def _short(value: Any) -> str:
    if value is None:
        return "absent"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
