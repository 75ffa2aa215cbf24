"""Health follows kstatus as Flux uses it, kind by kind; a few kinds say more."""

# ruff: noqa: E501 -- a table reads best one case a line

from typing import Any

import pytest

from gitops_lab.engine.health import assess, overall
from gitops_lab.engine.kstatus import kstatus
from gitops_lab.model import HealthStatus, ObjectKey

H = HealthStatus


def obj(api_version: str, kind: str, spec: Any = None, status: Any = None, **metadata: Any) -> Any:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "a", "generation": 2, **metadata},
        "spec": spec or {},
        "status": status or {},
    }


def condition(kind: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": kind, "status": status, **more}


ROLLED_OUT = {
    "observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
    "conditions": [condition("Progressing", reason="NewReplicaSetAvailable"), condition("Available")],
}  # fmt: skip


def deployment(**status: Any) -> Any:
    return obj("apps/v1", "Deployment", {"replicas": 3}, {**ROLLED_OUT, **status})


CASES = {
    "absent": (None, H.MISSING),
    "a ConfigMap just exists": (obj("v1", "ConfigMap"), H.HEALTHY),
    "being deleted": (obj("v1", "ConfigMap", deletionTimestamp="2026-01-01T00:00:00Z"), H.PROGRESSING),
    "not observed yet": (deployment(observedGeneration=1), H.PROGRESSING),
    "Reconciling": (obj("x/v1", "X", {}, {"conditions": [condition("Reconciling")]}), H.PROGRESSING),
    "Stalled": (obj("x/v1", "X", {}, {"conditions": [condition("Stalled")]}), H.DEGRADED),
    "custom, Ready": (obj("x/v1", "X", {}, {"conditions": [condition("Ready")]}), H.HEALTHY),
    "custom, not Ready": (obj("x/v1", "X", {}, {"conditions": [condition("Ready", "False")]}), H.PROGRESSING),
    "custom kind of a built-in's name": (obj("serving.knative.dev/v1", "Service", {"type": "LoadBalancer"}), H.HEALTHY),
    "Deployment rolled out": (deployment(), H.HEALTHY),
    "Deployment updating": (deployment(updatedReplicas=1), H.PROGRESSING),
    "Deployment with old pods": (deployment(replicas=4), H.PROGRESSING),
    "Deployment not available": (deployment(availableReplicas=2), H.PROGRESSING),
    "Deployment past its deadline": (
        deployment(conditions=[condition("Progressing", "False", reason="ProgressDeadlineExceeded")]), H.DEGRADED),
    "StatefulSet complete": (
        obj("apps/v1", "StatefulSet", {"replicas": 2}, {"replicas": 2, "readyReplicas": 2, "currentReplicas": 2}), H.HEALTHY),
    "StatefulSet starting": (
        obj("apps/v1", "StatefulSet", {"replicas": 2}, {"replicas": 2, "readyReplicas": 1, "currentReplicas": 2}), H.PROGRESSING),
    "StatefulSet on delete": (obj("apps/v1", "StatefulSet", {"updateStrategy": {"type": "OnDelete"}}), H.HEALTHY),
    "DaemonSet everywhere": (obj("apps/v1", "DaemonSet", {}, {
        "observedGeneration": 2, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1, "numberAvailable": 1, "numberReady": 1}), H.HEALTHY),
    "DaemonSet not ready": (obj("apps/v1", "DaemonSet", {}, {
        "observedGeneration": 2, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1}), H.PROGRESSING),
    "ReplicaSet failing": (obj("apps/v1", "ReplicaSet", {}, {"conditions": [condition("ReplicaFailure")]}), H.DEGRADED),
    "Pod ready": (obj("v1", "Pod", {}, {"phase": "Running", "conditions": [condition("Ready")]}), H.HEALTHY),
    "Pod starting": (obj("v1", "Pod", {}, {"phase": "Pending"}), H.PROGRESSING),
    "Pod done": (obj("v1", "Pod", {}, {"phase": "Succeeded"}), H.HEALTHY),
    "Pod failed": (obj("v1", "Pod", {}, {"phase": "Failed"}), H.DEGRADED),
    "Pod crashing": (obj("v1", "Pod", {}, {"phase": "Running", "containerStatuses": [
        {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}), H.DEGRADED),
    "Pod without a node": (obj("v1", "Pod", {}, {"phase": "Pending", "conditions": [
        condition("PodScheduled", "False", reason="Unschedulable")]}), H.DEGRADED),
    "Job running, as Flux's own reader sees it": (obj("batch/v1", "Job", {}, {"startTime": "t", "active": 1}), H.PROGRESSING),
    "Job done": (obj("batch/v1", "Job", {}, {"conditions": [condition("Complete")]}), H.HEALTHY),
    "Job suspended": (obj("batch/v1", "Job", {"suspend": True}), H.SUSPENDED),
    "Job failed": (obj("batch/v1", "Job", {}, {"conditions": [condition("Failed")]}), H.DEGRADED),
    "Job not started": (obj("batch/v1", "Job"), H.PROGRESSING),
    "CronJob suspended": (obj("batch/v1", "CronJob", {"suspend": True}), H.SUSPENDED),
    "claim bound": (obj("v1", "PersistentVolumeClaim", {}, {"phase": "Bound"}), H.HEALTHY),
    "claim pending": (obj("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"}), H.PROGRESSING),
    "LoadBalancer without an address in the cluster": (obj("v1", "Service", {"type": "LoadBalancer"}), H.PROGRESSING),
    "LoadBalancer": (obj("v1", "Service", {"type": "LoadBalancer", "clusterIP": "10.96.0.9"}), H.HEALTHY),
    "budget met": (obj("policy/v1", "PodDisruptionBudget", {}, {
        "observedGeneration": 2, "desiredHealthy": 2, "currentHealthy": 3}), H.HEALTHY),
    "budget not met, which kstatus does not ask": (obj("policy/v1", "PodDisruptionBudget", {}, {
        "observedGeneration": 2, "desiredHealthy": 2, "currentHealthy": 1}), H.HEALTHY),
    "budget not seen yet": (obj("policy/v1", "PodDisruptionBudget", {}, {"observedGeneration": 1}), H.PROGRESSING),
    "Deployment not Available": (deployment(conditions=[]), H.PROGRESSING),
    "StatefulSet updating": (
        obj("apps/v1", "StatefulSet", {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 0}}},
            {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 1}), H.PROGRESSING),
    "StatefulSet with a partition": (
        obj("apps/v1", "StatefulSet", {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 1}), H.HEALTHY),
    "CRD established": (obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {
        "conditions": [condition("Established")]}), H.HEALTHY),
    "CRD with a taken name": (obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {
        "conditions": [condition("NamesAccepted", "False")]}), H.DEGRADED),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_health_of(case: str) -> None:
    live, status = CASES[case]
    assert assess(live).status is status


@pytest.mark.parametrize(
    ("case", "status"),
    [("Pod failed", "Current"), ("ReplicaSet failing", "InProgress"), ("absent", "NotFound"),
     ("CronJob suspended", "Current"), ("Job suspended", "Current"), ("Job failed", "Failed"),
     ("being deleted", "Terminating"), ("Deployment rolled out", "Current")],
)  # fmt: skip
def test_kstatus_itself_says_of(case: str, status: str) -> None:
    assert kstatus(CASES[case][0]).status == status


def test_a_whole_is_as_healthy_as_its_worst_object_and_names_it() -> None:
    keys = [ObjectKey("apps", "Deployment", "n", name) for name in ("a", "b", "c")]
    health = overall(zip(keys, [deployment(), None, deployment(updatedReplicas=0)], strict=True))
    assert health.status is H.MISSING
    assert health.message == "Deployment n/b: does not exist"
    assert overall([]).status is H.HEALTHY
