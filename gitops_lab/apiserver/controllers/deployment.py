"""Deployment: roll pods from one template to the next through ReplicaSets.

Source: pkg/controller/deployment of Kubernetes 1.37: its arithmetic, annotations, conditions,
reasons and messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitops_lab.apiserver.api import Api, Options
from gitops_lab.apiserver.controllers import events
from gitops_lab.apiserver.controllers.index import Indexes
from gitops_lab.apiserver.controllers.loop import MANAGER, Controller, Item
from gitops_lab.apiserver.controllers.ownership import (
    claim,
    controller_of,
    controllers_of,
    is_being_deleted,
    owner_reference,
)
from gitops_lab.apiserver.controllers.pods import (
    fingerprint,
    instant,
    is_namespace_terminating,
    is_over,
)
from gitops_lab.apiserver.controllers.rollout import Bounds, Size, bounds, grown, proportional
from gitops_lab.apiserver.controllers.status import condition, counters, write_status
from gitops_lab.apiserver.store import Event
from gitops_lab.clock import timestamp
from gitops_lab.errors import ApiError
from gitops_lab.model import Object

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

FOREVER = 2**31 - 1
"""The value of progressDeadlineSeconds and revisionHistoryLimit that means "none"."""


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

    def record(
        self, deployment: Object, now: float, reason: str, message: str, type: str = "Normal"
    ) -> None:
        """Record an Event of the Deployment."""
        events.record(
            self.api,
            deployment,
            reason=reason,
            message=message,
            type=type,
            component=self.name,
            now=now,
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
            self._report()
            return None
        self._note_pause()
        if self.spec.get("paused") or self._is_resized():
            self._follow_revision()
            self._resize()
            self._trim_history()
            self._report()
            return None
        if (self.spec.get("strategy") or {}).get("type") == "Recreate":
            self._recreate()
        else:
            self._roll()
        if self._is_complete(self._counts()):
            self._trim_history()
        return self._report_progress()

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
        size = _size(new)
        if size > self.wanted:
            return self._scale(new, self.wanted)
        return self._scale(new, grown(size, _total(self.all), self.wanted, self.bounds.surge))

    def _shrink_old(self, new: Object) -> None:
        if not _total(self.old):
            return
        minimum = self.wanted - self.bounds.unavailable
        unavailable = _size(new) - _status(new, "availableReplicas")
        room = _total(self.all) - minimum - unavailable
        if room <= 0:
            return
        for each in self.old:  # pods that do not work anyway go first, and cost nothing
            broken = _size(each) - _status(each, "availableReplicas")
            drop = min(room, broken)
            if drop > 0:
                self._scale(each, _size(each) - drop)
                room -= drop
        surplus = sum(_status(each, "availableReplicas") for each in self.all) - minimum
        for each in list(self.old):
            drop = min(surplus, _size(each))
            if drop > 0:
                self._scale(each, _size(each) - drop)
                surplus -= drop

    # Recreate: all old pods down, and gone, before the first new one comes up.

    def _recreate(self) -> None:
        self._follow_revision()
        scaled = [self._scale(each, 0) for each in list(self.old) if _size(each)]
        if any(scaled):
            return
        if any(_status(each, "replicas") or self.world.has_pods(each) for each in self.old):
            return
        new = self._ensure_new()
        if new is not None:
            self._scale(new, self.wanted)

    # Scaling without a change of template.

    def _is_resized(self) -> bool:
        active = [each for each in self.all if _size(each)]
        desired = [_annotations(each).get(DESIRED) for each in active]
        return any(value is not None and value != str(self.wanted) for value in desired)

    def _resize(self) -> None:
        newest_first = [*([self.new] if self.new else []), *self.old[::-1]]
        active = [each for each in newest_first if _size(each)]
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
                Size(
                    each["metadata"]["name"], _size(each), _number(_annotations(each).get(MAXIMUM))
                )
                for each in by_age
            ]
            reported = _status(self.deployment, "replicas")
            after = proportional(sizes, self.wanted, self.bounds.surge, reported)
            for each in active:
                self._scale(each, after[each["metadata"]["name"]])

    def _is_saturated(self) -> bool:
        if self.new is None:
            return False
        desired = _annotations(self.new).get(DESIRED)
        sizes = _size(self.new), _status(self.new, "availableReplicas")
        return desired == str(self.wanted) and sizes == (self.wanted, self.wanted)

    def _scale(self, replica_set: Object, size: int) -> bool:
        """Give a ReplicaSet a size and note the size of the whole on it; whether the size moved."""
        notes = {DESIRED: str(self.wanted), MAXIMUM: str(self.wanted + self.bounds.surge)}
        before = _size(replica_set)
        if size == before and notes.items() <= _annotations(replica_set).items():
            return False
        scaled = _with_annotations(replica_set, notes)
        self._put(self.world.update({**scaled, "spec": {**scaled["spec"], "replicas": size}}))
        if size == before:
            return False
        direction = "up" if size > before else "down"
        self._record_scaling(direction, replica_set["metadata"]["name"], before, size)
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
        found = None
        if self._has_deadline and self._condition("Progressing") is None:
            text = f'Found new replica set "{self.new["metadata"]["name"]}"'
            found = self._progressing("True", "FoundNewReplicaSet", text)
        self._note_revision(annotations[REVISION], found)
        return self.new

    def _create_new(self) -> Object | None:
        template, collisions = self.spec["template"], _status(self.deployment, "collisionCount")
        hashed = fingerprint(template, collisions)
        name = f"{self.deployment['metadata']['name']}-{hashed}"
        metadata = template.get("metadata") or {}
        labels = {**(metadata.get("labels") or {}), HASH: hashed}
        selector = self.spec["selector"]
        size = grown(0, _total(self.old), self.wanted, self.bounds.surge)
        if (self.spec.get("strategy") or {}).get("type") == "Recreate":
            size = self.wanted
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
                "replicas": size,
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
        if size:
            self._record_scaling("up", name, 0, size)
        progress = None
        if self._has_deadline:
            text = f'Created new replica set "{name}"'
            progress = self._progressing("True", "NewReplicaSetCreated", text)
        self._note_revision(annotations[REVISION], progress)
        return self.new

    def _cope(self, error: ApiError, name: str) -> None:
        """Go on after the API server refused the new ReplicaSet."""
        if is_namespace_terminating(error):
            return
        if (
            error.reason == "AlreadyExists"
        ):  # another template has the same hash: move out of its way
            status = self.deployment.get("status") or {}
            count = status.get("collisionCount", 0) + 1
            self.deployment = self.world.report(
                self.deployment, {**status, "collisionCount": count}
            )
            raise error
        text = f'Failed to create new replica set "{name}": {error.message}'
        if self._has_deadline:
            failed = self._progressing("False", "ReplicaSetCreateError", text)
            status = self.deployment.get("status") or {}
            self.deployment = self.world.report(self.deployment, _with_condition(status, failed))
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

    def _note_revision(self, revision: str, progress: dict[str, Any] | None) -> None:
        """Write the revision, and what is known of the progress, on the Deployment."""
        deployment, status = self.deployment, self.deployment.get("status") or {}
        if progress is not None:
            status = _with_condition(status, progress)
        if _annotations(deployment).get(REVISION) != revision:
            noted = _with_annotations(deployment, {REVISION: revision})
            self.deployment = self.world.annotate(noted, status)
        elif progress is not None:
            self.deployment = self.world.report(deployment, status)

    def _trim_history(self) -> None:
        limit = self.spec.get("revisionHistoryLimit", 10)
        alive = [each for each in self.old if not is_being_deleted(each)]
        if limit == FOREVER or len(alive) <= limit:
            return
        for each in sorted(alive, key=_revision)[: len(alive) - limit]:
            unseen = each["metadata"]["generation"] > _status(each, "observedGeneration")
            if not (_size(each) or _status(each, "replicas") or unseen):
                self.world.delete(each)

    # Status.

    def _counts(self) -> dict[str, Any]:
        sets = self.all
        available = sum(_status(each, "availableReplicas") for each in sets)
        return {
            "observedGeneration": self.deployment["metadata"]["generation"],
            **counters(
                replicas=sum(_status(each, "replicas") for each in sets),
                updatedReplicas=_status(self.new, "replicas") if self.new else 0,
                readyReplicas=sum(_status(each, "readyReplicas") for each in sets),
                availableReplicas=available,
                unavailableReplicas=max(_total(sets) - available, 0),
            ),
            "terminatingReplicas": sum(_status(each, "terminatingReplicas") for each in sets),
        }

    def _status_now(self) -> dict[str, Any]:
        old, status = self.deployment.get("status") or {}, self._counts()
        if "collisionCount" in old:
            status["collisionCount"] = old["collisionCount"]
        status["conditions"] = list(old.get("conditions") or ())
        if status.get("availableReplicas", 0) >= self.wanted - self.bounds.unavailable:
            text = "Deployment has minimum availability."
            available = self._made("Available", "True", "MinimumReplicasAvailable", text)
        else:
            text = "Deployment does not have minimum availability."
            available = self._made("Available", "False", "MinimumReplicasUnavailable", text)
        return _with_condition(status, available)

    def _report(self) -> None:
        self.world.report(self.deployment, self._status_now())

    def _report_progress(self) -> float | None:
        """Write the status with what it says of the rollout's progress."""
        status, current = self._status_now(), self._condition("Progressing")
        if not self._has_deadline:
            status = _without_condition(status, "Progressing")
        done = current is not None and current["reason"] == "NewReplicaSetAvailable"
        settled = done and status.get("replicas", 0) == status.get("updatedReplicas", 0)
        if self._has_deadline and not settled:
            who = "Deployment", self.deployment["metadata"]["name"]
            if self.new is not None:
                who = "ReplicaSet", self.new["metadata"]["name"]
            subject = f'{who[0]} "{who[1]}"'
            if self._is_complete(status):
                text = f"{subject} has successfully progressed."
                made = self._progressing("True", "NewReplicaSetAvailable", text)
                status = _with_condition(status, made)
            elif self._has_progressed(status):
                made = self._progressing("True", "ReplicaSetUpdated", f"{subject} is progressing.")
                if current is not None and current["status"] == "True":
                    made["lastTransitionTime"] = current["lastTransitionTime"]
                status = _with_condition(_without_condition(status, "Progressing"), made)
            elif self._is_late(current):
                text = f"{subject} has timed out progressing."
                made = self._progressing("False", "ProgressDeadlineExceeded", text)
                status = _with_condition(status, made)
        failures = (
            condition(each.get("status"), "ReplicaFailure")
            for each in [*([self.new] if self.new else []), *self.old]
        )
        failure = next((each for each in failures if each is not None), None)
        status = _without_condition(status, "ReplicaFailure")
        if failure is not None:
            made = self._made("ReplicaFailure", "True", failure["reason"], failure["message"])
            made["lastTransitionTime"] = made["lastUpdateTime"] = failure["lastTransitionTime"]
            status = _with_condition(status, made)
        self.deployment = self.world.report(self.deployment, status)
        return self._deadline(status)

    def _is_complete(self, status: Mapping[str, Any]) -> bool:
        names = "updatedReplicas", "replicas", "availableReplicas"
        return [status.get(name, 0) for name in names] == [self.wanted] * len(names)

    def _has_progressed(self, status: Mapping[str, Any]) -> bool:
        """Whether more is new, or less is old, or more works than the last status said."""
        old = self.deployment.get("status") or {}

        def counts(of: Mapping[str, Any]) -> tuple[int, ...]:
            updated = of.get("updatedReplicas", 0)
            outdated = of.get("replicas", 0) - updated
            return updated, -outdated, of.get("readyReplicas", 0), of.get("availableReplicas", 0)

        return any(
            after > before for after, before in zip(counts(status), counts(old), strict=True)
        )

    def _is_late(self, current: Mapping[str, Any] | None) -> bool:
        if current is None or current["reason"] == "NewReplicaSetAvailable":
            return False
        if current["reason"] == "ProgressDeadlineExceeded":
            return True
        patience: int = self.spec["progressDeadlineSeconds"]
        return instant(current["lastUpdateTime"]) + patience < self.now

    def _deadline(self, status: Mapping[str, Any]) -> float | None:
        current = condition(dict(status), "Progressing")
        if current is None or not self._has_deadline or self._is_complete(status):
            return None
        if current["reason"] == "ProgressDeadlineExceeded":
            return None
        patience: int = self.spec["progressDeadlineSeconds"]
        return instant(current["lastUpdateTime"]) + patience + 1

    @property
    def _has_deadline(self) -> bool:
        return bool(self.spec.get("progressDeadlineSeconds", FOREVER) != FOREVER)

    def _note_pause(self) -> None:
        """Say in the Progressing condition when a rollout was paused or resumed."""
        current = self._condition("Progressing")
        reason = current["reason"] if current else ""
        is_noted, is_paused = reason == "DeploymentPaused", bool(self.spec.get("paused"))
        if not self._has_deadline or reason == "ProgressDeadlineExceeded" or is_noted == is_paused:
            return
        word = "paused" if is_paused else "resumed"
        made = self._progressing("Unknown", f"Deployment{word.title()}", f"Deployment is {word}")
        status = _with_condition(self.deployment.get("status") or {}, made)
        self.deployment = self.world.report(self.deployment, status)

    def _condition(self, kind: str) -> dict[str, Any] | None:
        return condition(self.deployment.get("status"), kind)

    def _progressing(self, status: str, reason: str, message: str) -> dict[str, Any]:
        return self._made("Progressing", status, reason, message)

    def _made(self, kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
        time = timestamp(self.now)
        return {
            "type": kind,
            "status": status,
            "lastUpdateTime": time,
            "lastTransitionTime": time,
            "reason": reason,
            "message": message,
        }


def _with_condition(status: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """A status with a condition set; one that says the same already is left as it is."""
    current = condition(status, made["type"])
    if current is not None and current["status"] == made["status"]:
        if current["reason"] == made["reason"]:
            return status
        made = {**made, "lastTransitionTime": current["lastTransitionTime"]}
    others = [each for each in status.get("conditions") or () if each["type"] != made["type"]]
    return {**status, "conditions": [*others, made]}


def _without_condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions = [each for each in status.get("conditions") or () if each["type"] != kind]
    return {**status, "conditions": conditions}


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


def _size(replica_set: Object) -> int:
    size: int = replica_set["spec"].get("replicas", 1)
    return size


def _total(replica_sets: Sequence[Object]) -> int:
    return sum(_size(each) for each in replica_sets)


def _status(obj: Object, name: str) -> int:
    count: int = (obj.get("status") or {}).get(name, 0)
    return count


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _revision(replica_set: Object) -> int:
    return _number(_annotations(replica_set).get(REVISION)) or 0
