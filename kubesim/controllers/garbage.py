"""Garbage collection: an object goes when all its owners are gone.

Source: Kubernetes 1.37, pkg/controller/garbagecollector, and the API concepts "Owners and
dependents" and "Garbage collection". Three ways to delete an owner:

- *background*: it goes at once, its dependents after it;
- *foreground*: it waits, with the finalizer `foregroundDeletion`, for the dependents that block it;
- *orphan*: with the finalizer `orphan` it waits until its dependents have forgotten it.

The graph of owners is kept up in the moment of each write, so nothing is ever scanned.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes, existing
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.errors import ApiError
from kubesim.model import Object, split_api_version
from kubesim.resources import Resource
from kubesim.store import Event, Key

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

Reference = dict[str, Any]
"""An entry of metadata.ownerReferences."""


class GarbageCollector(Controller):
    """Looks at an object when it, its owners or its dependents change. Its items hold uids."""

    name = "garbage-collector-controller"
    watches = None

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._keys: dict[str, Key] = {}
        self._dependents: dict[str, dict[str, None]] = {}
        for group, plural in dict.fromkeys((r.group, r.plural) for r in api.registry.all()):
            for event in existing(api.store, group, plural):
                self._see(event)
        api.store.subscribe(self._see)

    def keys(self, event: Event) -> Iterable[Item]:
        """The object if its own end or its owners changed; who waits for it if it is gone."""
        namespace = event.key[2]
        metadata = event.object["metadata"]
        owners = metadata.get("ownerReferences") or ()
        if event.type == "MODIFIED" and event.old is not None:
            if _fate(event.old["metadata"]) == _fate(metadata):
                return ()
            before = event.old["metadata"].get("ownerReferences") or ()
            # An owner that is being deleted may have waited for this dependent.
            return [
                (namespace, metadata["uid"]),
                *((namespace, each["uid"]) for each in before if each not in owners),
            ]
        if event.type == "DELETED":
            # Dependents stay known under a uid that is gone, until they are gone themselves.
            dependents = self._dependents.get(metadata["uid"], ())
            return [
                *((self._keys[uid][2], uid) for uid in dependents if uid in self._keys),
                *((namespace, each["uid"]) for each in owners),
            ]
        return ((namespace, metadata["uid"]),) if owners else ()

    def reconcile(self, namespace: str, uid: str, now: float) -> None:
        """Bring what waits for dependents further; delete what has no owner left."""
        key = self._keys.get(uid)
        obj = self.api.store.get(key) if key is not None else None
        if key is None or obj is None:
            return
        metadata = obj["metadata"]
        finalizers = metadata.get("finalizers") or ()
        if "deletionTimestamp" in metadata:
            if ORPHAN in finalizers:
                self._orphan(key, obj)
            elif FOREGROUND in finalizers:
                self._finish_foreground(key, obj)
            return
        references = metadata.get("ownerReferences") or ()
        if references:
            self._judge(key, obj, references)

    def _judge(self, key: Key, obj: Object, references: Iterable[Reference]) -> None:
        """Delete an object if no owner is left; else have it forget those that are gone."""
        solid: list[Reference] = []
        waiting: list[Reference] = []
        gone: list[Reference] = []
        for reference in references:
            owner = self._owner(reference, key[2])
            if owner is None:
                gone.append(reference)
            elif _waits_for_dependents(owner):
                waiting.append(reference)
            else:
                solid.append(reference)
        if solid:
            if gone or waiting:
                self._set_owners(key, obj, solid)
            return
        uid, finalizers = obj["metadata"]["uid"], obj["metadata"].get("finalizers") or ()
        if waiting and any(self._blocks(each, uid) for each in self._dependents.get(uid, ())):
            policy = "Foreground"
        else:
            policy = (
                "Orphan"
                if ORPHAN in finalizers
                else "Foreground"
                if FOREGROUND in finalizers
                else "Background"
            )
        self._delete(key, obj, policy)

    def _finish_foreground(self, key: Key, owner: Object) -> None:
        """Let an owner go for which no dependent is left that blocks it."""
        uid = owner["metadata"]["uid"]
        blocking = [each for each in self._dependents.get(uid, {}) if self._blocks(each, uid)]
        if not blocking:
            self._drop_finalizer(key, owner, FOREGROUND)
            return
        for each in blocking:
            dependent_key = self._keys[each]
            dependent = self.api.store.get(dependent_key)
            if dependent is not None and "deletionTimestamp" not in dependent["metadata"]:
                self._judge(dependent_key, dependent, dependent["metadata"]["ownerReferences"])

    def _orphan(self, key: Key, owner: Object) -> None:
        """Have all dependents forget an owner, then let it go."""
        uid = owner["metadata"]["uid"]
        for each in list(self._dependents.get(uid, ())):
            dependent_key = self._keys[each]
            dependent = self.api.store.get(dependent_key)
            if dependent is not None:
                left = [
                    reference
                    for reference in dependent["metadata"].get("ownerReferences") or ()
                    if reference["uid"] != uid
                ]
                self._set_owners(dependent_key, dependent, left)
        self._drop_finalizer(key, owner, ORPHAN)

    def _blocks(self, dependent: str, owner: str) -> bool:
        """Whether a dependent keeps its owner from going."""
        key = self._keys.get(dependent)
        obj = self.api.store.get(key) if key is not None else None
        return obj is not None and any(
            reference["uid"] == owner and reference.get("blockOwnerDeletion")
            for reference in obj["metadata"].get("ownerReferences") or ()
        )

    def _owner(self, reference: Reference, namespace: str) -> Object | None:
        """The owner that a reference means: same kind, name and uid, in reach; None if gone.

        Raises:
            ApiError: 404, the API server does not know the kind. As long as that is so, nothing
                is known of the owner, and nothing is deleted.
        """
        resource = self.api.registry.by_kind(reference["apiVersion"], reference["kind"])
        key = self._keys.get(reference["uid"])
        if key is None:
            return None
        group = split_api_version(reference["apiVersion"])[0]
        place = namespace if resource.namespaced else ""
        if key != (group, resource.plural, place, reference["name"]):
            return None
        return self.api.store.get(key)

    # Writing. What is gone or changed in the meantime comes back as an event of its own.

    def _delete(self, key: Key, obj: Object, policy: str) -> None:
        resource, metadata = self._resource(obj), obj["metadata"]
        options = Options(propagation=policy, uid=metadata["uid"])
        try:
            self.api.delete(resource, key[3], namespace=key[2], options=options)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    def _set_owners(self, key: Key, obj: Object, references: list[Reference]) -> None:
        self._patch(key, obj, {"ownerReferences": references or None})

    def _drop_finalizer(self, key: Key, obj: Object, finalizer: str) -> None:
        left = [each for each in obj["metadata"]["finalizers"] if each != finalizer]
        self._patch(key, obj, {"finalizers": left or None})

    def _patch(self, key: Key, obj: Object, metadata: dict[str, Any]) -> None:
        patch = {"metadata": {"uid": obj["metadata"]["uid"], **metadata}}
        try:
            self.api.patch(
                self._resource(obj),
                key[3],
                patch,
                type="merge",
                namespace=key[2],
                options=Options(field_manager=MANAGER),
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    def _resource(self, obj: Object) -> Resource:
        return self.api.registry.by_kind(obj["apiVersion"], obj["kind"])

    def _see(self, event: Event) -> None:
        """Keep the graph: where each uid lives, and who depends on it."""
        metadata = event.object["metadata"]
        uid = metadata["uid"]
        new = _owners(metadata) if event.type != "DELETED" else ()
        old = _owners(event.old["metadata"]) if event.old is not None else ()
        if event.type == "DELETED":
            self._keys.pop(uid, None)
        else:
            self._keys[uid] = event.key
        if new == old:
            return
        for owner in old:
            if owner not in new:
                dependents = self._dependents.get(owner, {})
                dependents.pop(uid, None)
                if owner in self._dependents and not dependents:
                    del self._dependents[owner]
        for owner in new:
            self._dependents.setdefault(owner, {})[uid] = None


def _owners(metadata: dict[str, Any]) -> tuple[str, ...]:
    references = metadata.get("ownerReferences")
    return tuple(each["uid"] for each in references if "uid" in each) if references else ()


def _fate(metadata: dict[str, Any]) -> tuple[Any, ...]:
    """What of an object's metadata decides whether it stays."""
    return (
        metadata.get("ownerReferences"),
        metadata.get("finalizers"),
        "deletionTimestamp" in metadata,
    )


def _waits_for_dependents(owner: Object) -> bool:
    metadata = owner["metadata"]
    return "deletionTimestamp" in metadata and FOREGROUND in (metadata.get("finalizers") or ())
