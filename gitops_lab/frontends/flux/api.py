"""The names that Flux's controllers share: groups, annotations, labels, reasons, and their common
first steps.

Source: fluxcd/pkg/apis/meta and fluxcd/pkg/runtime, as Flux 2.9.4 uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from gitops_lab.frontends.conditions import Status
from gitops_lab.frontends.flux.definitions import api_version
from gitops_lab.model import Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster

NAMESPACE = "flux-system"
"""Where Flux's controllers live."""

FINALIZER = "finalizers.fluxcd.io"
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
WATCH_LABEL = "reconcile.fluxcd.io/watch"
EVENT_PREFIX = "event.toolkit.fluxcd.io/"

KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
SOURCE = "source.toolkit.fluxcd.io"

SOURCE_KINDS = ("GitRepository", "OCIRepository", "Bucket", "ExternalArtifact")
"""The kinds whose artifact a Kustomization may apply."""

DEPENDENCY_RETRY = 30.0
"""`--requeue-dependency`: time until a missing source or dependency is looked at again, seconds."""

JITTER = 0.05
"""`--interval-jitter-percentage`: share of the interval by which a run may be early or late."""


def jittered(interval: float, random: Random) -> float:
    """The time until the next run, in seconds."""
    return interval * random.uniform(1 - JITTER, 1 + JITTER)


def key_of(kind: str, namespace: str, name: str) -> ObjectKey:
    """The key of an object of one of Flux's kinds."""
    return ObjectKey(split_api_version(api_version(kind))[0], kind, namespace, name)


def requested_at(obj: Object) -> str:
    """The token of the last request to reconcile at once; empty if there was none."""
    return str((obj["metadata"].get("annotations") or {}).get(REQUESTED_AT, ""))


def is_suspended(obj: Object) -> bool:
    """Whether the object asks its controller to leave it alone."""
    return bool(obj["spec"].get("suspend"))


def is_deleting(obj: Object) -> bool:
    """Whether the object is being deleted."""
    return "deletionTimestamp" in obj["metadata"]


def add_finalizer(cluster: Cluster, obj: Object, manager: str, name: str = FINALIZER) -> bool:
    """Add the finalizer if the object lacks it; whether it did."""
    present = obj["metadata"].get("finalizers") or []
    if name in present:
        return False
    patch = {"metadata": {"finalizers": [*present, name]}}
    cluster.patch(ObjectKey.of(obj), patch, manager=manager)
    return True


def drop_finalizer(cluster: Cluster, obj: Object, manager: str, name: str = FINALIZER) -> None:
    """Remove the finalizer, so that the object can go."""
    present = obj["metadata"].get("finalizers") or []
    if name in present:
        left = [each for each in present if each != name]
        cluster.patch(ObjectKey.of(obj), {"metadata": {"finalizers": left}}, manager=manager)


def note_request(status: Status, obj: Object) -> None:
    """Say that a request to reconcile at once was heard."""
    if token := requested_at(obj):
        status.fields["lastHandledReconcileAt"] = token


def event_annotations(obj: Object, group: str, **values: str) -> dict[str, str]:
    """The annotations of an Event: what is known of the run, and what the object adds itself."""
    own = obj["metadata"].get("annotations") or {}
    return {
        **{f"{group}/{name}": value for name, value in values.items() if value},
        **{
            f"{group}/{name.removeprefix(EVENT_PREFIX)}": value
            for name, value in own.items()
            if name.startswith(EVENT_PREFIX)
        },
    }


def not_simulated(spec: Mapping[str, Any], fields: Iterable[str]) -> str:
    """The message for the first of these fields that is used; empty if none is."""
    used = next((name for name in fields if spec.get(name)), "")
    return f"not simulated: spec.{used}" if used else ""
