"""Pods as the controllers see them: ready, available, first to go, made from a template.

Source: pkg/controller/controller_utils.go and pkg/api/v1/pod of Kubernetes 1.37.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import floor, log2
from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.loop import MANAGER
from kubesim.controllers.ownership import is_being_deleted, owner_reference
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.status import condition, is_true
from kubesim.errors import ApiError
from kubesim.model import Object

SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' alphabet for generated names: no vowels and no look-alikes, so no rude words."""

BURST = 100
"""How many pods a controller creates or deletes in one reconcile at most. (500 in the real one,
which keeps no other part of the cluster waiting meanwhile.)"""

BEGINNING = "1970-01-01T00:00:00Z"
"""The time of what does not say its time."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def instant(timestamp: str) -> float:
    """Seconds since the Unix epoch of a time as Kubernetes writes it."""
    return datetime.fromisoformat(timestamp).timestamp()


def phase(pod: Object) -> str:
    """The pod's phase; empty before anything was reported of it."""
    found: str = (pod.get("status") or {}).get("phase", "")
    return found


def is_over(pod: Object) -> bool:
    """Whether the pod has ended for good, well or badly."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether the pod counts as a replica: it has not ended and is not being deleted."""
    return not is_over(pod) and not is_being_deleted(pod)


def is_terminating(pod: Object) -> bool:
    """Whether the pod is being deleted and has not ended yet."""
    return is_being_deleted(pod) and not is_over(pod)


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition holds."""
    return is_true(pod.get("status"), "Ready")


def available_at(pod: Object, min_ready_seconds: int) -> float | None:
    """The instant from which a ready pod is available; None while it is not ready."""
    ready = condition(pod.get("status"), "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    return instant(ready.get("lastTransitionTime") or BEGINNING) + min_ready_seconds


def is_available(pod: Object, min_ready_seconds: int, now: float) -> bool:
    """Whether the pod has been ready for at least `min_ready_seconds`."""
    at = available_at(pod, min_ready_seconds)
    return at is not None and at <= now


def next_available(pods: Iterable[Object], min_ready_seconds: int, now: float) -> float | None:
    """The next instant at which one of the pods becomes available by mere waiting."""
    instants = [available_at(pod, min_ready_seconds) for pod in pods]
    return min((at for at in instants if at is not None and at > now), default=None)


@dataclass(frozen=True, slots=True)
class Replica:
    """What a workload's controller wants to know of one pod, worked out once.

    Args:
        pod: the object that it was worked out from.
        is_active: it has not ended and is not being deleted.
        is_terminating: it is being deleted and has not ended.
        is_ready: its Ready condition holds.
        ready_since: from when, in seconds since the Unix epoch; None if it is not ready.
    """

    pod: Object
    is_active: bool
    is_terminating: bool
    is_ready: bool
    ready_since: float | None

    @classmethod
    def of(cls, pod: Object) -> Replica:
        """What a pod is like."""
        ready = condition(pod.get("status"), "Ready")
        holds = ready is not None and ready.get("status") == "True"
        since = available_at(pod, 1) if holds else None
        return cls(
            pod, is_active(pod), is_terminating(pod), holds, None if since is None else since - 1
        )


class Replicas:
    """Looks at pods and remembers what they are like: most have not changed since the last look."""

    def __init__(self) -> None:
        self._known: dict[str, Replica] = {}

    def look(self, pods: Iterable[Object]) -> list[Replica]:
        """What pods are like."""
        found, known = [], self._known
        for pod in pods:
            uid = pod["metadata"]["uid"]
            replica = known.get(uid)
            if replica is None or replica.pod is not pod:
                replica = known[uid] = Replica.of(pod)
            found.append(replica)
        return found

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        self._known.pop(uid, None)


def earliest(*instants: float | None) -> float | None:
    """The earliest of the instants that there are."""
    return min((each for each in instants if each is not None), default=None)


def fingerprint(template: Any, collisions: int | None = None) -> str:
    """A short hash of a pod template, for names and labels.

    Kubernetes hashes a Go dump of the template with 32-bit FNV-1a and spells the decimal number
    in `SAFE_ALPHABET`. This does the same over canonical JSON, so it has the real form and the
    real stability, but not the real value.

    Args:
        template: what is hashed.
        collisions: the owner's `status.collisionCount`, which moves the hash out of the way.
    """
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    value = 0x811C9DC5
    for byte in text.encode() + (str(collisions).encode() if collisions else b""):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(SAFE_ALPHABET[ord(digit) % len(SAFE_ALPHABET)] for digit in str(value))


def from_template(owner: Object, template: Object, **metadata: Any) -> Object:
    """A pod as a controller creates it from its template.

    Args:
        owner: who will control it.
        template: a PodTemplateSpec; its labels, annotations and finalizers go to the pod.
        metadata: further metadata, such as `generateName` or `name`.
    """
    inherited = {
        name: template.get("metadata", {})[name]
        for name in ("labels", "annotations", "finalizers")
        if template.get("metadata", {}).get(name)
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": owner["metadata"]["namespace"],
            **inherited,
            "ownerReferences": [owner_reference(owner)],
            **metadata,
        },
        "spec": template["spec"],
    }


class PodControl:
    """Creates and deletes pods for one controller and records an Event of each.

    Args:
        api: the verbs.
        component: the controller's name, as its Events' source.
    """

    def __init__(self, api: Api, component: str) -> None:
        self._api = api
        self._pods = api.registry.by_kind("v1", "Pod")
        self._record = Recorder(api, component)

    def create(self, owner: Object, pod: Object, now: float) -> Object | None:
        """Create a pod; None if its namespace is being deleted, since trying again is no use.

        Raises:
            ApiError: the API server refuses it; the refusal is recorded as FailedCreate.
        """
        try:
            created = self._api.create(
                self._pods,
                pod,
                namespace=pod["metadata"]["namespace"],
                options=Options(field_manager=MANAGER),
            )
        except ApiError as error:
            if is_namespace_terminating(error):
                return None
            self._record(owner, now, "FailedCreate", f"Error creating: {error.message}", "Warning")
            raise
        self._record(owner, now, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    def delete(self, owner: Object, pod: Object, now: float) -> None:
        """Delete a pod; one that is gone already is no error.

        Raises:
            ApiError: the API server refuses; the refusal is recorded as FailedDelete.
        """
        name = pod["metadata"]["name"]
        try:
            self._api.delete(
                self._pods,
                name,
                namespace=pod["metadata"]["namespace"],
                options=Options(uid=pod["metadata"]["uid"]),
            )
        except ApiError as error:
            if error.code == 404:
                return
            self._record(owner, now, "FailedDelete", f"Error deleting: {error.message}", "Warning")
            raise
        self._record(owner, now, "SuccessfulDelete", f"Deleted pod: {name}")


def is_namespace_terminating(error: ApiError) -> bool:
    """Whether a refusal is due to the namespace being deleted."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes)


def slow_start(count: int, work: Callable[[int], Any]) -> ApiError | None:
    """Do something `count` times in batches of 1, 2, 4 …, until a batch has a refusal.

    So a quota that refuses a thousand pods is asked once and not a thousand times.

    Args:
        work: called with 0, 1, 2 …

    Returns:
        The first refusal, if there was one.
    """
    done, batch = 0, 1
    while done < count:
        refusal: ApiError | None = None
        size = min(batch, count - done)
        for number in range(done, done + size):
            try:
                work(number)
            except ApiError as error:
                refusal = refusal or error
        if refusal is not None:
            return refusal
        done, batch = done + size, 2 * batch
    return None


def first_to_go(pods: Sequence[Object], related: Sequence[Object], now: float) -> list[Object]:
    """Pods in the order in which a scale-down deletes them (controller_utils, ActivePodsWithRanks).

    Not bound before bound, pending before running, not ready before ready, lower deletion cost
    first, more of its kind on the same node first, newer before older (ages compared by powers of
    two, then by uid), more restarts first.

    Args:
        pods: the candidates.
        related: all active pods that count as "of its kind" on a node.
    """
    on_node: dict[str, int] = {}
    for pod in related:
        node = pod["spec"].get("nodeName", "")
        on_node[node] = on_node.get(node, 0) + 1

    def rank(pod: Object) -> tuple[Any, ...]:
        metadata, status = pod["metadata"], pod.get("status") or {}
        node = pod["spec"].get("nodeName", "")
        ready = condition(status, "Ready")
        is_ready_now = ready is not None and ready.get("status") == "True"
        since = ready.get("lastTransitionTime", "") if is_ready_now and ready else ""
        restarts = max(
            (c.get("restartCount", 0) for c in status.get("containerStatuses") or ()), default=0
        )
        return (
            bool(node),
            {"Pending": 0, "Unknown": 1}.get(status.get("phase", "Pending"), 2),
            is_ready_now,
            _deletion_cost(metadata),
            -on_node.get(node, 0),
            _age(since, now),
            -restarts,
            _age(metadata.get("creationTimestamp", ""), now),
            metadata["uid"],
        )

    return sorted(pods, key=rank)


def _age(timestamp: str, now: float) -> int:
    age = (now - instant(timestamp)) * 1e9 if timestamp else 0.0  # nanoseconds, as in Go
    return floor(log2(age)) if age >= 1 else -1


def _deletion_cost(metadata: dict[str, Any]) -> int:
    try:
        return int((metadata.get("annotations") or {}).get(DELETION_COST, "0"))
    except ValueError:
        return 0
