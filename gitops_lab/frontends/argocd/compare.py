"""The comparison: desired and live objects of an Application side by side, and what follows.

Source: Argo CD 3.5, `controller/state.go` CompareAppState.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_lab.engine import hooks
from gitops_lab.engine.waves import wave
from gitops_lab.errors import ApiError
from gitops_lab.frontends.argocd import ignore, three_way, tracking
from gitops_lab.frontends.argocd.app import has_option, parts, sync_options
from gitops_lab.frontends.argocd.cluster_cache import ClusterCache
from gitops_lab.frontends.argocd.names import COMPARE_OPTIONS, FIELD_MANAGER, SYNC_OPTIONS
from gitops_lab.frontends.argocd.projects import permits_kind
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster

EXCLUDED = {
    ("", "Endpoints"), ("discovery.k8s.io", "EndpointSlice"), ("coordination.k8s.io", "Lease"),
    ("", "Event"), ("events.k8s.io", "Event"), ("authentication.k8s.io", "TokenReview"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authorization.k8s.io", "LocalSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
}  # fmt: skip
"""Kinds that the settings as shipped exclude (`manifests/base/config/argocd-cm.yaml`)."""

SYNCED, OUT_OF_SYNC, UNKNOWN = "Synced", "OutOfSync", "Unknown"


@dataclass(frozen=True)
class Pair:
    """One object of an Application: as Git wants it, and as it is.

    Args:
        key: which object.
        target: as Git wants it; None if Git does not.
        live: as it is; None if it is not there.
        predicted: the live object as a sync would leave it, normalised; None if one is missing.
        normalised: the live object, normalised alike.
        status: its entry in `status.resources`.
    """

    key: ObjectKey
    target: Object | None
    live: Object | None
    predicted: Object | None = None
    normalised: Object | None = None
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def any(self) -> Object:
        """The desired object, else the live one."""
        found = self.target if self.target is not None else self.live
        assert found is not None
        return found

    @property
    def is_modified(self) -> bool:
        """Whether both are there and differ."""
        return self.predicted != self.normalised


@dataclass(frozen=True)
class Comparison:
    """What comparing an Application found.

    Args:
        status: Synced, OutOfSync or Unknown.
        pairs: its objects, by key; hooks that are only desired are not among them.
        hooks: the hooks that Git has.
        conditions: type and message of each warning or error.
    """

    status: str
    pairs: tuple[Pair, ...] = ()
    hooks: tuple[Object, ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()

    @property
    def resources(self) -> list[dict[str, Any]]:
        """What `status.resources` lists."""
        return [dict(pair.status) for pair in self.pairs]


def compare(
    app: Object,
    instance: str,
    project: Mapping[str, Any],
    targets: Sequence[Object] | None,
    cache: ClusterCache,
) -> Comparison:
    """Compare what was rendered with what is live.

    Args:
        app: the Application.
        instance: its tracking name.
        project: its project's spec.
        targets: the rendered objects; None if they could not be loaded.
        cache: the destination's live objects.

    Raises:
        ClusterUnreachable: the destination does not answer.
        ValueError: ignoreDifferences holds an expression that is not understood.
    """
    conditions: list[tuple[str, str]] = []
    namespace = app["spec"]["destination"].get("namespace") or ""
    placed = _placed(targets or (), namespace, cache.cluster)
    wanted = _deduplicated(placed, conditions)
    own_hooks = tuple(obj for obj in wanted if hooks.is_hook(obj))
    managed = {ObjectKey.of(obj): obj for obj in wanted if not hooks.is_hook(obj)}
    cache.watch({(key.group, key.kind) for key in managed} | _known_kinds(app))
    live: dict[ObjectKey, Object] = dict(cache.owned(instance))
    for key, target in managed.items():
        found = cache.get(key, target["apiVersion"])
        if found is not None:
            live[key] = found
            if (other := tracking.owner(found)) not in ("", instance):
                conditions.append(
                    (
                        "SharedResourceWarning",
                        f"{key.kind}/{key.name} is part of applications "
                        f"{_named(instance, app)} and {other}",
                    )
                )
    pairs = []
    for key in sorted({*managed, *live}):
        pair = _paired(app, key, managed.get(key), live.get(key), cache.cluster)
        entry = _status(pair, project, cache.cluster, loaded=targets is not None)
        pairs.append(Pair(key, pair.target, pair.live, pair.predicted, pair.normalised, entry))
    return Comparison(_overall(pairs, targets), tuple(pairs), own_hooks, tuple(conditions))


def _overall(pairs: Iterable[Pair], targets: Sequence[Object] | None) -> str:
    if targets is None:
        return UNKNOWN
    for pair in pairs:
        extra = pair.target is None and pair.live is not None
        if pair.status.get("status") == OUT_OF_SYNC and not (
            extra and has_option(pair.live, COMPARE_OPTIONS, "IgnoreExtraneous")
        ):
            return OUT_OF_SYNC
    return SYNCED


def _named(instance: str, app: Object) -> str:
    return f"{app['metadata']['namespace']}/{instance}"


def _known_kinds(app: Object) -> set[tuple[str, str]]:
    """The kinds that the last comparison knew of."""
    known = (app.get("status") or {}).get("resources") or ()
    return {(each.get("group", ""), each["kind"]) for each in known}


def _placed(targets: Sequence[Object], namespace: str, cluster: Cluster) -> list[Object]:
    """The objects in the destination's namespace if they name none, or in none."""
    brought = {
        (t["spec"]["group"], t["spec"]["names"]["kind"]): t["spec"].get("scope") != "Cluster"
        for t in targets
        if t["kind"] == "CustomResourceDefinition" and _is_definition(t)
    }
    result = []
    for obj in targets:
        key = ObjectKey.of({**obj, "metadata": {"name": "", **obj["metadata"]}})
        namespaced = brought.get((key.group, key.kind))
        if namespaced is None:
            try:
                namespaced = cluster.is_namespaced(key.group, key.kind)
            except ApiError as error:
                if error.code != 404:
                    raise
                namespaced = True  # unknown kinds are taken for namespaced
        place = (key.namespace or namespace) if namespaced else ""
        metadata = {k: v for k, v in obj["metadata"].items() if k != "namespace"}
        if place:
            metadata["namespace"] = place
        result.append({**obj, "metadata": metadata})
    return result


def _is_definition(obj: Object) -> bool:
    match obj:
        case {"spec": {"group": str(), "names": {"kind": str()}}}:
            return True
    return False


def _deduplicated(targets: Iterable[Object], conditions: list[tuple[str, str]]) -> list[Object]:
    """Each object once: of two the last one counts, which is worth a warning."""
    found: dict[Any, Object] = {}
    counts: dict[Any, int] = {}
    for obj in targets:
        metadata = obj["metadata"]
        if not metadata.get("name"):
            found[id(obj)] = obj
            continue
        key = ObjectKey.of(obj)
        if (key.group, key.kind) in EXCLUDED:
            place = f"{key.group}/{key.kind} {key.name}"
            conditions.append(
                ("ExcludedResourceWarning", f"Resource {place} is excluded in the settings")
            )
            continue
        counts[key] = counts.get(key, 0) + 1
        found[key] = obj
    for key, count in counts.items():
        if count > 1:
            place = f"{key.group}/{key.kind}/{key.namespace}/{key.name}"
            conditions.append(
                (
                    "RepeatedResourceWarning",
                    f"Resource {place} appeared {count} times among application resources.",
                )
            )
    return list(found.values())


def _paired(
    app: Object, key: ObjectKey, target: Object | None, live: Object | None, cluster: Cluster
) -> Pair:
    if target is None or live is None:
        return Pair(key, target, live)
    predicted = _predicted(app, target, live, cluster)
    if predicted is live:
        return Pair(key, target, live)
    after, before = three_way.canonical(predicted), three_way.canonical(live)
    entries = app["spec"].get("ignoreDifferences") or ()
    left_out = ignore.paths(entries, key)
    if names := ignore.managers(entries, key):
        left_out += ignore.owned(live, names)
    return Pair(
        key, target, live, ignore.without(after, left_out), ignore.without(before, left_out)
    )


def _predicted(app: Object, target: Object, live: Object, cluster: Cluster) -> Object:
    """The live object as applying the target would leave it."""
    server_side = "ServerSideApply=true" in sync_options(app["spec"]) or has_option(
        target, SYNC_OPTIONS, "ServerSideApply=true"
    )
    if server_side or has_option(app, COMPARE_OPTIONS, "ServerSideDiff=true"):
        try:
            return cluster.apply(target, manager=FIELD_MANAGER, force=True, dry_run=True)
        except ApiError:
            pass  # what the server refuses is compared as it would be without it
    return three_way.merged(target, live)


def _status(
    pair: Pair, project: Mapping[str, Any], cluster: Cluster, *, loaded: bool
) -> dict[str, Any]:
    """The entry of one object in `status.resources`."""
    obj = pair.any
    entry: dict[str, Any] = {k: v for k, v in parts(obj).items() if v}
    is_hook = hooks.is_hook(obj)
    if is_hook:
        entry["hook"] = True
    if number := wave(obj):
        entry["syncWave"] = number
    own = pair.live is None or tracking.names_itself(pair.live)
    if pair.target is None and pair.live is not None and own and not is_hook:
        entry["requiresPruning"] = True
    if has_option(obj, SYNC_OPTIONS, "Prune=confirm") or has_option(
        obj, SYNC_OPTIONS, "Delete=confirm"
    ):
        entry["requiresDeletionConfirmation"] = True
    if is_hook or (pair.target is not None and hooks.is_skipped(pair.target)) or not own:
        return entry
    differs = pair.target is None or pair.live is None or pair.is_modified
    entry["status"] = OUT_OF_SYNC if differs else SYNCED
    if not loaded or not _is_permitted(pair.key, project, cluster):
        entry["status"] = UNKNOWN
    return entry


def _is_permitted(key: ObjectKey, project: Mapping[str, Any], cluster: Cluster) -> bool:
    try:
        namespaced = cluster.is_namespaced(key.group, key.kind)
    except ApiError:
        namespaced = bool(key.namespace)
    return permits_kind(project, key, namespaced=namespaced)
