"""The resource tree of an Application: what it manages, and what came of that.

Source: Argo CD 3.5, `pkg/apis/application/v1alpha1/types.go` ApplicationTree; the page and
`argocd app get --output tree` show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitops_lab.engine import hooks
from gitops_lab.engine.argo_health import argo_health
from gitops_lab.frontends.argocd.app import images, parts
from gitops_lab.frontends.argocd.cluster_cache import ClusterCache, Kind
from gitops_lab.frontends.argocd.compare import Pair
from gitops_lab.model import Object, ObjectKey

CHILDREN: tuple[Kind, ...] = (
    ("apps", "ReplicaSet"),
    ("apps", "ControllerRevision"),
    ("batch", "Job"),
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
)
"""Kinds that controllers create for other objects."""

UNCOUNTED = (("", "Service", "kubernetes"), ("", "ServiceAccount", "default"),
             ("", "ConfigMap", "kube-root-ca.crt"))  # fmt: skip
"""Objects that every cluster has, and that no project calls orphaned."""


def resource_tree(pairs: Iterable[Pair], cache: ClusterCache) -> dict[str, Any]:
    """The tree as JSON values: nodes with their health and their parents.

    Args:
        pairs: the managed objects.
        cache: the destination's live objects.
    """
    pairs = list(pairs)
    nodes = [_managed(pair) for pair in pairs]
    known = {pair.live["metadata"]["uid"]: pair.live for pair in pairs if pair.live is not None}
    namespaces = {pair.key.namespace for pair in pairs if pair.key.namespace}
    for kind in CHILDREN:
        for namespace in sorted(namespaces):
            for obj in cache.of_kind(kind, namespace):
                uid = obj["metadata"]["uid"]
                owners = [
                    known[ref["uid"]]
                    for ref in obj["metadata"].get("ownerReferences") or ()
                    if ref["uid"] in known
                ]
                if owners and uid not in known:
                    known[uid] = obj
                    nodes.append(_node(obj, owners))
    return {"nodes": nodes}


def orphans(pairs: Iterable[Pair], tree: Mapping[str, Any], cache: ClusterCache,
            namespace: str) -> list[ObjectKey]:  # fmt: skip
    """The live objects of a namespace that belong to no Application, by key.

    Args:
        pairs: the managed objects.
        tree: their tree.
        cache: the destination's live objects.
        namespace: the destination's.
    """
    kinds = {(pair.key.group, pair.key.kind) for pair in pairs if pair.key.namespace}
    inside = {(n["group"], n["kind"], n["namespace"], n["name"]) for n in tree["nodes"]}
    found = []
    for kind in sorted({*kinds, ("", "ConfigMap"), ("", "Service"), ("apps", "Deployment")}):
        for obj in cache.of_kind(kind, namespace):
            key = ObjectKey.of(obj)
            if (
                (key.group, key.kind, key.namespace, key.name) not in inside
                and (key.group, key.kind, key.name) not in UNCOUNTED
                and not obj["metadata"].get("ownerReferences")
            ):
                found.append(key)
    return found


def _managed(pair: Pair) -> dict[str, Any]:
    if pair.live is not None:
        return _node(pair.live, ())
    node: dict[str, Any] = {**parts(pair.any)}
    if not hooks.is_hook(pair.any):
        node["health"] = {"status": "Missing"}
    return node


def _node(obj: Object, owners: Iterable[Object]) -> dict[str, Any]:
    metadata = obj["metadata"]
    node: dict[str, Any] = {
        **parts(obj),
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
        "createdAt": metadata["creationTimestamp"],
    }
    if refs := [
        {k: v for k, v in {**parts(each), "uid": each["metadata"]["uid"]}.items() if k != "version"}
        for each in owners
    ]:
        node["parentRefs"] = refs
    if info := list(_info(obj)):
        node["info"] = info
    if found := images(obj):
        node["images"] = found
    health = argo_health(obj)
    if health is not None:
        node["health"] = {"status": str(health.status)}
        if health.message:
            node["health"]["message"] = health.message
    return node


def _info(obj: Object) -> Iterable[dict[str, str]]:
    annotations = obj["metadata"].get("annotations") or {}
    if obj["kind"] == "ReplicaSet":
        number = annotations.get("deployment.kubernetes.io/revision")
        if number:
            yield {"name": "Revision", "value": f"Rev:{number}"}
    if obj["kind"] == "Pod":
        status = obj.get("status") or {}
        statuses = status.get("containerStatuses") or []
        waiting = [(each.get("state") or {}).get("waiting", {}).get("reason") for each in statuses]
        reason = next((each for each in waiting if each), status.get("phase", "Unknown"))
        yield {"name": "Status Reason", "value": reason}
        if node := obj["spec"].get("nodeName"):
            yield {"name": "Node", "value": node}
        ready = sum(bool(each.get("ready")) for each in statuses)
        yield {"name": "Containers", "value": f"{ready}/{len(obj['spec']['containers'])}"}
        if restarts := sum(each.get("restartCount", 0) for each in statuses):
            yield {"name": "Restart Count", "value": str(restarts)}
