"""Namespaces: one that is being deleted goes when everything in it is gone.

Source: Kubernetes 1.37, pkg/controller/namespace/deletion. Pods go before everything else, so
that nothing they need is taken from them while they still run (OrderedNamespaceDeletion).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from kubesim.api import Api, Options
from kubesim.clock import timestamp
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.status import condition, write_status
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.store import Event

FINALIZER = "kubernetes"
"""In a namespace's spec: this controller has not emptied it yet."""


_Told = tuple[str, bool, str, str]
"""Of a condition: its type, whether it holds, the reason, the message."""

_NO_FAILURE: tuple[_Told, ...] = (
    (
        "NamespaceDeletionDiscoveryFailure",
        False,
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        False,
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        False,
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
)
"""What goes wrong on a real cluster only: there, parts of the API can be out of reach."""


class Namespaces(Controller):
    """Empties namespaces that are being deleted."""

    name = "namespace-controller"
    watches = None

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("v1", "Namespace")

    def keys(self, event: Event) -> Iterable[Item]:
        """The namespace if it is being deleted, also when something in it is gone."""
        group, plural, namespace, name = event.key
        if (group, plural) == ("", "namespaces"):
            return (("", name),) if _is_terminating(event.object) else ()
        if event.type != "DELETED" or not namespace:
            return ()
        space = self.api.store.get(("", "namespaces", "", namespace))
        return (("", namespace),) if space is not None and _is_terminating(space) else ()

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Delete what is in the namespace; when nothing is left, let it go."""
        space = self.api.store.get(("", "namespaces", "", name))
        if space is None or not _is_terminating(space):
            return
        if FINALIZER not in (space["spec"].get("finalizers") or ()):
            return
        left = self._empty(name)
        status = self._status(space, left, now)
        space = write_status(self.api, self._resource, space, status)
        if not left:
            others = [each for each in space["spec"]["finalizers"] if each != FINALIZER]
            self.api.update(
                self._resource,
                name,
                {**space, "spec": {**space["spec"], "finalizers": others}},
                subresource="finalize",
                options=Options(field_manager=MANAGER),
            )

    def _empty(self, name: str) -> dict[str, list[Object]]:
        """Delete everything, pods first; what remains, by resource."""
        resources: dict[tuple[str, str], Resource] = {}
        for resource in self.api.registry.all():
            if resource.namespaced and "deletecollection" in resource.verbs:
                resources.setdefault((resource.group, resource.plural), resource)
        pods = resources.pop(("", "pods"))
        left = self._delete([pods], name)
        if not left:
            left = self._delete(resources.values(), name)
        return left

    def _delete(self, resources: Iterable[Resource], name: str) -> dict[str, list[Object]]:
        left = {}
        for resource in resources:
            if self.api.store.list(resource.group, resource.plural, name):
                self.api.delete_collection(resource, namespace=name)
                remaining = self.api.store.list(resource.group, resource.plural, name)
                if remaining:
                    left[resource.group_resource] = remaining
        return left

    def _status(self, space: Object, left: dict[str, list[Object]], now: float) -> dict[str, Any]:
        old = space.get("status") or {}
        conditions = []
        for type, holds, reason, message in _NO_FAILURE + _remaining(left):
            known = condition(old, type)
            status = "True" if holds else "False"
            is_same = known is not None and known.get("status") == status
            since = known.get("lastTransitionTime") if known is not None and is_same else None
            conditions.append(
                {
                    "type": type,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastTransitionTime": since or timestamp(now),
                }
            )
        return {**old, "phase": "Terminating", "conditions": conditions}


def _remaining(left: dict[str, list[Object]]) -> tuple[_Told, ...]:
    """What is told of the objects that are left, by their resource, and of their finalizers."""
    kept = Counter(
        finalizer
        for objects in left.values()
        for obj in objects
        for finalizer in obj["metadata"].get("finalizers") or ()
    )
    resources = ", ".join(
        f"{name if '.' in name else name + '.'} has {len(objects)} resource instances"
        for name, objects in sorted(left.items())
    )
    finalizers = ", ".join(
        f"{name} in {count} resource instances" for name, count in sorted(kept.items())
    )
    content: _Told = (
        "NamespaceContentRemaining",
        bool(left),
        "SomeResourcesRemain" if left else "ContentRemoved",
        f"Some resources are remaining: {resources}"
        if left
        else "All content successfully removed",
    )
    holders: _Told = (
        "NamespaceFinalizersRemaining",
        bool(kept),
        "SomeFinalizersRemain" if kept else "ContentHasNoFinalizers",
        f"Some content in the namespace has finalizers remaining: {finalizers}"
        if kept
        else "All content-preserving finalizers finished",
    )
    return content, holders


def _is_terminating(space: Object) -> bool:
    return "deletionTimestamp" in space["metadata"]
