"""PodDisruptionBudgets: how many pods may be evicted at the moment.

Source: Kubernetes 1.37, pkg/controller/disruption; its rules, reasons and messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubesim.api import Api
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.ownership import (
    controller_of,
    is_being_deleted,
    selects,
)
from kubesim.controllers.pods import instant, is_over, is_ready
from kubesim.controllers.rollout import portion
from kubesim.controllers.status import condition, since, write_status
from kubesim.model import Object, split_api_version
from kubesim.store import Event

FORGET = 120.0
"""Seconds until an eviction that led to nothing is forgotten."""


class DisruptionBudgets(Controller):
    """Counts healthy pods and writes down how many of them may be disrupted."""

    name = "disruption-controller"
    watches = (
        ("policy", "poddisruptionbudgets"),
        ("", "pods"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("apps", "statefulsets"),
    )

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("policy/v1", "PodDisruptionBudget")

    def keys(self, event: Event) -> Iterable[Item]:
        """The budget; those that select a pod; all of a namespace if a workload is resized."""
        _, plural, namespace, name = event.key
        if plural == "poddisruptionbudgets":
            return ((namespace, name),)
        budgets = self.api.store.list("policy", "poddisruptionbudgets", namespace)
        if not budgets:
            return ()
        obj, old = event.object, event.old
        if plural == "pods":
            labels = [each["metadata"].get("labels") or {} for each in (obj, old) if each]
            budgets = [
                each
                for each in budgets
                if any(selects(each["spec"].get("selector") or {}, those) for those in labels)
            ]
        elif old is not None and old["spec"].get("replicas") == obj["spec"].get("replicas"):
            return ()
        return [(namespace, each["metadata"]["name"]) for each in budgets]

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Count, and report."""
        budget = self.api.store.get(("policy", "poddisruptionbudgets", namespace, name))
        if budget is None or is_being_deleted(budget):
            return None
        spec, old = budget["spec"], budget.get("status") or {}
        pods = [
            pod
            for pod in self.api.store.list("", "pods", namespace)
            if "selector" in spec
            and selects(spec["selector"], pod["metadata"].get("labels") or {})
            and not is_over(pod)
        ]
        by_name = {pod["metadata"]["name"]: pod for pod in pods}
        evicted = {
            pod: since
            for pod, since in (old.get("disruptedPods") or {}).items()
            if pod in by_name
            and not is_being_deleted(by_name[pod])
            and now - instant(since) < FORGET
        }
        expected, desired = self._expected(spec, pods)
        healthy = sum(
            is_ready(pod) and not is_being_deleted(pod) and pod["metadata"]["name"] not in evicted
            for pod in pods
        )
        allowed = max(healthy - desired, 0) if expected else 0
        status: dict[str, Any] = {
            "conditions": [_allowance(old, allowed, budget, now)],
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": budget["metadata"].get("generation", 1),
        }
        if evicted:
            status["disruptedPods"] = evicted
        write_status(self.api, self._resource, budget, status)
        return min((instant(since) + FORGET for since in evicted.values()), default=None)

    def _expected(self, spec: dict[str, Any], pods: list[Object]) -> tuple[int, int]:
        """How many pods there should be, and how many of them must stay healthy."""
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        if most is not None:
            expected = self._scale(pods)
            return expected, max(expected - portion(most, expected, up=True), 0)
        if isinstance(least, str):
            expected = self._scale(pods)
            return expected, portion(least, expected, up=True)
        return len(pods), least or 0

    def _scale(self, pods: list[Object]) -> int:
        """Replicas of all workloads that the pods belong to; a pod on its own counts as one."""
        counts: dict[str, int] = {}
        for pod in pods:
            uid, replicas = self._workload(pod)
            counts[uid] = replicas
        return sum(counts.values())

    def _workload(self, pod: Object) -> tuple[str, int]:
        """The topmost controller of a pod that has a size: a Deployment before its ReplicaSet."""
        found = pod["metadata"]["uid"], 1
        obj, namespace = pod, pod["metadata"]["namespace"]
        while (reference := controller_of(obj)) is not None:
            group = split_api_version(reference["apiVersion"])[0]
            plural = f"{reference['kind'].lower()}s"
            owner = self.api.store.get((group, plural, namespace, reference["name"]))
            if owner is None or owner["metadata"]["uid"] != reference["uid"]:
                break
            if "replicas" in owner["spec"]:
                found = owner["metadata"]["uid"], owner["spec"]["replicas"]
            obj = owner
        return found


def _allowance(old: dict[str, Any], allowed: int, budget: Object, now: float) -> dict[str, Any]:
    status = "True" if allowed else "False"
    known = condition(old, "DisruptionAllowed")
    is_same = known is not None and known.get("status") == status
    return {
        "type": "DisruptionAllowed",
        "status": status,
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": budget["metadata"].get("generation", 1),
        "lastTransitionTime": since(known if is_same else None, now),
    }
