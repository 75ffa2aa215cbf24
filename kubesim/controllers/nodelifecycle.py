"""Nodes that fall silent: what becomes of them, and of the pods there.

A node whose kubelet has not been heard of for a while is taken for lost: nothing is sent there any
more, and what is there counts as not ready. It is not known whether the machine is dead or only its
cable is cut, so its pods are not replaced at once: each is given up when it has tolerated the
node's taint for as long as it says, which is five minutes unless it says otherwise. Since the
kubelet cannot confirm that they have ended, they stay `Terminating` until it is back.

If no node is left that answers, it is more likely that the control plane is cut off than that all
machines broke at once: then nothing is given up.

Source: Kubernetes 1.37, pkg/controller/nodelifecycle and pkg/controller/tainteviction. Left out:
zones, and that nodes are given up one after the other at a limited rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kubesim.api import Api, Options
from kubesim.clock import timestamp
from kubesim.controllers.heartbeat import NAMESPACE
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.controllers.placement import tolerates
from kubesim.controllers.pods import instant, is_over, is_ready
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.status import condition, write_status
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

GRACE = 50.0
"""Seconds without a sign of life until a node counts as lost (kube-controller-manager's
`--node-monitor-grace-period`; 40 s before Kubernetes 1.32)."""

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
"""The taint of a node that was cordoned (`spec.unschedulable`)."""

UNREACHABLE = "node.kubernetes.io/unreachable"
"""The taint of a node that is lost."""

_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


class NodeLifecycle(Controller):
    """Declares nodes lost that are silent, and taints them until they are back.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        is_silent: whether a node's kubelet gives no sign of life any more.
    """

    name = "node-controller"
    watches = (("", "nodes"),)

    def __init__(self, api: Api, indexes: Indexes, *, is_silent: Callable[[str], bool]) -> None:
        super().__init__(api, indexes)
        self._is_silent = is_silent
        self._record = Recorder(api, self.name)
        self._nodes = api.registry.by_kind("v1", "Node")
        self._pods = api.registry.by_kind("v1", "Pod")
        self._by_node = indexes.pods_by_node()

    def keys(self, event: Event) -> Iterable[Item]:
        """The node; all nodes, if one is lost or is back: it matters whether any is left."""
        if event.old is not None and _answers(event.old) == _answers(event.object):
            return (event.key[2:],)
        return [("", each["metadata"]["name"]) for each in self.api.store.list("", "nodes")]

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Judge a node by its last sign of life; when to look again, if it is silent."""
        node = self.api.store.get(("", "nodes", "", name))
        if node is None:
            return None
        if self._is_silent(name) and not _is_lost(node):
            lost = self._last_beat(node) + GRACE
            if now < lost:
                return lost
            node = self._lose(node, now)
        self._taint(node, now)
        return None

    def _last_beat(self, node: Object) -> float:
        metadata = node["metadata"]
        lease = self.api.store.get(("coordination.k8s.io", "leases", NAMESPACE, metadata["name"]))
        return instant(lease["spec"]["renewTime"] if lease else metadata["creationTimestamp"])

    def _lose(self, node: Object, now: float) -> Object:
        """Nothing is known any more of what the node reported, nor whether its pods are ready."""
        status = node.get("status") or {}
        at = timestamp(now)
        unknown = {
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
            "lastTransitionTime": at,
        }
        conditions = [
            {**each, **unknown} if each["type"] in _REPORTED else each
            for each in status.get("conditions") or ()
        ]
        node = write_status(self.api, self._nodes, node, {**status, "conditions": conditions})
        name = node["metadata"]["name"]
        self._record(node, now, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        for pod in self._by_node.get(name):
            if is_ready(pod):
                self._write_off(pod, at)
                self._record(pod, now, "NodeNotReady", "Node is not ready", "Warning")
        return node

    def _write_off(self, pod: Object, at: str) -> None:
        status = pod["status"]
        conditions = [
            {**each, "status": "False", "lastTransitionTime": at}
            if each.get("type") == "Ready"
            else each
            for each in status["conditions"]
        ]
        write_status(self.api, self._pods, pod, {**status, "conditions": conditions})

    def _taint(self, node: Object, now: float) -> None:
        """Give a lost or cordoned node its taints, and take them from one that is not any more."""
        spec = node.get("spec") or {}
        taints: list[dict[str, Any]] = spec.get("taints") or []
        wanted = [(UNSCHEDULABLE, "NoSchedule")] if spec.get("unschedulable") else []
        if _is_lost(node):
            wanted.append((UNREACHABLE, "NoSchedule"))
            if any(map(_answers, self.api.store.list("", "nodes"))):
                wanted.append((UNREACHABLE, "NoExecute"))
        kept = [
            each
            for each in taints
            if each["key"] not in (UNREACHABLE, UNSCHEDULABLE)
            or (each["key"], each["effect"]) in wanted
        ]
        held = [(each["key"], each["effect"]) for each in kept]
        new = [
            {"key": key, "effect": effect, "timeAdded": timestamp(now)}
            for key, effect in wanted
            if (key, effect) not in held
        ]
        if kept + new != taints:
            spec = {key: value for key, value in spec.items() if key != "taints"}
            if kept or new:
                spec["taints"] = kept + new
            name, options = node["metadata"]["name"], Options(field_manager=MANAGER)
            self.api.update(self._nodes, name, {**node, "spec": spec}, options=options)


class TaintEviction(Controller):
    """Ends pods on nodes with a `NoExecute` taint that they do not tolerate, or no longer."""

    name = "taint-eviction-controller"
    watches = (("", "nodes"), ("", "pods"))

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._record = Recorder(api, self.name)
        self._pods = api.registry.by_kind("v1", "Pod")
        self._by_node = indexes.pods_by_node()
        self._begun: dict[Item, float] = {}

    def keys(self, event: Event) -> Iterable[Item]:
        """A pod that is bound, changed or gone; all pods of a node if its taints change."""
        obj, old = event.object, event.old
        if event.key[1] == "pods":
            is_news = event.type != "MODIFIED" or old is None or _stay(old) != _stay(obj)
            return (event.key[2:],) if is_news else ()
        if event.type == "DELETED" or _taints(obj) == ([] if old is None else _taints(old)):
            return ()
        pods = [pod["metadata"] for pod in self._by_node.get(obj["metadata"]["name"])]
        return [(each["namespace"], each["name"]) for each in pods]

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """End a pod if it must go; when it must, if it may stay a while."""
        item = namespace, name
        pod = self.api.store.get(("", "pods", namespace, name))
        patience = None if pod is None else self._patience(pod)
        if pod is None or patience is None:
            if self._begun.pop(item, None) is not None and pod is not None:
                self._tell(pod, now, f"Cancelling deletion of Pod {namespace}/{name}")
            return None
        due = self._begun.setdefault(item, now) + patience
        if now < due:
            return due
        del self._begun[item]
        self._tell(pod, now, f"Marking for deletion Pod {namespace}/{name}")
        self._evict(pod, now)
        return None

    def _patience(self, pod: Object) -> float | None:
        """For how many seconds a pod puts up with its node's taints; None if for ever."""
        if "deletionTimestamp" in pod["metadata"] or is_over(pod):
            return None
        node = self.api.store.get(("", "nodes", "", pod["spec"].get("nodeName", "")))
        waits = [_tolerates_for(pod, taint) for taint in (_taints(node) if node else ())]
        return min((each for each in waits if each is not None), default=None)

    def _tell(self, pod: Object, now: float, message: str) -> None:
        self._record(pod, now, "TaintManagerEviction", message)

    def _evict(self, pod: Object, now: float) -> None:
        metadata, status = pod["metadata"], pod.get("status") or {}
        disrupted = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": timestamp(now),
        }
        others = [
            each for each in status.get("conditions") or () if each.get("type") != disrupted["type"]
        ]
        write_status(self.api, self._pods, pod, {**status, "conditions": [*others, disrupted]})
        options = Options(field_manager=MANAGER, uid=metadata["uid"])
        try:
            self.api.delete(
                self._pods, metadata["name"], namespace=metadata["namespace"], options=options
            )
        except ApiError as error:
            if error.code != 404:
                raise


def _answers(node: Object) -> bool:
    ready = condition(node.get("status"), "Ready")
    return ready is not None and ready.get("status") == "True"


def _is_lost(node: Object) -> bool:
    ready = condition(node.get("status"), "Ready")
    return ready is not None and ready.get("status") == "Unknown"


def _taints(node: Object) -> list[dict[str, Any]]:
    taints = (node.get("spec") or {}).get("taints") or ()
    return [each for each in taints if each["effect"] == "NoExecute"]


def _stay(pod: Object) -> tuple[Any, ...]:
    return pod["spec"].get("nodeName"), pod["spec"].get("tolerations")


def _tolerates_for(pod: Object, taint: dict[str, Any]) -> float | None:
    """For how many seconds a pod puts up with a taint: 0 if not at all, None if for ever."""
    tolerations = [each for each in pod["spec"].get("tolerations") or () if tolerates(each, taint)]
    if not tolerations:
        return 0.0
    limits = [each["tolerationSeconds"] for each in tolerations if "tolerationSeconds" in each]
    return max(float(min(limits)), 0.0) if limits else None
