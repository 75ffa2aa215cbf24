"""Health: does a live object work, whatever Git says of it?

A pure function of one object. The rules for kinds and the generic rules after them follow kstatus
(cli-utils, as Flux's kustomize-controller 1.9 uses it); the words are Argo CD's, since they are
the ones that people see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gitops_lab.engine.inventory import Inventory
from gitops_lab.model import Health, HealthStatus, Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster

HEALTHY = Health(HealthStatus.HEALTHY)


def assess(obj: Object | None) -> Health:
    """The health of one live object; an object that does not exist is Missing."""
    if obj is None:
        return Health(HealthStatus.MISSING, "does not exist")
    metadata, status = obj["metadata"], obj.get("status") or {}
    if "deletionTimestamp" in metadata:
        return _progressing("is being deleted")
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata.get("generation", observed):
        return _progressing("its controller has not seen the newest generation yet")
    conditions = _conditions(status)
    if _is(conditions, "Reconciling"):
        return _progressing(_text(conditions["Reconciling"]))
    if _is(conditions, "Stalled"):
        return _degraded(_text(conditions["Stalled"]))
    group, _ = split_api_version(obj["apiVersion"])
    rule = RULES.get((group, obj["kind"]))
    if rule is not None:
        return rule(obj.get("spec") or {}, status, conditions)
    if "Ready" in conditions and not _is(conditions, "Ready"):
        return _progressing(_text(conditions["Ready"]))
    return HEALTHY


def overall(objects: Iterable[tuple[ObjectKey, Object | None]]) -> Health:
    """The health of a whole: its worst object's, in Argo CD's order (3.5), and which that is."""
    healths = ((key, assess(obj)) for key, obj in objects)
    key, worst = max(healths, key=lambda pair: SEVERITY[pair[1].status], default=(None, HEALTHY))
    return worst if worst.is_healthy else Health(worst.status, f"{key}: {worst.message}")


def survey(cluster: Cluster, inventory: Inventory) -> Health:
    """The health of all that a deployer answers for, read from the cluster now."""
    return overall((key, cluster.get(key, version=v)) for key, v in inventory.items())


SEVERITY = {status: position for position, status in enumerate(HealthStatus)}

Conditions = Mapping[str, Mapping[str, Any]]
Rule = Callable[[Mapping[str, Any], Mapping[str, Any], Conditions], Health]


def _progressing(message: str) -> Health:
    return Health(HealthStatus.PROGRESSING, message)


def _degraded(message: str) -> Health:
    return Health(HealthStatus.DEGRADED, message)


def _conditions(status: Mapping[str, Any]) -> Conditions:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def _is(conditions: Conditions, kind: str) -> bool:
    return conditions.get(kind, {}).get("status") == "True"


def _text(condition: Mapping[str, Any]) -> str:
    return str(condition.get("message") or condition.get("reason") or condition["type"])


def _deployment(
    spec: Mapping[str, Any], status: Mapping[str, Any], conditions: Conditions
) -> Health:
    progressing = conditions.get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _degraded(_text(progressing))
    want = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available, ready = status.get("availableReplicas", 0), status.get("readyReplicas", 0)
    if updated < want:
        return _progressing(f"{updated} of {want} replicas updated")
    if total > updated:
        return _progressing(f"{total - updated} old replicas still to go")
    if available < updated:
        return _progressing(f"{available} of {updated} updated replicas available")
    if ready < want:
        return _progressing(f"{ready} of {want} replicas ready")
    if progressing and progressing.get("reason") != "NewReplicaSetAvailable":
        return _progressing("the new ReplicaSet is not available yet")
    if "Available" in conditions and not _is(conditions, "Available"):
        return _progressing(_text(conditions["Available"]))
    return HEALTHY


def _stateful_set(spec: Mapping[str, Any], status: Mapping[str, Any], _: Conditions) -> Health:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return HEALTHY
    want = spec.get("replicas", 1)
    for field in ("replicas", "readyReplicas", "currentReplicas"):
        have = status.get(field, 0)
        if field == "currentReplicas" and status.get("updateRevision") != status.get(
            "currentRevision"
        ):
            have = status.get("updatedReplicas", 0)
            want -= (strategy.get("rollingUpdate") or {}).get("partition", 0)
        if have < want:
            return _progressing(f"{field}: {have} of {want}")
    if status.get("replicas", 0) > spec.get("replicas", 1):
        return _progressing("scaling down")
    return HEALTHY


def _daemon_set(_: Mapping[str, Any], status: Mapping[str, Any], __: Conditions) -> Health:
    if "observedGeneration" not in status:
        return _progressing("its controller has not seen it yet")
    want = status.get("desiredNumberScheduled", 0)
    for field in (
        "currentNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberReady",
    ):
        if status.get(field, 0) < want:
            return _progressing(f"{field}: {status.get(field, 0)} of {want}")
    return HEALTHY


def _replica_set(
    spec: Mapping[str, Any], status: Mapping[str, Any], conditions: Conditions
) -> Health:
    if _is(conditions, "ReplicaFailure"):
        return _degraded(_text(conditions["ReplicaFailure"]))
    want = spec.get("replicas", 1)
    for field in ("replicas", "availableReplicas", "readyReplicas"):
        if status.get(field, 0) < want:
            return _progressing(f"{field}: {status.get(field, 0)} of {want}")
    if status.get("replicas", 0) > want:
        return _progressing("scaling down")
    return HEALTHY


def _pod(_: Mapping[str, Any], status: Mapping[str, Any], conditions: Conditions) -> Health:
    phase = status.get("phase", "Pending")
    if phase == "Succeeded":
        return HEALTHY
    if phase == "Failed":
        return _degraded(str(status.get("message") or "the pod failed"))
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") == "CrashLoopBackOff":
            return _degraded(f"container {container['name']} keeps crashing")
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("reason") == "Unschedulable":
        return _degraded(_text(scheduled))
    return HEALTHY if _is(conditions, "Ready") else _progressing(f"phase {phase}, not ready")


def _job(_: Mapping[str, Any], status: Mapping[str, Any], conditions: Conditions) -> Health:
    if _is(conditions, "Failed"):
        return _degraded(_text(conditions["Failed"]))
    if _is(conditions, "Suspended"):
        return Health(HealthStatus.SUSPENDED, "the job is suspended")
    if _is(conditions, "Complete") or status.get("startTime"):
        return HEALTHY  # kstatus calls a running job Current; Argo CD calls it Progressing
    return _progressing("the job has not started")


def _cron_job(spec: Mapping[str, Any], _: Mapping[str, Any], __: Conditions) -> Health:
    return Health(HealthStatus.SUSPENDED, "suspended") if spec.get("suspend") else HEALTHY


def _claim(_: Mapping[str, Any], status: Mapping[str, Any], __: Conditions) -> Health:
    phase = status.get("phase", "Pending")
    return HEALTHY if phase == "Bound" else _progressing(f"phase {phase}")


def _service(spec: Mapping[str, Any], _: Mapping[str, Any], __: Conditions) -> Health:
    if spec.get("type") == "LoadBalancer" and not spec.get("clusterIP"):
        return _progressing("no cluster IP yet")
    return HEALTHY


def _budget(_: Mapping[str, Any], status: Mapping[str, Any], __: Conditions) -> Health:
    if "observedGeneration" not in status:
        return _progressing("its controller has not seen it yet")
    want, have = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    return HEALTHY if have >= want else _progressing(f"{have} of {want} pods healthy")


def _definition(_: Mapping[str, Any], __: Mapping[str, Any], conditions: Conditions) -> Health:
    if conditions.get("NamesAccepted", {}).get("status") == "False":
        return _degraded(_text(conditions["NamesAccepted"]))
    return HEALTHY if _is(conditions, "Established") else _progressing("not established yet")


RULES: dict[tuple[str, str], Rule] = {
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("policy", "PodDisruptionBudget"): _budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
