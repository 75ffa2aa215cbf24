"""Events: what happened to an object, told in a sentence, for an hour.

Source: client-go tools/record (v0.37) and the API server's `--event-ttl`. An Event that says the
same of the same object again is counted, not written a second time. The real recorder keeps a
cache of what it has said; here the Event's name is made from what it says, so the store itself
remembers. What happens to Events that are many is up to a `Correlator`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from math import ceil
from typing import Any

from gitops_lab.apiserver.api import Api, Options
from gitops_lab.apiserver.controllers.correlation import COMBINED, Correlator
from gitops_lab.apiserver.controllers.loop import Controller, Item
from gitops_lab.apiserver.store import Event
from gitops_lab.clock import timestamp
from gitops_lab.errors import ApiError
from gitops_lab.model import Object

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
    correlator: Correlator | None = None,
) -> None:
    """Tell what happened to an object, or that it happened once more.

    An Event that the API server refuses is dropped, as client-go does: whoever tells a story must
    not fail for it.

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
        correlator: combines Events that are similar, and withholds those that are too many.
    """
    metadata = involved["metadata"]
    uid, namespace = metadata.get("uid", ""), metadata.get("namespace") or "default"
    about = (component, host, involved["kind"], namespace, metadata["name"], uid)
    told = "\n".join((uid, field_path, type, reason, message, component, host))
    if correlator and correlator.combines((*about, type, reason), message, now):
        told, message = "\n".join((uid, type, reason, component, host)), COMBINED + message
    name = f"{metadata['name']}.{hashlib.blake2b(told.encode(), digest_size=8).hexdigest()}"
    if correlator and correlator.withholds(about, name, now):
        return
    times = 1 + (correlator.withheld(name) if correlator else 0)
    resource = api.registry.by_kind("v1", "Event")
    known = api.store.get(("", "events", namespace, name))
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
        reference = {
            "apiVersion": involved["apiVersion"],
            "kind": involved["kind"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": uid,
            "resourceVersion": metadata.get("resourceVersion", ""),
            "fieldPath": field_path,
        }
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {key: value for key, value in reference.items() if value},
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
            or event["metadata"]["creationTimestamp"]
        )
        over = ceil((datetime.fromisoformat(told).timestamp() + TTL) / LEASE) * LEASE
        if over > now:
            return over
        resource = self.api.registry.by_kind("v1", "Event")
        self.api.delete(resource, name, namespace=namespace)
        return None
