"""Deployment: roll pods from one template to the next through ReplicaSets.

Source: pkg/controller/deployment of Kubernetes 1.37: its arithmetic, annotations, conditions,
reasons and messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.ownership import (
    claim,
    controller_of,
    controllers_of,
    is_being_deleted,
    owner_reference,
)
from kubesim.controllers.pods import (
    fingerprint,
    is_namespace_terminating,
    is_over,
)
from kubesim.controllers.progress import (
    FOREVER,
    deadline,
    has_deadline,
    is_complete,
    progressing,
    report,
    report_pause,
    report_progress,
    reported,
    size,
    with_condition,
)
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.rollout import Bounds, Size, bounds, grown, proportional
from kubesim.controllers.status import condition, write_status
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
NOT_INHERITED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    HISTORY,
    DESIRED,
    MAXIMUM,
)
"""Annotations of a Deployment that its ReplicaSets do not take over."""


class Deployments(Controller):
    """Scales a Deployment's ReplicaSets, the new one up and the old ones down."""

    name = "deployment-controller"
    watches = (("apps", "deployments"), ("apps", "replicasets"), ("", "pods"))

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("apps/v1", "Deployment")
        self._replica_sets = api.registry.by_kind("apps/v1", "ReplicaSet")
        self._owned = indexes.by_controller("apps", "replicasets")
        self._pods = indexes.by_controller("", "pods")
        self.record = Recorder(api, self.name)

    def keys(self, event: Event) -> Iterable[Item]:
        """The Deployment itself, the one that owns a ReplicaSet, or the one whose pod is gone.

        Pods matter only to the strategy Recreate, which waits for the last old one to go.
        """
        plural = event.key[1]
        if plural == "deployments":
            return (event.key[2:],)
        if plural == "replicasets":
            return controllers_of(event, "Deployment", self._resource, self.api)
        return self._waiting_for(event.object) if event.type == "DELETED" else ()

    def _waiting_for(self, pod: Object) -> Iterable[Item]:
        reference, namespace = controller_of(pod), pod["metadata"]["namespace"]
        if reference is None or reference["kind"] != "ReplicaSet":
            return ()
        replica_set = self.api.store.get(("apps", "replicasets", namespace, reference["name"]))
        owner = controller_of(replica_set) if replica_set is not None else None
        return ((namespace, owner["name"]),) if owner is not None else ()

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Take one step of the rollout and report where it stands."""
        deployment = self.api.store.get(("apps", "deployments", namespace, name))
        if deployment is None:
            return None
        return Rollout(self, deployment, now).step()

    # -- what a rollout asks of the cluster ----------------------------------------------------

    def owned(self, deployment: Object) -> list[Object]:
        """The Deployment's ReplicaSets, oldest first."""
        claimed = claim(self.api, deployment, self._replica_sets, self._owned)
        return sorted(claimed, key=_by_age)

    def has_pods(self, replica_set: Object) -> bool:
        """Whether a pod of the ReplicaSet still exists that has not ended."""
        pods = self._pods.get(replica_set["metadata"]["uid"])
        return any(not is_over(pod) for pod in pods)

    def create(self, replica_set: Object) -> Object:
        """Create a ReplicaSet."""
        return self.api.create(
            self._replica_sets,
            replica_set,
            namespace=replica_set["metadata"]["namespace"],
            options=Options(field_manager=MANAGER),
        )

    def update(self, replica_set: Object) -> Object:
        """Write a changed ReplicaSet."""
        return self.api.update(
            self._replica_sets,
            replica_set["metadata"]["name"],
            replica_set,
            namespace=replica_set["metadata"]["namespace"],
            options=Options(field_manager=MANAGER),
        )

    def delete(self, replica_set: Object) -> None:
        """Delete a ReplicaSet that the history has no more room for."""
        metadata = replica_set["metadata"]
        self.api.delete(
            self._replica_sets,
            metadata["name"],
            namespace=metadata["namespace"],
            options=Options(propagation="Background", uid=metadata["uid"]),
        )

    def report(self, deployment: Object, status: dict[str, Any]) -> Object:
        """Write the Deployment's status."""
        return write_status(self.api, self._resource, deployment, status)

    def annotate(self, deployment: Object, status: dict[str, Any]) -> Object:
        """Write the Deployment's annotations together with its status."""
        return self.api.update(
            self._resource,
            deployment["metadata"]["name"],
            {**deployment, "status": status},
            namespace=deployment["metadata"]["namespace"],
            subresource="status",
            options=Options(field_manager=MANAGER),
        )


class Rollout:
    """One look at one Deployment: what there is, the next step, and the status after it.

    Args:
        world: how ReplicaSets are found and changed.
        deployment: the Deployment as it is now.
        now: the present instant.
    """

    def __init__(self, world: Deployments, deployment: Object, now: float) -> None:
        self.world, self.deployment, self.now = world, deployment, now
        self.spec: dict[str, Any] = deployment["spec"]
        self.namespace: str = deployment["metadata"]["namespace"]
        self.wanted: int = self.spec.get("replicas", 1)
        self.bounds: Bounds = bounds(self.spec)
        sets = world.owned(deployment)
        template = _without_hash(self.spec["template"])
        self.new = next(
            (each for each in sets if _without_hash(each["spec"]["template"]) == template), None
        )
        self.old = [each for each in sets if each is not self.new]

    def step(self) -> float | None:
        """Take one step; the instant at which the progress deadline calls for another look."""
        if is_being_deleted(self.deployment):
            self._write(report(self.deployment, self.new, self.old, self.now))
            return None
        self._write(report_pause(self.deployment, self.now))
        if self.spec.get("paused") or self._is_resized():
            self._follow_revision()
            self._resize()
            if self.spec.get("paused"):
                self._trim_history()
            self._write(report(self.deployment, self.new, self.old, self.now))
            return None
        if (self.spec.get("strategy") or {}).get("type") == "Recreate":
            self._recreate()
        else:
            self._roll()
        status = report_progress(self.deployment, self.new, self.old, self.now)
        if is_complete(self.deployment, status):
            self._trim_history()
        self._write(status)
        return deadline(self.deployment, status)

    def _write(self, status: dict[str, Any]) -> None:
        self.deployment = self.world.report(self.deployment, status)

    @property
    def all(self) -> list[Object]:
        """Every ReplicaSet, the new one last."""
        return [*self.old, *([self.new] if self.new else [])]

    # Rolling update: up by the surge, down by what is available beyond the minimum.

    def _roll(self) -> None:
        new = self._ensure_new()
        if new is not None and not self._grow_new(new):
            self._shrink_old(new)

    def _grow_new(self, new: Object) -> bool:
        if size(new) > self.wanted:
            return self._scale(new, self.wanted)
        room = self.bounds.surge
        return self._scale(new, grown(size(new), _total(self.all), self.wanted, room))

    def _shrink_old(self, new: Object) -> None:
        if not _total(self.old):
            return
        minimum = self.wanted - self.bounds.unavailable
        unavailable = size(new) - reported(new, "availableReplicas")
        room = _total(self.all) - minimum - unavailable
        if room <= 0:
            return
        for each in self.old:  # pods that do not work anyway go first, and cost nothing
            broken = size(each) - reported(each, "availableReplicas")
            drop = min(room, broken)
            if drop > 0:
                self._scale(each, size(each) - drop)
                room -= drop
        surplus = sum(reported(each, "availableReplicas") for each in self.all) - minimum
        for each in list(self.old):
            drop = min(surplus, size(each))
            if drop > 0:
                self._scale(each, size(each) - drop)
                surplus -= drop

    # Recreate: all old pods down, and gone, before the first new one comes up.

    def _recreate(self) -> None:
        self._follow_revision()
        scaled = [self._scale(each, 0) for each in list(self.old) if size(each)]
        if any(scaled):
            return
        if any(reported(each, "replicas") or self.world.has_pods(each) for each in self.old):
            return
        new = self._ensure_new()
        if new is not None:
            self._scale(new, self.wanted)

    # Scaling without a change of template.

    def _is_resized(self) -> bool:
        active = [each for each in self.all if size(each)]
        desired = [_annotations(each).get(DESIRED) for each in active]
        return any(value is not None and value != str(self.wanted) for value in desired)

    def _resize(self) -> None:
        newest_first = [*([self.new] if self.new else []), *self.old[::-1]]
        active = [each for each in newest_first if size(each)]
        if len(active) <= 1:
            if newest_first:
                self._scale((active or newest_first)[0], self.wanted)
        elif self._is_saturated():
            for each in active:
                if each is not self.new:
                    self._scale(each, 0)
        elif (self.spec.get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate":
            by_age = sorted(active, key=_by_age, reverse=True)
            sizes = [
                Size(each["metadata"]["name"], size(each), _number(_annotations(each).get(MAXIMUM)))
                for each in by_age
            ]
            total = reported(self.deployment, "replicas")
            after = proportional(sizes, self.wanted, self.bounds.surge, total)
            for each in active:
                self._scale(each, after[each["metadata"]["name"]])

    def _is_saturated(self) -> bool:
        if self.new is None:
            return False
        desired = _annotations(self.new).get(DESIRED)
        sizes = size(self.new), reported(self.new, "availableReplicas")
        return desired == str(self.wanted) and sizes == (self.wanted, self.wanted)

    def _scale(self, replica_set: Object, after: int) -> bool:
        """Give a ReplicaSet a size and note the size of the whole on it; whether its size moved."""
        notes = {DESIRED: str(self.wanted), MAXIMUM: str(self.wanted + self.bounds.surge)}
        before = size(replica_set)
        if after == before and notes.items() <= _annotations(replica_set).items():
            return False
        scaled = _with_annotations(replica_set, notes)
        self._put(self.world.update({**scaled, "spec": {**scaled["spec"], "replicas": after}}))
        if after == before:
            return False
        direction = "up" if after > before else "down"
        self._record_scaling(direction, replica_set["metadata"]["name"], before, after)
        return True

    def _record_scaling(self, direction: str, name: str, before: int, after: int) -> None:
        text = f"Scaled {direction} replica set {name} from {before} to {after}"
        self.world.record(self.deployment, self.now, "ScalingReplicaSet", text)

    def _put(self, replica_set: Object) -> None:
        uid = replica_set["metadata"]["uid"]
        if self.new is not None and self.new["metadata"]["uid"] == uid:
            self.new = replica_set
        self.old = [replica_set if each["metadata"]["uid"] == uid else each for each in self.old]

    # The new ReplicaSet and the revisions.

    def _ensure_new(self) -> Object | None:
        """The ReplicaSet of the present template; None if it cannot be made for now."""
        return self._follow_revision() if self.new is not None else self._create_new()

    def _follow_revision(self) -> Object | None:
        """Make the present template's ReplicaSet the newest revision, if it exists."""
        if self.new is None:
            return None
        annotations = self._inherited(self.new)
        wait = self.spec.get("minReadySeconds", 0)
        if (
            annotations != _annotations(self.new)
            or self.new["spec"].get("minReadySeconds", 0) != wait
        ):
            spec = {**self.new["spec"], "minReadySeconds": wait}
            self._put(self.world.update({**_with_annotations(self.new, annotations), "spec": spec}))
        status = self.deployment.get("status") or {}
        if has_deadline(self.deployment) and condition(status, "Progressing") is None:
            text = f'Found new replica set "{self.new["metadata"]["name"]}"'
            found = progressing("True", "FoundNewReplicaSet", text, self.now)
            status = with_condition(status, found)
        self._note_revision(annotations[REVISION], status)
        return self.new

    def _create_new(self) -> Object | None:
        template, collisions = self.spec["template"], reported(self.deployment, "collisionCount")
        hashed = fingerprint(template, collisions)
        name = f"{self.deployment['metadata']['name']}-{hashed}"
        metadata = template.get("metadata") or {}
        labels = {**(metadata.get("labels") or {}), HASH: hashed}
        selector = self.spec["selector"]
        first = grown(0, _total(self.old), self.wanted, self.bounds.surge)
        if (self.spec.get("strategy") or {}).get("type") == "Recreate":
            first = self.wanted
        annotations = {
            **self._inherited(None),
            DESIRED: str(self.wanted),
            MAXIMUM: str(self.wanted + self.bounds.surge),
        }
        wait = self.spec.get("minReadySeconds")
        replica_set = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [owner_reference(self.deployment)],
            },
            "spec": {
                "replicas": first,
                **({"minReadySeconds": wait} if wait else {}),
                "selector": {
                    **selector,
                    "matchLabels": {**(selector.get("matchLabels") or {}), HASH: hashed},
                },
                "template": {**template, "metadata": {**metadata, "labels": labels}},
            },
        }
        try:
            self.new = self.world.create(replica_set)
        except ApiError as error:
            self._cope(error, name)
            return None
        if first:
            self._record_scaling("up", name, 0, first)
        status = self.deployment.get("status") or {}
        if has_deadline(self.deployment):
            text = f'Created new replica set "{name}"'
            created = progressing("True", "NewReplicaSetCreated", text, self.now)
            status = with_condition(status, created)
        self._note_revision(annotations[REVISION], status)
        return self.new

    def _cope(self, error: ApiError, name: str) -> None:
        """Go on after the API server refused the new ReplicaSet."""
        if is_namespace_terminating(error):
            return
        status = self.deployment.get("status") or {}
        if error.reason == "AlreadyExists":  # another template's hash: move out of its way
            self._write({**status, "collisionCount": status.get("collisionCount", 0) + 1})
            raise error
        text = f'Failed to create new replica set "{name}": {error.message}'
        if has_deadline(self.deployment):
            failed = progressing("False", "ReplicaSetCreateError", text, self.now)
            self._write(with_condition(status, failed))
        self.world.record(self.deployment, self.now, "ReplicaSetCreateError", text, "Warning")
        raise error

    def _inherited(self, replica_set: Object | None) -> dict[str, str]:
        """A ReplicaSet's annotations with the Deployment's own and the newest revision in them."""
        annotations = dict(_annotations(replica_set)) if replica_set else {}
        for name, value in _annotations(self.deployment).items():
            if name not in NOT_INHERITED:
                annotations[name] = value
        before = annotations.get(REVISION, "")
        revision = max((_revision(each) for each in self.old), default=0) + 1
        if (_number(before) or 0) < revision:
            annotations[REVISION] = str(revision)
            if before:  # a rollback: it was another revision before, which history keeps
                history = annotations.get(HISTORY)
                annotations[HISTORY] = f"{history},{before}" if history else before
        return annotations

    def _note_revision(self, revision: str, status: dict[str, Any]) -> None:
        """Write the revision, and what is known of the progress, on the Deployment."""
        if _annotations(self.deployment).get(REVISION) == revision:
            self._write(status)
        else:
            noted = _with_annotations(self.deployment, {REVISION: revision})
            self.deployment = self.world.annotate(noted, status)

    def _trim_history(self) -> None:
        limit = self.spec.get("revisionHistoryLimit", 10)
        alive = [each for each in self.old if not is_being_deleted(each)]
        if limit == FOREVER or len(alive) <= limit:
            return
        for each in sorted(alive, key=_revision)[: len(alive) - limit]:
            unseen = each["metadata"]["generation"] > reported(each, "observedGeneration")
            if not (size(each) or reported(each, "replicas") or unseen):
                self.world.delete(each)


def _annotations(obj: Object) -> dict[str, str]:
    found: dict[str, str] = obj["metadata"].get("annotations") or {}
    return found


def _with_annotations(obj: Object, more: Mapping[str, str]) -> Object:
    metadata = {**obj["metadata"], "annotations": {**_annotations(obj), **more}}
    return {**obj, "metadata": metadata}


def _without_hash(template: Object) -> Object:
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH}
    others = {
        name: metadata[name] for name in metadata if name not in ("labels", "creationTimestamp")
    }
    return {"metadata": {**others, "labels": labels}, "spec": template["spec"]}


def _by_age(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]


def _total(replica_sets: Sequence[Object]) -> int:
    return sum(size(each) for each in replica_sets)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _revision(replica_set: Object) -> int:
    return _number(_annotations(replica_set).get(REVISION)) or 0
