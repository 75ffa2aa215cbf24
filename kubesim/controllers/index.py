"""Indexes over the store, so that a reconcile costs what it touches and never scans a cluster.

Kubernetes' controllers read from informers, local copies that lag behind the server. Here an
index is updated in the moment of the write, so what a controller reads is what there is, and
the real controllers' expectations ("I have created three pods that I cannot see yet") fall away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from kubesim.model import Object
from kubesim.store import Event, Key, Store

_log = logging.getLogger(__name__)

Values = Callable[[Object], Iterable[str]]
"""What an object is to be found under; the same object always gives the same answer."""


class Index:
    """Objects of one resource by values computed from them, in the order they were created."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._objects: dict[str, dict[Key, Object]] = {}

    def get(self, value: str) -> list[Object]:
        """The objects under a value, oldest first."""
        return list(self._objects.get(value, {}).values())

    def _under(self, obj: Object) -> tuple[str, ...]:
        """The values of an object; none if it is too odd to have any."""
        try:
            return tuple(self._values(obj))
        except (LookupError, TypeError, ValueError):
            _log.exception("%s cannot be indexed", obj["metadata"].get("name"))
            return ()

    def see(self, event: Event) -> None:
        """Follow one change of the store."""
        new = () if event.type == "DELETED" else self._under(event.object)
        old = () if event.old is None else self._under(event.old)
        for value in old:
            objects = self._objects.get(value)
            if value not in new and objects is not None:
                objects.pop(event.key, None)
                if not objects:
                    del self._objects[value]
        for value in new:
            self._objects.setdefault(value, {})[event.key] = event.object


class Indexes:
    """All indexes of one cluster: each is built once and shared by all that ask for it.

    Args:
        store: what is indexed; indexes follow it from now on.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_name: dict[tuple[str, str, str], Index] = {}
        self._by_resource: dict[tuple[str, str], list[Index]] = {}
        store.subscribe(self._see)

    def get(self, group: str, plural: str, name: str, values: Values) -> Index:
        """The index of a resource under a name; `values` is called if there is none yet."""
        index = self._by_name.get((group, plural, name))
        if index is None:
            index = self._by_name[group, plural, name] = Index(values)
            self._by_resource.setdefault((group, plural), []).append(index)
            for event in existing(self._store, group, plural):
                index.see(event)
        return index

    def by_controller(self, group: str, plural: str) -> Index:
        """Objects by the uid of the owner that controls them; those without by `orphan(…)`."""
        return self.get(group, plural, "controller", _controller)

    def pods_by_node(self) -> Index:
        """Pods by spec.nodeName; those not yet bound under the empty string."""
        return self.get("", "pods", "node", _node)

    def _see(self, event: Event) -> None:
        for index in self._by_resource.get(event.key[:2], ()):
            index.see(event)


def existing(store: Store, group: str, plural: str) -> Iterable[Event]:
    """What is in the store already, told as if it were added now."""
    for obj in store.list(group, plural, None):
        metadata = obj["metadata"]
        key = Key(group, plural, metadata.get("namespace", ""), metadata["name"])
        yield Event(store.revision, "ADDED", key, obj, None)


def orphan(namespace: str) -> str:
    """Where an index by controller keeps a namespace's objects that no one controls."""
    return f"orphan/{namespace}"


def _controller(obj: Object) -> Iterable[str]:
    metadata: dict[str, Any] = obj["metadata"]
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return (reference["uid"],)
    return (orphan(metadata.get("namespace", "")),)


def _node(pod: Object) -> Iterable[str]:
    return (pod["spec"].get("nodeName", ""),)
