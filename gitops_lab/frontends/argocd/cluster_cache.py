"""The cluster cache: the live objects of the kinds that Applications use, kept up to date by watch.

Source: Argo CD 3.5, gitops-engine `pkg/cache/cluster.go`. Here a kind is watched from when the
first Application uses it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from gitops_lab.errors import ApiError
from gitops_lab.frontends.argocd import tracking
from gitops_lab.model import Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster

Kind = tuple[str, str]


class ClusterCache:
    """The live objects of one cluster.

    Args:
        cluster: reached with the controller's credentials.
        is_notified: whether `changed` is called; if not, the cluster is read again before each
            comparison.
    """

    def __init__(self, cluster: Cluster, *, is_notified: bool = True) -> None:
        self.cluster, self.is_notified = cluster, is_notified
        self._objects: dict[Kind, dict[ObjectKey, Object]] = {}
        self._owned: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self._changed: set[ObjectKey] = set()

    def watch(self, kinds: Iterable[Kind]) -> None:
        """Watch these kinds as well; one that the cluster does not have is left out."""
        for kind in kinds:
            if kind in self._objects:
                continue
            try:
                found = self.cluster.list(*kind)
            except ApiError as error:
                if error.code != 404:
                    raise
                continue
            self._objects[kind] = {}
            for obj in found:
                self._store(ObjectKey.of(obj), obj)

    def changed(self, key: ObjectKey) -> bool:
        """A live object was created, changed or deleted; whether that is of interest here."""
        watched = (key.group, key.kind) in self._objects
        if watched:
            self._changed.add(key)
        return watched

    def refresh(self) -> set[str]:
        """Read what changed; the tracking names of the Applications that it concerns."""
        concerned = set()
        for key in self._changed:
            kind = key.group, key.kind
            before = self._objects.get(kind, {}).get(key)
            after = self.cluster.get(key)
            concerned |= {tracking.owner(obj) for obj in (before, after) if obj is not None}
            self._store(key, after)
        self._changed.clear()
        return concerned - {""}

    def list_again(self) -> None:
        """Read everything again, for a cluster that does not report changes."""
        kinds, self._objects = list(self._objects), {}
        self._owned.clear()
        self.watch(kinds)

    def owned(self, instance: str) -> dict[ObjectKey, Object]:
        """The live objects that say they belong to an Application.

        An object with an owner belongs to a controller; its annotations do not change that.
        """
        found = {}
        for key in self._owned.get(instance, ()):
            obj = self._objects[key.group, key.kind][key]
            if not obj["metadata"].get("ownerReferences"):
                found[key] = obj
        return found

    def get(self, key: ObjectKey, api_version: str = "") -> Object | None:
        """A live object, in the given version or the preferred one; None if there is none."""
        self.watch([(key.group, key.kind)])
        obj = self._objects.get((key.group, key.kind), {}).get(key)
        if obj is None or not api_version or obj["apiVersion"] == api_version:
            return obj
        return self.cluster.get(key, version=split_api_version(api_version)[1])

    def of_kind(self, kind: Kind, namespace: str = "") -> list[Object]:
        """The live objects of a kind, by key; without a namespace, of all of them."""
        self.watch([kind])
        found = self._objects.get(kind, {})
        return [found[key] for key in sorted(found) if not namespace or key.namespace == namespace]

    def _store(self, key: ObjectKey, obj: Object | None) -> None:
        known = self._objects[key.group, key.kind]
        before = known.pop(key, None)
        if before is not None and (owner := tracking.owner(before)):
            self._owned[owner].discard(key)
        if obj is not None:
            known[key] = obj
            if owner := tracking.owner(obj):
                self._owned[owner].add(key)
