"""What belongs to a sandbox in a cluster that others use, too.

Everything that a sandbox puts there carries two labels, so that exactly that can be listed and
removed again. Labels are the only memory: it makes no difference whether the sandbox that made the
objects still runs, or on which machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.errors import ApiError
from gitops_lab.model import Object, ObjectKey

SANDBOX_LABEL = "gitops-lab/sandbox"
"""Names the sandbox that an object belongs to."""

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
"""Names the tool. Source: Kubernetes, "Recommended Labels"."""

TOOL = "gitops-lab"

RBAC = "rbac.authorization.k8s.io"

_EVERYWHERE = {
    ("", "ConfigMap"): ("kube-root-ca.crt", "istio-ca-root-cert", "openshift-service-ca.crt"),
    ("", "ServiceAccount"): ("default",),
}
"""What a cluster itself puts into every namespace, or Istio and OpenShift where they are."""

_DERIVED = frozenset(
    {
        # These copy labels and names from a Service, but no ownership.
        ("", "Endpoints"),
        # These tell of objects, and expire.
        ("", "Event"),
        ("events.k8s.io", "Event"),
    }
)
"""Kinds whose objects follow from others."""


def labels(sandbox: str) -> dict[str, str]:
    """The labels by which an object belongs to a sandbox."""
    return {MANAGED_BY_LABEL: TOOL, SANDBOX_LABEL: sandbox}


def labelled(obj: Object, sandbox: str) -> Object:
    """An object with the labels by which it belongs to a sandbox."""
    metadata = obj["metadata"]
    ours = {**metadata.get("labels", {}), **labels(sandbox)}
    return {**obj, "metadata": {**metadata, "labels": ours}}


class SharedCluster(KubeconfigCluster):
    """A cluster that others use, too: what is applied there through this belongs to a sandbox.

    What belongs to others is not taken over: `down` would remove it. It is handed to
    deployers in place of a `KubeconfigCluster`, of which it takes all arguments.

    Args:
        sandbox: what the sandbox is called.
    """

    def __init__(self, *arguments: Any, sandbox: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sandbox = sandbox

    def apply(
        self, body: Object, *, manager: str, force: bool = True, dry_run: bool = False
    ) -> Object:
        """Server-side apply with the sandbox's labels; what others made is an ApiError 409."""
        key = ObjectKey.of(body)
        live = self.get(key)
        if live is not None and not _belongs(live, self.sandbox):
            raise ApiError(
                409,
                "AlreadyExists",
                f"{key} exists already, and does not belong to the sandbox {self.sandbox!r}",
            )
        return super().apply(
            labelled(body, self.sandbox), manager=manager, force=force, dry_run=dry_run
        )


def owned(
    cluster: KubeconfigCluster, sandbox: str, *, namespaces: Sequence[str] | None = None
) -> list[ObjectKey]:
    """Everything that belongs to a sandbox, in the order in which to remove it.

    Left out is what the cluster removes by itself with its owner, such as a Deployment's pods.

    Args:
        cluster: a connection; kinds that it may not list are passed over.
        sandbox: what the sandbox is called.
        namespaces: where to look; None for everywhere, and for what is in no namespace.
    """
    found = [
        ObjectKey.of(obj)
        for obj in _listed(cluster, namespaces, labels(sandbox))
        if not obj["metadata"].get("ownerReferences")
    ]
    return sorted(found, key=lambda key: (_turn(cluster, key), key))


def strangers(cluster: KubeconfigCluster, sandbox: str, namespace: str) -> list[ObjectKey]:
    """What others put into a namespace: it would go with the namespace.

    Args:
        cluster: a connection.
        sandbox: what the sandbox is called whose objects are no strangers.
        namespace: where to look.
    """
    return sorted(
        key
        for obj in _listed(cluster, [namespace], {})
        if not obj["metadata"].get("ownerReferences")
        and not _belongs(obj, sandbox)
        and (key := ObjectKey.of(obj)).name not in _EVERYWHERE.get((key.group, key.kind), ())
    )


def remove(cluster: KubeconfigCluster, sandbox: str, keys: Iterable[ObjectKey]) -> list[ObjectKey]:
    """Remove what belongs to a sandbox, and nothing else; what was left standing, and must be.

    What no longer has the sandbox's labels is not touched, and neither is a namespace with
    strangers in it. The cluster takes its time: an object is gone when `owned` no longer lists it.

    Args:
        cluster: a connection.
        sandbox: what the sandbox is called.
        keys: what `owned` listed.
    """
    left = []
    for key in keys:
        live = cluster.get(key)
        if live is None or not _belongs(live, sandbox):
            continue
        if key.kind == "Namespace" and not key.group and strangers(cluster, sandbox, key.name):
            left.append(key)
            continue
        cluster.delete(key, uid=live["metadata"]["uid"])
    return left


def _belongs(obj: Object, sandbox: str) -> bool:
    found = obj["metadata"].get("labels", {})
    return all(found.get(name) == value for name, value in labels(sandbox).items())


def _turn(cluster: KubeconfigCluster, key: ObjectKey) -> int:
    """When to remove an object: who acts before what it acts with, contents before containers."""
    if key.kind == "Namespace" and not key.group:
        return 5
    if key.kind == "CustomResourceDefinition":
        return 4  # its instances went before, while those who finalize them could still do so
    if key.group == RBAC:
        return 3
    if not key.namespace:
        return 2
    return 0 if _is_custom(key.group) else 1


def _is_custom(group: str) -> bool:
    """Whether a group of kinds is not one of Kubernetes' own."""
    return "." in group and not group.endswith(".k8s.io")


def _listed(
    cluster: KubeconfigCluster, namespaces: Sequence[str] | None, selector: Mapping[str, str]
) -> list[Object]:
    """All objects with these labels of all kinds that can be listed and deleted."""
    found: list[Object] = []
    for group, kind in cluster.kinds():
        if (group, kind) in _DERIVED:
            continue
        for namespace in _places(cluster, group, kind, namespaces):
            try:
                found += cluster.list(group, kind, namespace=namespace, labels=selector)
            except ApiError as error:
                if error.code not in (403, 404, 405):  # nothing to be seen there
                    raise
    return found


def _places(
    cluster: KubeconfigCluster, group: str, kind: str, namespaces: Collection[str] | None
) -> Collection[str]:
    if namespaces is None:
        return [""]
    return namespaces if cluster.is_namespaced(group, kind) else ()
