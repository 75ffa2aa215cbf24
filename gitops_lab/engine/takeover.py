"""Take over what `kubectl` wrote: its fields become Git's, so that what Git leaves out is removed.

Source: fluxcd/pkg/ssa (patch.go, PatchReplaceFieldsManagers), kustomize-controller 1.9.
"""

from __future__ import annotations

from typing import Any

from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster
from kubesim.fieldsets import union

PREFIXES = ("kubectl", "before-first-apply")
"""Flux takes over from field managers whose names begin so."""

CLIENT_SIDE = ("kubectl-client-side-apply", "before-first-apply")
"""What `kubectl apply --server-side` and Argo CD take over: an object that was applied before."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def to_take_over(live: Object, manager: str, prefixes: tuple[str, ...] = PREFIXES) -> str:
    """The first field manager whose fields are to be taken over; empty if there is none."""
    entries = live["metadata"].get("managedFields") or ()
    found = (
        str(entry.get("manager")) for entry in entries if _is_foreign(entry, manager, prefixes)
    )
    annotations = live["metadata"].get("annotations") or {}
    return next(found, "kubectl apply" if LAST_APPLIED in annotations else "")


def take_over(
    cluster: Cluster, live: Object, manager: str, prefixes: tuple[str, ...] = PREFIXES
) -> None:
    """Rename kubectl's entries in an object's managedFields, so that the next apply owns them.

    Args:
        cluster: where the object lives.
        live: the object as it is.
        manager: the deployer's field manager.
        prefixes: of the field managers to take over from.

    Raises:
        ApiError, ClusterUnreachable: the API server refuses, or does not answer.
    """
    entries = live["metadata"].get("managedFields") or []
    taken = [entry for entry in entries if _is_foreign(entry, manager, prefixes)]
    own = [entry for entry in entries if _is_own(entry, manager)]
    if not taken and not (live["metadata"].get("annotations") or {}).get(LAST_APPLIED):
        return
    fields: dict[str, Any] = {}
    for entry in (*own, *taken):
        fields = union(fields, entry["fieldsV1"])
    first = (*own, *taken)[0] if (own or taken) else None
    merged = (
        [{**first, "manager": manager, "operation": "Apply", "fieldsV1": fields}] if first else []
    )
    rest = [entry for entry in entries if entry not in taken and entry not in own]
    metadata = {"managedFields": [*merged, *rest], "annotations": {LAST_APPLIED: None}}
    cluster.patch(ObjectKey.of(live), {"metadata": metadata}, manager=manager)


def _is_foreign(entry: Any, manager: str, prefixes: tuple[str, ...]) -> bool:
    """Whether an entry is to be taken over, or is an old one of the deployer's own; none of a
    subresource, such as `kubectl scale` makes."""
    name = str(entry.get("manager", ""))
    old = name == manager and entry.get("operation") == "Update"
    return not entry.get("subresource") and (name.startswith(prefixes) or old)


def _is_own(entry: Any, manager: str) -> bool:
    found = entry.get("manager"), entry.get("operation"), entry.get("subresource", "")
    return found == (manager, "Apply", "")
