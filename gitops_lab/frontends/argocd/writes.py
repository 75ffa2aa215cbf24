"""How a sync writes: client-side apply as kubectl does it, and the ways that options choose.

Source: Argo CD 3.5, gitops-engine `pkg/sync/sync_context.go` applyObject; kubectl 1.37 apply.
"""

from __future__ import annotations

from typing import Any

from gitops_lab.engine import hooks
from gitops_lab.errors import ApiError
from gitops_lab.frontends.argocd import three_way
from gitops_lab.frontends.argocd.names import FIELD_MANAGER
from gitops_lab.model import Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster


def apply_object(
    cluster: Cluster,
    target: Object,
    *,
    server_side: bool = False,
    replace: bool = False,
    force: bool = False,
) -> str:
    """Bring one object into the cluster; what kubectl would print about it.

    Args:
        cluster: where.
        target: the desired object.
        server_side: apply on the server, taking conflicting fields over.
        replace: put the desired object in the place of the live one.
        force: delete what cannot be changed, and create it again.

    Raises:
        ApiError: the server refuses it.
    """
    if server_side and not replace:
        cluster.apply(target, manager=FIELD_MANAGER, force=True)
        return f"{printed(target)} serverside-applied"
    key = ObjectKey.of(target)
    live = cluster.get(key, version=split_api_version(target["apiVersion"])[1])
    if live is None:
        cluster.create(
            target if replace else three_way.with_last_applied(target), manager=FIELD_MANAGER
        )
        return f"{printed(target)} created"
    if replace:
        return _replaced(cluster, target, live, key, force=force)
    try:
        return _patched(cluster, target, live, key)
    except ApiError as error:
        if not force or error.code not in (409, 422):
            raise
        recreate(cluster, three_way.with_last_applied(target), live)
        return f"{printed(target)} configured"


def _patched(cluster: Cluster, target: Object, live: Object, key: ObjectKey) -> str:
    after = three_way.merged(three_way.with_last_applied(target), live)
    patch = merge_patch(live, after)
    if not patch:
        return f"{printed(target)} unchanged"
    cluster.patch(key, patch, manager=FIELD_MANAGER)
    return f"{printed(target)} configured"


def _replaced(
    cluster: Cluster, target: Object, live: Object, key: ObjectKey, *, force: bool
) -> str:
    in_place = key.kind in ("CustomResourceDefinition", "Namespace")
    if force and not in_place:
        recreate(cluster, target, live)
        return f"{printed(target)} replaced"
    kept = {
        name: live["metadata"][name] for name in ("uid", "creationTimestamp", "resourceVersion")
    }
    after = {**target, "metadata": {**target["metadata"], **kept}}
    if "status" in live:
        after["status"] = live["status"]
    patch = merge_patch({k: v for k, v in live.items() if k != "metadata"}, after)
    patch["metadata"] = merge_patch(_writable(live["metadata"]), _writable(after["metadata"]))
    cluster.patch(key, patch, manager=FIELD_MANAGER)
    return f"{key.kind}/{key.name} updated" if in_place else f"{printed(target)} replaced"


def _writable(metadata: Object) -> Object:
    names = ("annotations", "finalizers", "labels", "ownerReferences")
    return {name: metadata[name] for name in names if name in metadata}


def recreate(cluster: Cluster, target: Object, live: Object) -> None:
    """Delete an object and create it again."""
    cluster.delete(ObjectKey.of(live), uid=live["metadata"]["uid"])
    cluster.create(target, manager=FIELD_MANAGER)


def merge_patch(before: Any, after: Any) -> Any:
    """The JSON merge patch (RFC 7386) from one object to another; empty if they are equal."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if value == old and name in before:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            patch[name] = merge_patch(old, value)
        else:
            patch[name] = value
    return patch


def printed(obj: Object) -> str:
    """An object's name as kubectl prints it, such as `deployment.apps/web`."""
    group, _ = split_api_version(obj["apiVersion"])
    kind = obj["kind"].lower() + (f".{group}" if group else "")
    return f"{kind}/{obj['metadata']['name']}"


def drop_hook_finalizer(cluster: Cluster, live: Object) -> None:
    """Let a finished hook be deleted."""
    finalizers = live["metadata"].get("finalizers") or []
    if hooks.FINALIZER in finalizers:
        drop_finalizers(cluster, live, hooks.FINALIZER)


def drop_finalizers(cluster: Cluster, live: Object, *names: str) -> None:
    """Take finalizers off an object; one that is gone already is no error."""
    left = [name for name in live["metadata"].get("finalizers") or () if name not in names]
    try:
        cluster.patch(
            ObjectKey.of(live), {"metadata": {"finalizers": left or None}}, manager=FIELD_MANAGER
        )
    except ApiError as error:
        if error.code != 404:
            raise
