"""Events: what happened to an object, told in a sentence, for an hour.

Source: client-go tools/record (v0.37) and the API server's `--event-ttl`. An Event that says the
same of the same object again is counted, not written a second time. What was said already, and what
happens to Events that are many, is up to a `Correlator`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import ceil
from typing import Any

from kubesim.api import Api, Options
from kubesim.clock import timestamp
from kubesim.controllers.correlation import COMBINED, Correlator, Matter
from kubesim.controllers.loop import Controller, Item
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

TTL = 3600.0
"""How long an Event is kept after it was last told, in seconds (kube-apiserver's default)."""

LEASE = 60.0
"""Events expire together once in so many seconds (etcd leases are shared likewise)."""


def record(
    api: Api,
    involved: Object,
    *,
    reason: str,
    message: str,
    type: str = "Normal",
    component: str,
    now: float,
    field_path: str = "",
    host: str = "",
    correlator: Correlator,
) -> None:
    """Tell what happened to an object, or that it happened once more.

    An Event that the API server refuses is dropped, as client-go does: what it reports must not
    fail for it.

    Args:
        api: the verbs.
        involved: the object that the Event is about.
        reason: why, as one word for machines.
        message: what happened, as a sentence for people.
        type: `Normal` or `Warning`.
        component: who tells it; also the field manager.
        now: the present instant, in seconds since the Unix epoch.
        field_path: the part of the object, such as `spec.containers{web}`.
        host: the node on which it happened.
        correlator: knows what was told before, combines Events that are similar, and withholds
            those that are too many.
    """
    metadata = involved["metadata"]
    uid, namespace = metadata.get("uid", ""), metadata.get("namespace") or "default"
    about = (component, host, involved["kind"], namespace, metadata["name"], uid)
    told: Matter = (*about, type, reason, field_path, message)
    if correlator.combines((*about, type, reason), message, now):
        told, message = (*about, type, reason), COMBINED + message
    if correlator.withholds(about, told, now):
        return
    times = 1 + correlator.withheld(told)
    resource = api.registry.by_kind("v1", "Event")
    name = correlator.name(told)
    known = api.store.get(("", "events", namespace, name)) if name else None
    if known is None:
        name = _name(metadata["name"], now, api.store.revision)
        correlator.remember(told, name)
    at = timestamp(now)
    options = Options(field_manager=component)
    try:
        if known is not None:
            again: dict[str, Any] = {
                "count": known.get("count", 1) + times,
                "lastTimestamp": at,
                "message": message,
            }
            api.update(resource, name, {**known, **again}, namespace=namespace, options=options)
            return
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": _reference(involved, field_path),
            "reason": reason,
            "message": message,
            "source": {"component": component, **({"host": host} if host else {})},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": times,
            "type": type,
            "reportingComponent": component,
            "reportingInstance": host,
        }
        api.create(resource, event, namespace=namespace, options=options)
    except ApiError:
        return


def _reference(to: Object, field_path: str) -> dict[str, str]:
    """What says which object an Event is about; what is empty is left out."""
    metadata = to["metadata"]
    reference = {
        "apiVersion": to["apiVersion"],
        "kind": to["kind"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata.get("uid", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
        "fieldPath": field_path,
    }
    return {key: value for key, value in reference.items() if value}


def _name(of: str, now: float, revision: int) -> str:
    """A name for a new Event: later ones of the same object come after it in a list.

    The real recorder puts the nanoseconds of its clock behind the name of the object. Here much
    happens at the same instant, so the store's revision tells the nanoseconds apart.
    """
    return f"{of}.{int(now * 1e9) + revision:x}"


class Expiry(Controller):
    """Removes Events an hour after they were last told.

    On a real cluster etcd does it, by a lease, and tells watchers as of any other deletion.
    """

    name = "event-expiry"
    watches = (("", "events"),)

    def keys(self, event: Event) -> Iterable[Item]:
        """The Event, unless it is gone."""
        return () if event.type == "DELETED" else (event.key[2:],)

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Delete the Event if its time is over, else come back when it is."""
        event = self.api.store.get(("", "events", namespace, name))
        if event is None:
            return None
        told = (
            event.get("lastTimestamp")
            or (event.get("series") or {}).get("lastObservedTime")
            or event.get("eventTime")
            or ""
        )
        told = max(told, event["metadata"]["creationTimestamp"])  # what it says may be long ago
        over = ceil((datetime.fromisoformat(told).timestamp() + TTL) / LEASE) * LEASE
        if over > now:
            return over
        resource = self.api.registry.by_kind("v1", "Event")
        self.api.delete(resource, name, namespace=namespace)
        return None
