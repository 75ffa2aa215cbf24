"""StatefulSet: pods with names, in order, each with its own volumes.

Source: pkg/controller/statefulset of Kubernetes 1.37.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.ownership import (
    claim,
    controllers_of,
    is_being_deleted,
    owner_reference,
)
from kubesim.controllers.pods import (
    from_template,
    is_available,
    is_namespace_terminating,
    is_over,
    is_ready,
    next_available,
    phase,
)
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.revisions import Revisions, template_of
from kubesim.controllers.rollout import portion
from kubesim.controllers.status import counters, write_status
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

HASH = "controller.kubernetes.io/hash"
REVISION = "controller-revision-hash"
POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


class StatefulSets(Controller):
    """Creates pods from the lowest ordinal up, removes and replaces them from the highest down."""

    name = "statefulset-controller"
    watches = (("apps", "statefulsets"), ("", "pods"))

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("apps/v1", "StatefulSet")
        self._pods = api.registry.by_kind("v1", "Pod")
        self._claims = api.registry.by_kind("v1", "PersistentVolumeClaim")
        self._owned = indexes.by_controller("", "pods")
        self._revisions = Revisions(api, indexes, HASH)
        self._record = Recorder(api, self.name)

    def keys(self, event: Event) -> Iterable[Item]:
        """The StatefulSet itself, or the one that owns a pod."""
        if event.key[1] == "statefulsets":
            return (event.key[2:],)
        return controllers_of(event, "StatefulSet", self._resource, self.api)

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Take one step towards the pods there should be, then report what there is."""
        stateful_set = self.api.store.get(("apps", "statefulsets", namespace, name))
        if stateful_set is None:
            return None
        claim(
            self.api,
            stateful_set,
            self._pods,
            self._owned,
            fits=lambda pod: _ordinal(name, pod) is not None,
        )
        update, collisions = self._revisions.current(stateful_set)
        current = self._current(stateful_set, update)
        refusal = None
        if not is_being_deleted(stateful_set):
            try:
                self._step(stateful_set, current, update, now)
            except ApiError as error:
                refusal = error
        pods = self._members(stateful_set)
        status = self._status(stateful_set, pods, current, update, now)
        status["collisionCount"] = collisions
        write_status(self.api, self._resource, stateful_set, status)
        live = {each["metadata"]["labels"].get(REVISION, "") for each in pods}
        live |= {current["metadata"]["name"], update["metadata"]["name"]}
        self._revisions.trim(stateful_set, live)
        if refusal is not None:
            raise refusal
        return next_available(pods, stateful_set["spec"].get("minReadySeconds", 0), now)

    def _current(self, stateful_set: Object, update: Object) -> Object:
        """The revision that pods below the partition still have."""
        name = (stateful_set.get("status") or {}).get("currentRevision")
        known = self._revisions.of(stateful_set)
        return next((each for each in known if each["metadata"]["name"] == name), update)

    def _members(self, stateful_set: Object) -> list[Object]:
        name = stateful_set["metadata"]["name"]
        owned = self._owned.get(stateful_set["metadata"]["uid"])
        return [pod for pod in owned if _ordinal(name, pod) is not None]

    def _step(self, stateful_set: Object, current: Object, update: Object, now: float) -> None:
        spec, name = stateful_set["spec"], stateful_set["metadata"]["name"]
        start = (spec.get("ordinals") or {}).get("start", 0)
        wanted = range(start, start + spec.get("replicas", 1))
        by_ordinal = {_ordinal(name, pod): pod for pod in self._members(stateful_set)}
        in_order = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        wait = spec.get("minReadySeconds", 0)

        for ordinal in wanted:
            pod = by_ordinal.get(ordinal)
            if pod is not None and is_over(pod):
                if not is_being_deleted(pod):
                    self._delete(stateful_set, pod, now)
                return  # its successor has the same name and must wait until it is gone
            if pod is None:
                old = ordinal < start + _partition(spec)
                self._create(stateful_set, current if old else update, ordinal, now)
            if in_order and (pod is None or not self._works(pod, wait, now)):
                return

        condemned = sorted(
            (ordinal for ordinal in by_ordinal if ordinal is not None and ordinal not in wanted),
            reverse=True,
        )
        broken = [o for o in condemned if not self._works(by_ordinal[o], wait, now)]
        for ordinal in condemned:
            pod = by_ordinal[ordinal]
            if in_order and (is_being_deleted(pod) or ordinal in broken[:-1]):
                return
            if not is_being_deleted(pod):
                self._doom_claims(stateful_set, pod)
                self._delete(stateful_set, pod, now)
            if in_order:
                return

        if (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate":
            self._replace(stateful_set, by_ordinal, wanted, update, now)

    def _replace(
        self,
        stateful_set: Object,
        by_ordinal: dict[int | None, Object],
        wanted: range,
        update: Object,
        now: float,
    ) -> None:
        """Delete pods of other revisions from the highest ordinal down, as many as may be away."""
        spec = stateful_set["spec"]
        rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        allowed = max(portion(rolling.get("maxUnavailable", 1), len(wanted), up=True), 1)
        wait = spec.get("minReadySeconds", 0)
        pods = [by_ordinal[ordinal] for ordinal in wanted if ordinal in by_ordinal]
        away = len(wanted) - sum(self._works(pod, wait, now) for pod in pods)
        for ordinal in reversed(wanted[_partition(spec) :]):
            pod = by_ordinal.get(ordinal)
            if pod is None or is_being_deleted(pod):
                continue
            if pod["metadata"]["labels"].get(REVISION) == update["metadata"]["name"]:
                continue
            if self._works(pod, wait, now):
                if away >= allowed:
                    return
                away += 1
            elif away > allowed:
                return
            self._delete(stateful_set, pod, now)

    def _works(self, pod: Object, wait: int, now: float) -> bool:
        running = phase(pod) == "Running" and not is_being_deleted(pod)
        return running and is_available(pod, wait, now)

    def _create(self, stateful_set: Object, revision: Object, ordinal: int, now: float) -> None:
        name, namespace = stateful_set["metadata"]["name"], stateful_set["metadata"]["namespace"]
        pod_name = f"{name}-{ordinal}"
        template = template_of(revision)
        labels = {
            **(template.get("metadata", {}).get("labels") or {}),
            POD_INDEX: str(ordinal),
            REVISION: revision["metadata"]["name"],
            POD_NAME: pod_name,
        }
        pod = from_template(stateful_set, template, name=pod_name, labels=labels)
        spec = {**pod["spec"], "hostname": pod_name}
        if stateful_set["spec"].get("serviceName"):
            spec["subdomain"] = stateful_set["spec"]["serviceName"]
        claims = stateful_set["spec"].get("volumeClaimTemplates") or ()
        if claims:
            own = {each["metadata"]["name"] for each in claims}
            kept = [each for each in spec.get("volumes") or () if each["name"] not in own]
            spec["volumes"] = [
                *(
                    {
                        "name": each["metadata"]["name"],
                        "persistentVolumeClaim": {
                            "claimName": f"{each['metadata']['name']}-{pod_name}"
                        },
                    }
                    for each in claims
                ),
                *kept,
            ]
        try:
            for each in claims:
                self._ensure_claim(stateful_set, each, pod_name, now)
            self.api.create(
                self._pods,
                {**pod, "spec": spec},
                namespace=namespace,
                options=Options(field_manager=MANAGER),
            )
        except ApiError as error:
            if is_namespace_terminating(error):
                return
            text = f"create Pod {pod_name} in StatefulSet {name} failed error: {error.message}"
            self._record(stateful_set, now, "FailedCreate", text, "Warning")
            raise
        text = f"create Pod {pod_name} in StatefulSet {name} successful"
        self._record(stateful_set, now, "SuccessfulCreate", text)

    def _ensure_claim(
        self, stateful_set: Object, template: Object, pod_name: str, now: float
    ) -> None:
        name, namespace = stateful_set["metadata"]["name"], stateful_set["metadata"]["namespace"]
        claim_name = f"{template['metadata']['name']}-{pod_name}"
        if self.api.store.get(("", "persistentvolumeclaims", namespace, claim_name)) is not None:
            return
        labels = {
            **(template["metadata"].get("labels") or {}),
            **(stateful_set["spec"]["selector"].get("matchLabels") or {}),
        }
        metadata: dict[str, Any] = {
            **template["metadata"],
            "name": claim_name,
            "namespace": namespace,
            "labels": labels,
        }
        if _retention(stateful_set, "whenDeleted") == "Delete":
            metadata["ownerReferences"] = [owner_reference(stateful_set)]
        self.api.create(
            self._claims,
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": metadata,
                "spec": template["spec"],
            },
            namespace=namespace,
            options=Options(field_manager=MANAGER),
        )
        text = f"create Claim {claim_name} Pod {pod_name} in StatefulSet {name} success"
        self._record(stateful_set, now, "SuccessfulCreate", text)

    def _doom_claims(self, stateful_set: Object, pod: Object) -> None:
        """Let a scaled-away pod take its claims along, if the retention policy says so."""
        if _retention(stateful_set, "whenScaled") != "Delete":
            return
        reference = {**owner_reference(pod), "controller": False}
        for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
            name = f"{template['metadata']['name']}-{pod['metadata']['name']}"
            key = ("", "persistentvolumeclaims", pod["metadata"]["namespace"], name)
            if self.api.store.get(key) is not None:
                self.api.patch(
                    self._claims,
                    name,
                    {"metadata": {"ownerReferences": [reference]}},
                    type="merge",
                    namespace=pod["metadata"]["namespace"],
                    options=Options(field_manager=MANAGER),
                )

    def _delete(self, stateful_set: Object, pod: Object, now: float) -> None:
        name, pod_name = stateful_set["metadata"]["name"], pod["metadata"]["name"]
        try:
            self.api.delete(
                self._pods,
                pod_name,
                namespace=pod["metadata"]["namespace"],
                options=Options(uid=pod["metadata"]["uid"]),
            )
        except ApiError as error:
            if error.code == 404:
                return
            text = f"delete Pod {pod_name} in StatefulSet {name} failed error: {error.message}"
            self._record(stateful_set, now, "FailedDelete", text, "Warning")
            raise
        text = f"delete Pod {pod_name} in StatefulSet {name} successful"
        self._record(stateful_set, now, "SuccessfulDelete", text)

    def _status(
        self, stateful_set: Object, pods: list[Object], current: Object, update: Object, now: float
    ) -> dict[str, Any]:
        spec, old = stateful_set["spec"], stateful_set.get("status") or {}
        wait = spec.get("minReadySeconds", 0)
        created = [pod for pod in pods if phase(pod)]
        staying = [pod for pod in created if not is_being_deleted(pod)]
        running = [pod for pod in created if phase(pod) == "Running" and is_ready(pod)]
        at = [pod["metadata"]["labels"].get(REVISION) for pod in staying]
        names = current["metadata"]["name"], update["metadata"]["name"]
        of_current, of_update = at.count(names[0]), at.count(names[1])
        rolling = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
        if rolling and of_update == len(created) == len(running) == spec.get("replicas", 1):
            names, of_current = (names[1], names[1]), of_update
        return {
            "observedGeneration": stateful_set["metadata"]["generation"],
            "replicas": len(created),
            **counters(
                readyReplicas=len(running),
                currentReplicas=of_current,
                updatedReplicas=of_update,
            ),
            "currentRevision": names[0],
            "updateRevision": names[1],
            "availableReplicas": sum(is_available(pod, wait, now) for pod in running),
            **({"conditions": old["conditions"]} if "conditions" in old else {}),
        }


def _ordinal(name: str, pod: Object) -> int | None:
    found = re.fullmatch(re.escape(name) + r"-(\d+)", pod["metadata"]["name"])
    return int(found[1]) if found else None


def _partition(spec: dict[str, Any]) -> int:
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    partition: int = rolling.get("partition", 0)
    return partition


def _retention(stateful_set: Object, moment: str) -> str:
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    choice: str = policy.get(moment, "Retain")
    return choice
