"""ReplicaSet: keep a number of pods alike.

Source: pkg/controller/replicaset of Kubernetes 1.37, its rules, reasons and messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from kubesim.api import Api
from kubesim.clock import timestamp
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.ownership import (
    claim,
    controller_of,
    controllers_of,
    is_being_deleted,
)
from kubesim.controllers.pods import (
    BURST,
    PodControl,
    Replica,
    Replicas,
    first_to_go,
    from_template,
    is_active,
    slow_start,
)
from kubesim.controllers.status import condition, counters, write_status
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event


class ReplicaSets(Controller):
    """Creates and deletes pods until there are as many as `spec.replicas` says."""

    name = "replicaset-controller"
    watches: ClassVar[tuple[tuple[str, str], ...] | None] = (("apps", "replicasets"), ("", "pods"))
    kind: ClassVar[tuple[str, str]] = ("apps/v1", "ReplicaSet")
    """The apiVersion and the kind of what it sees to."""

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind(*self.kind)
        self._pods = api.registry.by_kind("v1", "Pod")
        self._owned = indexes.by_controller("", "pods")
        self._siblings = indexes.by_controller("apps", "replicasets")
        self._control = PodControl(api, self.name)
        self._replicas = Replicas()

    def keys(self, event: Event) -> Iterable[Item]:
        """The ReplicaSet itself, or the one that owns a pod."""
        if event.key[1] == self._resource.plural:
            return (event.key[2:],)
        if event.type == "DELETED":
            self._replicas.forget(event.object["metadata"]["uid"])
        return controllers_of(event, self._resource.kind, self._resource, self.api)

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Add or remove pods, then report what there is."""
        resource = self._resource
        replica_set = self.api.store.get((resource.group, resource.plural, namespace, name))
        if replica_set is None:
            return None
        pods = claim(self.api, self._with_selector(replica_set), self._pods, self._owned)
        refusal = None
        replicas = self._replicas.look(pods)
        if not is_being_deleted(replica_set):
            try:
                refusal = self._scale(replica_set, [r.pod for r in replicas if r.is_active], now)
            except ApiError as error:
                refusal = error
            replicas = self._replicas.look(self._owned.get(replica_set["metadata"]["uid"]))
        active = [each for each in replicas if each.is_active]
        terminating = sum(each.is_terminating for each in replicas)
        status = self._status(replica_set, active, terminating, refusal, now)
        write_status(self.api, self._resource, replica_set, status)
        if refusal is not None:
            raise refusal
        wait = replica_set["spec"].get("minReadySeconds", 0)
        since = (each.ready_since for each in active if wait and each.ready_since is not None)
        return min((at + wait for at in since if at + wait > now), default=None)

    def _with_selector(self, replica_set: Object) -> Object:
        """The object with a LabelSelector."""
        return replica_set

    def _scale(self, replica_set: Object, active: list[Object], now: float) -> ApiError | None:
        spec = replica_set["spec"]
        surplus = len(active) - spec.get("replicas", 1)
        if surplus < 0:
            prefix = f"{replica_set['metadata']['name']}-"
            pod = from_template(replica_set, spec["template"], generateName=prefix)
            return slow_start(
                min(-surplus, BURST), lambda _: self._control.create(replica_set, pod, now)
            )
        if surplus > 0:
            related = self._related(replica_set)
            for pod in first_to_go(active, related, now)[: min(surplus, BURST)]:
                self._control.delete(replica_set, pod, now)
        return None

    def _related(self, replica_set: Object) -> list[Object]:
        """Active pods of all ReplicaSets with the same controller: they are spread as one."""
        reference = controller_of(replica_set)
        siblings = [replica_set] if reference is None else self._siblings.get(reference["uid"])
        return [
            pod
            for sibling in siblings
            for pod in self._owned.get(sibling["metadata"]["uid"])
            if is_active(pod)
        ]

    def _status(
        self,
        replica_set: Object,
        active: list[Replica],
        terminating: int,
        refusal: ApiError | None,
        now: float,
    ) -> dict[str, Any]:
        spec, old = replica_set["spec"], replica_set.get("status") or {}
        labels = (spec["template"].get("metadata", {}).get("labels") or {}).items()
        ready = [each for each in active if each.is_ready]
        wait = spec.get("minReadySeconds", 0)
        status: dict[str, Any] = {
            "replicas": len(active),
            **counters(
                fullyLabeledReplicas=sum(
                    labels <= (each.pod["metadata"].get("labels") or {}).items() for each in active
                ),
                readyReplicas=len(ready),
                availableReplicas=sum(
                    not wait or (each.ready_since or 0) + wait <= now for each in ready
                ),
            ),
            "terminatingReplicas": terminating,
            "observedGeneration": replica_set["metadata"]["generation"],
        }
        conditions = [c for c in old.get("conditions") or () if c.get("type") != "ReplicaFailure"]
        if refusal is not None:
            failure = condition(old, "ReplicaFailure") or {
                "type": "ReplicaFailure",
                "status": "True",
                "lastTransitionTime": timestamp(now),
                "reason": "FailedCreate" if len(active) < spec["replicas"] else "FailedDelete",
                "message": refusal.message,
            }
            conditions.append(failure)
        if conditions:
            status["conditions"] = conditions
        return status


class ReplicationControllers(ReplicaSets):
    """The same for the older kind, whose selector is a map of labels.

    Source: pkg/controller/replication, which adapts the ReplicaSet's controller as well.
    """

    name = "replication-controller"
    watches = (("", "replicationcontrollers"), ("", "pods"))
    kind = ("v1", "ReplicationController")

    def _with_selector(self, replica_set: Object) -> Object:
        selector = {"matchLabels": replica_set["spec"].get("selector") or {}}
        return {**replica_set, "spec": {**replica_set["spec"], "selector": selector}}

    def _status(self, *given: Any) -> dict[str, Any]:
        status = super()._status(*given)
        del status["terminatingReplicas"]
        return status
