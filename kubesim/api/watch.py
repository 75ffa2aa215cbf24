"""Watches: the changes of a list, told from a revision on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubesim import refusals
from kubesim.api.conversion import Convert
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.selectors import Predicate
from kubesim.store import Event, Store

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the present and begins the future."""


class Watch:
    """A watch that is asked, not one that calls: `poll` tells what has happened since the last.

    An object that comes to match the selectors is ADDED, one that ceases to is DELETED, no
    matter what happened to it. Source: the watch cache (apiserver `storage/cacher`).

    Args:
        store: whose changes are told.
        resource: group and plural under which the objects are stored.
        namespace: only objects in this one; None for all.
        matches: whether an object meets the selectors.
        serve: turns a stored object into the API version that was asked for.
        header: apiVersion and kind of the objects that are told.
        since: the resourceVersion after which changes are told; empty (or "0") to be told first
            of every object that there is.

    Raises:
        ApiError: 400 if `since` is no number, 410 Expired if it has left the window, 504 if it
            is yet to come.
    """

    def __init__(
        self,
        store: Store,
        resource: tuple[str, str],
        *,
        namespace: str | None,
        matches: Predicate,
        serve: Convert,
        header: dict[str, str],
        since: str,
    ) -> None:
        self._store, self._namespace = store, namespace
        self.resource = resource
        """Group and plural under which the objects are stored."""
        self._matches: Callable[[Object], bool] = matches
        self._serve, self._header = serve, header
        self._initial: list[dict[str, Any]] = []
        if since in ("", "0"):
            self.revision = store.revision
            """Up to which revision everything has been told."""
            found = store.list(*resource, namespace)
            self._initial = [self._told("ADDED", obj) for obj in found if matches(obj)]
            return
        self.revision = revision_of(since)
        if self.revision > store.revision:
            raise refusals.too_large_revision(self.revision, store.revision)
        store.events(self.revision, *resource)

    def poll(self) -> list[dict[str, Any]]:
        """What has happened since the last call: `{"type": "ADDED", "object": …}` and so on.

        Raises:
            ApiError: 410 Expired if more has happened than the store remembers.
        """
        told, self._initial = self._initial, []
        if self._store.revision == self.revision:
            return told
        events = self._store.events(self.revision, *self.resource)
        self.revision = self._store.revision
        for event in events:
            if self._namespace is None or event.key[2] == self._namespace:
                told += self._change(event)
        return told

    def bookmark(self, *, ends_initial_events: bool = False) -> dict[str, Any]:
        """An event that says nothing but how far the watch has come."""
        metadata: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if ends_initial_events:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        return {"type": "BOOKMARK", "object": {**self._header, "metadata": metadata}}

    def _change(self, event: Event) -> list[dict[str, Any]]:
        was = event.old is not None and self._matches(event.old)
        is_ = event.type != "DELETED" and self._matches(event.object)
        if is_:
            return [self._told("MODIFIED" if was else "ADDED", event.object)]
        if not was or event.old is None:
            return []
        # What the watcher knew, with the revision at which it was lost.
        metadata = {**event.old["metadata"], "resourceVersion": str(event.revision)}
        return [self._told("DELETED", {**event.old, "metadata": metadata})]

    def _told(self, type_: str, obj: Object) -> dict[str, Any]:
        return {"type": type_, "object": self._serve(obj)}


def revision_of(text: str) -> int:
    """The number in a resourceVersion that a client sends back.

    Raises:
        ApiError: 500 if there is none, without a reason, as the real server has it.
    """
    if not (text.isascii() and text.isdigit()):
        raise ApiError(
            500,
            "",
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
            "invalid syntax",
        )
    return int(text)
