"""Events: what a controller did to an object, in one sentence, for `kubectl get events`.

Source: client-go, tools/record (v0.37): an Event that repeats itself is counted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster
from kubesim.clock import timestamp

MAX_MESSAGE = 1024
"""Characters in an Event's message (events.k8s.io, validation)."""


@dataclass(frozen=True)
class EventRecord:
    """One Event, as it is recorded and passed to listeners.

    Args:
        about: the object.
        type: `Normal` or `Warning`.
        reason: the machine-readable reason.
        message: the sentence.
        annotations: the Event's own.
        component: the controller that reports it.
        at: when, in seconds since the Unix epoch.
        only_here: whether it stays in the cluster and reaches no notification.
    """

    about: Object
    type: str
    reason: str
    message: str
    component: str
    at: float
    annotations: Mapping[str, str] = field(default_factory=dict)
    only_here: bool = False


class Recorder:
    """Records Events under one controller's name.

    Args:
        cluster: where the objects live.
        component: the controller's name.
        listener: gets each Event as well, such as a notification controller.
        counts: whether an Event that repeats itself is counted; if not, it is written again.
    """

    def __init__(
        self,
        cluster: Cluster,
        component: str,
        listener: Callable[[EventRecord], None] = lambda record: None,
        *,
        counts: bool = True,
    ) -> None:
        self._cluster, self._component, self._listener = cluster, component, listener
        self._counts = counts
        self._written: dict[tuple[str, ...], tuple[ObjectKey, int]] = {}
        # Two controllers may report on objects of the same name at the same time.
        self._count = crc32(component.encode()) % 65_536 * 1_000

    def __call__(
        self,
        about: Object,
        now: float,
        reason: str,
        message: str,
        type: str = "Normal",
        *,
        annotations: Mapping[str, str] | None = None,
        only_here: bool = False,
    ) -> None:
        """Record what happened to an object. An Event that the API server refuses is dropped."""
        record = EventRecord(
            about, type, reason, message, self._component, now, annotations or {}, only_here
        )
        with contextlib.suppress(ApiError):
            self._write(record)
        self._listener(record)

    def _write(self, record: EventRecord) -> None:
        metadata, at = record.about["metadata"], timestamp(record.at)
        namespace = metadata.get("namespace") or "default"
        message = record.message[:MAX_MESSAGE]
        matter = (
            metadata["uid"],
            record.type,
            record.reason,
            message,
            repr(sorted(record.annotations)),
        )
        if self._counts and matter in self._written:
            key, count = self._written[matter]
            if self._cluster.get(key) is not None:  # it may have expired since
                again = {"count": count + 1, "lastTimestamp": at}
                self._cluster.patch(key, again, manager=self._component)
                self._written[matter] = (key, count + 1)
                return
        self._count += 1
        name = f"{metadata['name']}.{int(record.at * 1e9) + self._count:x}"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": name,
                "namespace": namespace,
                **({"annotations": dict(record.annotations)} if record.annotations else {}),
            },
            "involvedObject": {
                "apiVersion": record.about["apiVersion"],
                "kind": record.about["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "type": record.type,
            "reason": record.reason,
            "message": message,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._component,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        self._cluster.create(event, manager=self._component)
        self._written[matter] = (ObjectKey("", "Event", namespace, name), 1)
