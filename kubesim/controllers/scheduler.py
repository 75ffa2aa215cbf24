"""The scheduler: finds a node for each pod, or says why there is none.

Source: Kubernetes 1.37, pkg/scheduler; its filters NodeUnschedulable, NodeAffinity,
TaintToleration, NodeResourcesFit and VolumeBinding, and its messages. Left out: affinity between
pods, topology spread, and preemption, whose message is told as if it had found no victim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.placement import (
    fits_node,
    is_repelled,
    requests,
    shortages,
    total,
)
from kubesim.controllers.pods import is_over
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.status import condition, since, write_status
from kubesim.controllers.volumebinding import VolumeBinding
from kubesim.model import Object
from kubesim.store import Event

MANAGER = "kube-scheduler"
"""The field manager under which the scheduler writes."""

NAME = "default-scheduler"
"""What a pod's `schedulerName` must be, and the source of the Events."""


class Scheduler(Controller):
    """Binds pods to nodes, to the emptiest one that fits (of equals, the first by name)."""

    name = NAME
    watches = (
        ("", "pods"),
        ("", "nodes"),
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("storage.k8s.io", "storageclasses"),
    )

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._record = Recorder(api, NAME)
        self._pods = api.registry.by_kind("v1", "Pod")
        self._by_node = indexes.pods_by_node()
        self._binding = VolumeBinding(api, indexes, manager=MANAGER)
        self._unschedulable: dict[Item, None] = {}
        self._totals: dict[str, tuple[list[Object], dict[str, Decimal]]] = {}

    def keys(self, event: Event) -> Iterable[Item]:
        """The pod if it needs a node, or its claim changes; all that found none, if there is news.

        News is a node, room on one, or a place for data.
        """
        item, obj, old = event.key[2:], event.object, event.old
        if event.key[1] == "persistentvolumeclaims":
            return self._binding.waiting(*item)
        if event.key[1] in ("persistentvolumes", "storageclasses"):
            return list(self._unschedulable)
        if event.key[1] == "nodes":
            is_news = old is None or _offers(old) != _offers(obj)
            return list(self._unschedulable) if is_news else ()
        if event.type == "DELETED" or (is_over(obj) and old is not None and not is_over(old)):
            return list(self._unschedulable)
        if obj["spec"].get("nodeName"):
            return (item,) if item in self._unschedulable else ()
        is_known = old is not None and item in self._unschedulable and _asks(old) == _asks(obj)
        return () if is_known else (item,)

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Bind the pod if there is a node for it, else report why not."""
        self._unschedulable.pop((namespace, name), None)
        pod = self.api.store.get(("", "pods", namespace, name))
        if pod is None or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            return
        spec = pod["spec"]
        if spec.get("schedulerName", NAME) != NAME or spec.get("schedulingGates"):
            return
        wanted = requests(spec)
        reasons: Counter[str] = Counter()
        hopeless = 0
        candidates: list[tuple[Decimal, Decimal, str]] = []
        nodes = self.api.store.list("", "nodes")
        obstacle = self._binding.obstacle(pod)
        for node in () if obstacle else nodes:
            used = self._used(node)
            words, is_hopeless = _refusal(spec, node, wanted, used)
            if not words:
                words = self._binding.refusals(pod, node)
                is_hopeless = bool(words)
            if words:
                reasons.update(words)
                hopeless += is_hopeless
            else:
                candidates.append(
                    (used.get("cpu", Decimal(0)), used["pods"], node["metadata"]["name"])
                )
        if candidates:
            chosen = min(candidates)[2]
            node = next(each for each in nodes if each["metadata"]["name"] == chosen)
            if self._binding.bind(pod, node):  # else its claims call again when they are bound
                self._bind(pod, chosen, now)
        else:
            self._unschedulable[namespace, name] = None
            if obstacle:
                hopeless = len(nodes)
            self._report(pod, _message(len(nodes), obstacle, reasons, hopeless), now)

    def _used(self, node: Object) -> dict[str, Decimal]:
        """What the pods of a node ask for; remembered until one of them changes."""
        name = node["metadata"]["name"]
        pods = self._by_node.get(name)
        known = self._totals.get(name)
        if known is None or known[0] != pods:  # unchanged pods are the same objects: quickly told
            known = self._totals[name] = pods, total(pod for pod in pods if not is_over(pod))
        return known[1]

    def _bind(self, pod: Object, node: str, now: float) -> None:
        metadata = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self.api.create(
            self._pods,
            binding,
            namespace=metadata["namespace"],
            name=metadata["name"],
            subresource="binding",
            options=Options(field_manager=MANAGER),
        )
        where = f"{metadata['namespace']}/{metadata['name']} to {node}"
        self._record(pod, now, "Scheduled", f"Successfully assigned {where}")

    def _report(self, pod: Object, message: str, now: float) -> None:
        status: dict[str, Any] = pod.get("status") or {}
        old = condition(status, "PodScheduled")
        is_new = old is None or old.get("status") != "False"
        at = since(None if is_new else old, now)
        unscheduled = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": at,
        }
        generation = pod["metadata"].get("generation")
        if generation is not None:
            unscheduled["observedGeneration"] = generation
        others = [each for each in status.get("conditions") or () if each is not old]
        if old == unscheduled:
            return
        status = {**status, "conditions": [*others, unscheduled]}
        write_status(self.api, self._pods, pod, status, manager=MANAGER)
        self._record(pod, now, "FailedScheduling", message, "Warning")


def _refusal(
    spec: dict[str, Any], node: Object, wanted: dict[str, Decimal], used: dict[str, Decimal]
) -> tuple[list[str], bool]:
    """Why a node cannot take a pod, and whether evicting others from it would be no help."""
    tolerates_cordon = any(
        each.get("key") in (None, "", "node.kubernetes.io/unschedulable")
        and each.get("operator") == "Exists"
        for each in spec.get("tolerations") or ()
    )
    if (node.get("spec") or {}).get("unschedulable") and not tolerates_cordon:
        return ["node(s) were unschedulable"], True
    if is_repelled(spec, node):
        return ["node(s) had untolerated taint(s)"], True
    if not fits_node(spec, node):
        return ["node(s) didn't match Pod's node affinity/selector"], True
    return shortages(wanted, used, (node.get("status") or {}).get("allocatable") or {})


def _message(nodes: int, obstacle: str, reasons: Counter[str], hopeless: int) -> str:
    """The scheduler's sentence: what stands in the way on all nodes, or how many say what."""
    if not nodes:
        return "no nodes available to schedule pods"
    counted = sorted(f"{count} {reason}" for reason, count in reasons.items())
    why = obstacle or ", ".join(counted)
    preemption = [
        f"{count} {text}"
        for count, text in (
            (nodes - hopeless, "No preemption victims found for incoming pod"),
            (hopeless, "Preemption is not helpful for scheduling"),
        )
        if count
    ]
    return (
        f"0/{nodes} nodes are available: {why}. no new claims to deallocate, preemption: "
        f"0/{nodes} nodes are available: {', '.join(sorted(preemption))}."
    )


def _offers(node: Object) -> tuple[Any, ...]:
    """What of a node decides about pods."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    labels = node["metadata"].get("labels")
    return labels, spec.get("taints"), spec.get("unschedulable"), status.get("allocatable")


def _asks(pod: Object) -> tuple[Any, ...]:
    """What of a pod decides about its node."""
    return pod["spec"], "deletionTimestamp" in pod["metadata"]
