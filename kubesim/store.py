"""The store: every object of a cluster, and the history of how they came to be.

What etcd and the watch cache are to the real API server: each committed change gets the next
revision, and watches are answered from a window of the last changes. Pure: no I/O, no clock.

Objects in the store are never changed. A write puts a new object in place of the old one, so
a reader holds an object as it was at one revision.
"""

from __future__ import annotations

import builtins
import logging
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from kubesim import refusals
from kubesim.model import Object

WINDOW = 4_096
"""How many changes a store remembers unless told otherwise. A watch that is further behind gets
410 Expired, as from a real server after a compaction (there by age: five minutes)."""

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
"""What can happen to an object."""


_log = logging.getLogger(__name__)


class Key(NamedTuple):
    """Where an object is stored. The group is the one it is stored under, never a version."""

    group: str
    plural: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """One committed change.

    Args:
        revision: which change it was; revisions count up by one, over all resources.
        type: what happened to the object.
        key: which object.
        object: the object after the change; of a deletion, the last there was of it, with the
            deletion's own revision.
        old: the object before the change; None if it is new.
    """

    revision: int
    type: ChangeType
    key: Key
    object: Object
    old: Object | None


class _Collection:
    """The objects of one resource in one namespace, by name, and the names in order."""

    __slots__ = ("names", "objects")

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.names: list[str] = []


class Store:
    """Objects by key, with revisions.

    Args:
        window: how many changes are remembered.
        journal: gets each change before the listeners, so that it can be kept beyond the
            process; a change whose journal raises is not made.
    """

    def __init__(
        self, *, window: int = WINDOW, journal: Callable[[Event], None] | None = None
    ) -> None:
        self.revision = 0
        """The revision of the last change."""
        self._window, self._journal = window, journal
        self._objects: dict[tuple[str, str, str, str], Object] = {}
        self._collections: dict[tuple[str, str], dict[str, _Collection]] = {}
        self._history: deque[Event] = deque()
        self._histories: dict[tuple[str, str], deque[Event]] = {}
        self._listeners: list[Callable[[Event], None]] = []

    def get(self, key: tuple[str, str, str, str]) -> Object | None:
        """The object at a key, or None."""
        return self._objects.get(key)

    def list(
        self, group: str, plural: str, namespace: str | None = None, *, revision: int | None = None
    ) -> builtins.list[Object]:
        """The objects of a resource, ordered by namespace and name.

        Args:
            group: the API group of the resource.
            plural: the resource.
            namespace: only those in this namespace; None for all.
            revision: as of this revision instead of now.

        Raises:
            ApiError: 410 Expired if that revision has left the window.
        """
        collections = self._collections.get((group, plural), {})
        wanted = sorted(collections) if namespace is None else [namespace]
        objects = [
            collection.objects[name]
            for collection in (collections[each] for each in wanted if each in collections)
            for name in collection.names
        ]
        if revision is None or revision == self.revision:
            return objects
        return self._undone(objects, group, plural, namespace, revision)

    def _undone(
        self,
        objects: builtins.list[Object],
        group: str,
        plural: str,
        namespace: str | None,
        revision: int,
    ) -> builtins.list[Object]:
        """The list at an earlier revision: the present one with later changes taken back."""
        past = {_place(obj): obj for obj in objects}
        for event in reversed(self.events(revision, group, plural)):
            if namespace is not None and event.key[2] != namespace:
                continue
            if event.old is None:
                del past[event.key[2:]]
            else:
                past[event.key[2:]] = event.old
        return [past[place] for place in sorted(past)]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many objects there are, by group and plural of their resource."""
        return {
            resource: sum(len(collection.names) for collection in collections.values())
            for resource, collections in self._collections.items()
        }

    def create(self, key: tuple[str, str, str, str], obj: Object) -> Object:
        """Store a new object.

        Returns:
            The object as stored, with its resourceVersion.

        Raises:
            ApiError: 409 AlreadyExists.
        """
        if key in self._objects:
            going = "deletionTimestamp" in self._objects[key]["metadata"]
            raise refusals.already_exists(key[0], key[1], key[3], going=going)
        return self._commit("ADDED", key, obj, None)

    def update(
        self, key: tuple[str, str, str, str], obj: Object, revision: str | None = None
    ) -> Object:
        """Put an object in place of the one that is there.

        Args:
            key: which object.
            obj: what takes its place.
            revision: the resourceVersion the writer started from; None if that does not matter.

        Returns:
            The object as stored, with its resourceVersion.

        Raises:
            ApiError: 404 NotFound; 409 Conflict if the object has another resourceVersion.
        """
        return self._commit("MODIFIED", key, obj, self._present(key, revision))

    def delete(self, key: tuple[str, str, str, str], revision: str | None = None) -> Object:
        """Take an object out of the store.

        Args:
            key: which object.
            revision: the resourceVersion it must have; None if that does not matter.

        Returns:
            The object as it was, with the deletion's resourceVersion.

        Raises:
            ApiError: 404 NotFound; 409 Conflict if the object has another resourceVersion.
        """
        old = self._present(key, revision)
        return self._commit("DELETED", key, old, old)

    def events(self, since: int, group: str = "", plural: str = "") -> builtins.list[Event]:
        """The changes after a revision, oldest first; with a plural, those of one resource.

        Raises:
            ApiError: 410 Expired if changes after it have left the window.
        """
        forgotten = self._history[0].revision - 1 if self._history else self.revision
        if since < forgotten:
            raise refusals.expired(f"too old resource version: {since} ({forgotten})")
        history = self._histories.get((group, plural), ()) if plural else self._history
        return list(_since(history, since))[::-1]

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Tell a listener every change from now on, in the moment it is committed.

        A listener must not write: others would get its change before they get this one. What it
        raises is logged; the change stays, and the other listeners get it.

        Returns:
            What ends the subscription.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # What follows is for code that keeps a store beyond its process (see `persistence`).

    def items(self) -> Iterator[tuple[Key, Object]]:
        """Every object with its key, ordered by key."""
        return ((Key(*key), self._objects[key]) for key in sorted(self._objects))

    def restore(self, revision: int, objects: Iterable[tuple[Key, Object]]) -> None:
        """Fill a new store with the objects of an older one, as they were at a revision.

        The history begins after that revision: a watch that is further behind gets 410 Expired.
        """
        self.revision = revision
        for key, obj in objects:
            self._put(Event(revision, "ADDED", key, obj, None))

    def replay(self, type_: ChangeType, key: Key, obj: Object) -> None:
        """Make a change again that an older store has made; the journal is not told."""
        self._make(self._next(type_, key, obj, self._objects.get(key)))

    def _present(self, key: tuple[str, str, str, str], revision: str | None) -> Object:
        old = self._objects.get(key)
        if old is None:
            raise refusals.not_found(key[0], key[1], key[3])
        if revision is not None and revision != old["metadata"]["resourceVersion"]:
            raise refusals.conflict(key[0], key[1], key[3])
        return old

    def _commit(
        self,
        type_: ChangeType,
        key: tuple[str, str, str, str],
        obj: Object,
        old: Object | None,
    ) -> Object:
        event = self._next(type_, key, obj, old)
        if self._journal is not None:
            self._journal(event)
        self._make(event)
        return event.object

    def _next(
        self,
        type_: ChangeType,
        key: tuple[str, str, str, str],
        obj: Object,
        old: Object | None,
    ) -> Event:
        revision = self.revision + 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}
        return Event(revision, type_, Key(*key), obj, old)

    def _make(self, event: Event) -> None:
        self.revision = event.revision
        self._put(event)
        self._remember(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # the change is made: the writer and the other listeners go on
                _log.exception("a listener failed at revision %d, %s", event.revision, event.key)

    def _put(self, event: Event) -> None:
        key = event.key
        if event.type == "MODIFIED":
            self._collections[key[:2]][key[2]].objects[key[3]] = event.object
            self._objects[key] = event.object
            return
        collections = self._collections.setdefault(key[:2], {})
        if event.type == "ADDED":
            collection = collections.get(key[2])
            if collection is None:
                collection = collections[key[2]] = _Collection()
            insort(collection.names, key[3])
            collection.objects[key[3]] = self._objects[key] = event.object
            return
        collection = collections[key[2]]
        del collection.names[bisect_left(collection.names, key[3])]
        del collection.objects[key[3]], self._objects[key]
        if not collection.names:
            del collections[key[2]]

    def _remember(self, event: Event) -> None:
        self._history.append(event)
        history = self._histories.get(event.key[:2])
        if history is None:
            history = self._histories[event.key[:2]] = deque()
        history.append(event)
        if len(self._history) > self._window:
            forgotten = self._history.popleft()
            self._histories[forgotten.key[:2]].popleft()


def _since(history: deque[Event] | tuple[()], since: int) -> Iterator[Event]:
    """The events after a revision, newest first."""
    for event in reversed(history):
        if event.revision <= since:
            return
        yield event


def _place(obj: Object) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
