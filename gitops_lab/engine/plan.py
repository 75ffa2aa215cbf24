"""The plan: what must change so that live state becomes desired state.

Each desired object is sent as a server-side dry run, and the answer is compared with the live
object. So the API server itself fills in defaults, and what differs really would change. Drift
needs no code of its own: it is a plan that is not empty at an unchanged revision.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gitops_lab.engine import hooks, waves
from gitops_lab.engine.desired import normalised, owner_of, stamped
from gitops_lab.engine.fields import Ignore, extra_fields, with_fields_of, without_ignored
from gitops_lab.engine.health import assess
from gitops_lab.engine.inventory import Inventory, stale
from gitops_lab.engine.takeover import CLIENT_SIDE, PREFIXES
from gitops_lab.errors import ApiError, SyncError
from gitops_lab.model import Action, Change, HealthStatus, Manifest, Object, ObjectKey, Plan
from gitops_lab.ports import Cluster

KEEP_ANNOTATION = "gitops-lab/prune"
"""Annotation that forbids to prune an object: set it to `disabled`."""

RECONCILE_ANNOTATION = "gitops-lab/reconcile"
"""Annotation that has an object left alone: set it to `disabled`, in Git or on the live object."""

APPLY_ANNOTATION = "gitops-lab/apply"
"""Annotation that has an object created if it is missing, and then left alone: `once`."""

FORCE_ANNOTATION = "gitops-lab/force"
"""Annotation: `enabled` deletes an object and creates it again if its change is refused."""

HOOK_REVISION = "gitops-lab/hook-revision"
"""Annotation on the objects of hooks: the commit that they ran for."""

ORDERS = ("none", "kinds", "stages", "waves")
"""What a sync applies first.

- `none`: file by file, as `kubectl apply -f` does.
- `kinds`: what others need first, by kind.
- `stages`: as well, and wait until definitions, namespaces and classes are ready, as Flux does.
- `waves`: by sync phase and wave, and wait until each wave is healthy, as Argo CD does.
"""


@dataclass(frozen=True, kw_only=True)
class SyncPolicy:
    """How one sync may act.

    Args:
        owner: the deployer's name: field manager of what it applies, and its owner label.
        namespace: where namespaced objects go that do not say so themselves.
        path: the folder of the artifact to deploy; the root if empty.
        prune: delete objects that were applied once and that Git dropped since.
        force: take fields over that another field manager changed.
        allow_empty: prune even if Git holds no object at all any more.
        take_over: also remove what kubectl added to objects that Git declares, as Flux does.
        validate_first: write nothing of a set if one of its objects would be refused.
        order: one of `ORDERS`.
        ignore: fields that are no drift.
        respect_ignore: also leave these fields as they are when applying.
    """

    owner: str
    namespace: str = "default"
    path: str = ""
    prune: bool = True
    force: bool = True
    allow_empty: bool = False
    take_over: bool = False
    validate_first: bool = False
    order: str = "stages"
    ignore: tuple[Ignore, ...] = ()
    respect_ignore: bool = False

    @property
    def taken_over(self) -> tuple[str, ...]:
        """Prefixes of the field managers whose fields become the deployer's own."""
        return PREFIXES if self.take_over else CLIENT_SIDE


def plan(
    manifests: Sequence[Manifest],
    cluster: Cluster,
    inventory: Inventory,
    policy: SyncPolicy,
    *,
    hooks_for: str = "",
) -> Plan:
    """Compare desired with live state, without writing.

    Args:
        manifests: the desired objects.
        cluster: answers reads and dry runs.
        inventory: what this deployer applied before.
        policy: how it may act.
        hooks_for: the commit whose hooks are to run, if the order is `waves`; empty for none.

    Raises:
        SyncError: Git holds nothing any more and everything would be pruned.
        ClusterUnreachable: the API server does not answer.
    """
    if inventory and not manifests and policy.prune and not policy.allow_empty:
        raise SyncError(
            f"the revision renders to no object at all; refusing to prune all {len(inventory)}",
            fix="check the path and the last commit, or allow it with allow_empty",
        )
    in_files = sorted(manifests, key=_place)
    wanted = kept(in_files, policy.order)
    promised = _promises(wanted)
    changes = [_desired_change(manifest, cluster, policy, promised) for manifest in wanted]
    if hooks_for and policy.order == "waves":
        changes += [
            _hook_change(manifest, phase, cluster, hooks_for)
            for manifest in in_files
            if hooks.is_hook(manifest.body)
            for phase in hooks.types(manifest.body)
            if phase in hooks.PHASES
        ]
    changes.sort(key=ORDERINGS[policy.order])
    stale_changes = [
        change
        for key in stale(inventory, wanted)
        if (change := _stale_change(key, inventory[key], cluster, policy)) is not None
    ]
    stale_changes.sort(key=lambda change: _prune_order(change, policy), reverse=True)
    return Plan((*changes, *stale_changes))


def kept(manifests: Sequence[Manifest], order: str) -> tuple[Manifest, ...]:
    """The objects that a sync keeps as Git has them: all but hooks, which only waves know."""
    if order != "waves":
        return tuple(manifests)
    return tuple(
        manifest
        for manifest in manifests
        if not (hooks.is_hook(manifest.body) or hooks.is_skipped(manifest.body))
    )


def _desired_change(
    manifest: Manifest, cluster: Cluster, policy: SyncPolicy, promised: Promises
) -> Change:
    key, desired = manifest.key, stamped(manifest.body, policy.owner)
    _, _, version = desired["apiVersion"].rpartition("/")
    live = None
    try:
        live = cluster.get(key, version=version)
        if reason := _left_alone(desired, live):
            return Change(key, Action.UNCHANGED, reason, desired, live)
        if live is not None and "deletionTimestamp" in live["metadata"]:
            why = "waits until the live object is deleted"
            return Change(key, Action.SKIPPED, why, desired, live)
        if policy.respect_ignore and live is not None:
            desired = with_fields_of(live, desired, key, policy.ignore)
        merged = cluster.apply(desired, manager=policy.owner, force=policy.force, dry_run=True)
    except ApiError as error:
        missing = promised.get((key.group, key.kind)) or promised.get(("", key.namespace))
        if error.code == 404 and missing:
            return Change(key, Action.CREATED, missing, desired, checked=False)
        if live is not None and recreates(desired, error):
            why = f"deleted and created again: {error.message}"
            return Change(key, Action.CONFIGURED, why, desired, live)
        return Change(key, Action.FAILED, f"{manifest.origin}: {error.message}", desired, live)
    if live is None:
        return Change(key, Action.CREATED, "in Git, not in the cluster", desired)
    return _compared(key, desired, live, merged, policy)


def _compared(
    key: ObjectKey, desired: Object, live: Object, merged: Object, policy: SyncPolicy
) -> Change:
    """What an accepted dry run would change."""
    shown = (without_ignored(each, key, policy.ignore) for each in (live, merged))
    found = list(differences(*shown))
    extra = extra_fields(live, desired, policy.owner)
    taken = [field for field in extra if field.manager.startswith(policy.taken_over)]
    reasons = [str(difference) for difference in found]
    reasons += [f"{field.path} is not in Git, {field.manager} added it" for field in taken]
    other = owner_of(live)
    if other not in ("", policy.owner):
        reasons.insert(0, f"{other} manages this object, too")
    shown_extra = tuple(str(field) for field in extra)
    if not reasons:
        why = "live state is desired state"
        return Change(key, Action.UNCHANGED, why, desired, live, extra=shown_extra)
    why = reasons[0] + (f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else "")
    fields = (*(difference.path for difference in found), *(field.path for field in taken))
    return Change(key, Action.CONFIGURED, why, desired, live, fields, shown_extra)


def _left_alone(desired: Object, live: Object | None) -> str:
    """Why an annotation has this object left alone; empty if none does."""
    for obj in (desired, live):
        if obj is not None and _annotation(obj, RECONCILE_ANNOTATION) == "disabled":
            return f"left alone: {RECONCILE_ANNOTATION} is disabled"
    if live is not None and _annotation(desired, APPLY_ANNOTATION) == "once":
        return f"left alone: {APPLY_ANNOTATION} is once, and it is there"
    return ""


def recreates(desired: Object, error: ApiError) -> bool:
    """Whether to delete an object and create it again after this refusal."""
    is_asked = _annotation(desired, FORCE_ANNOTATION) == "enabled"
    return is_asked and (error.code in (409, 422) or "immutable" in error.message)


def _annotation(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(name, "")).lower()


def _hook_change(manifest: Manifest, phase: str, cluster: Cluster, commit: str) -> Change:
    """What must be done about a hook: it runs once for each commit."""
    key = manifest.key
    annotations = {**(manifest.body["metadata"].get("annotations") or {})}
    annotations[HOOK_REVISION] = f"{commit}/{phase}"
    metadata = {**manifest.body["metadata"], "annotations": annotations}
    desired = normalised({**manifest.body, "metadata": metadata})
    live = cluster.get(key)
    if live is None or _annotation(live, HOOK_REVISION) != f"{commit}/{phase}".lower():
        why = f"{phase} hook of this revision"
        return Change(key, Action.CREATED, why, desired, live, phase=phase)
    health = assess(live)
    if health.status is HealthStatus.DEGRADED:
        why = f"{phase} hook failed: {health.message}"
        return Change(key, Action.FAILED, why, desired, live, phase=phase)
    why = f"{phase} hook " + ("is done" if health.is_healthy else f"runs: {health.message}")
    return Change(key, Action.UNCHANGED, why, desired, live, phase=phase)


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
    try:
        # The version that it was applied in may not be served any more.
        live = cluster.get(key, version=version) or cluster.get(key)
    except ApiError as error:
        return Change(key, Action.FAILED, f"Git dropped it, but: {error.message}")
    if live is None or "deletionTimestamp" in live["metadata"]:
        return None
    if owner_of(live) != policy.owner:
        return Change(key, Action.SKIPPED, "Git dropped it, but it is not ours any more", live=live)
    for name in (KEEP_ANNOTATION, RECONCILE_ANNOTATION):
        if _annotation(live, name) == "disabled":
            return Change(key, Action.SKIPPED, f"{name} is disabled on it", live=live)
    if not policy.prune:
        return Change(key, Action.SKIPPED, "Git dropped it, but pruning is off: orphan", live=live)
    return Change(key, Action.DELETED, "applied before, not in Git any more", live=live)


# -- order ----------------------------------------------------------------------------------------

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


def _place(manifest: Manifest) -> tuple[str, int]:
    """The file, and the number of the document in it."""
    path, _, document = manifest.origin.partition("#")
    number = document.partition(" ")[0]
    return path, int(number) if number.isdigit() else 0


def _wave_order(change: Change) -> tuple[int, int, bool, int, ObjectKey]:
    body = change.desired or change.live or {"metadata": {}}
    phase, kind = hooks.PHASES.index(change.phase or hooks.SYNC), change.key.kind
    # Definitions go first in their wave, which waits for them as Argo CD does.
    is_later = kind != "CustomResourceDefinition"
    return phase, waves.wave(body), is_later, waves.kind_order(kind), change.key


def _prune_order(change: Change, policy: SyncPolicy) -> Any:
    """The order of apply, to be reversed; without an order, objects go by kind all the same."""
    if policy.order == "waves" and change.live is not None:
        return _wave_order(change)[1], apply_order(change.key)
    return 0, apply_order(change.key)


ORDERINGS: dict[str, Callable[[Change], Any]] = {
    "none": lambda change: (),
    "kinds": lambda change: apply_order(change.key),
    "stages": lambda change: apply_order(change.key),
    "waves": _wave_order,
}
"""What a list of desired changes is sorted by; a sort keeps what is equal in the order of files."""


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
    is_secret = live.get("kind") == "Secret"
    for difference in _all_differences(live, merged):
        if is_secret and difference.path.startswith(("data", "stringData")):
            # The path says enough; a value would end up in journals and logs.
            yield Difference(difference.path, *map(_masked, difference[1:]))
        else:
            yield difference


def _masked(value: Any) -> Any:
    return None if value is None else "***"


def _all_differences(live: Object, merged: Object) -> Iterator[Difference]:
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
