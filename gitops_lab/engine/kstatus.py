"""Health as Flux sees it: kstatus (cli-utils), with the reader for Jobs of Flux 2.9.

A pure function of one object. What is tested, and in which order, is kstatus' own; the words of
the messages are ours, for Flux itself shows only the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from gitops_lab.model import Object, split_api_version


class Status(StrEnum):
    """What kstatus says of an object."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"
    UNKNOWN = "Unknown"


class Result(NamedTuple):
    """A status and the sentence that explains it."""

    status: Status
    message: str = ""


Conditions = Mapping[str, Mapping[str, Any]]
Rule = Callable[[Mapping[str, Any], Mapping[str, Any], Conditions], Result]
"""From an object's spec, status and conditions to its result."""

CURRENT = Result(Status.CURRENT)


def kstatus(obj: Object | None) -> Result:
    """The status of one live object; None is one that does not exist."""
    if obj is None:
        return Result(Status.NOT_FOUND, "does not exist")
    metadata, status = obj["metadata"], obj.get("status") or {}
    if "deletionTimestamp" in metadata:
        return Result(Status.TERMINATING, "is being deleted")
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata.get("generation", observed):
        return _waiting("its controller has not seen the newest generation yet")
    conditions = conditions_of(status)
    if is_true(conditions, "Reconciling"):
        return _waiting(text_of(conditions["Reconciling"]))
    if is_true(conditions, "Stalled"):
        return _failed(text_of(conditions["Stalled"]))
    group, _ = split_api_version(obj["apiVersion"])
    rule = RULES.get((group, obj["kind"]))
    if rule is not None:
        return rule(obj.get("spec") or {}, status, conditions)
    if "Ready" in conditions and not is_true(conditions, "Ready"):
        return _waiting(text_of(conditions["Ready"]))
    return CURRENT


def conditions_of(status: Mapping[str, Any]) -> Conditions:
    """The conditions of a status, by type."""
    found = status.get("conditions")
    entries = found if isinstance(found, list) else ()
    return {str(c["type"]): c for c in entries if isinstance(c, dict) and "type" in c}


def is_true(conditions: Conditions, kind: str) -> bool:
    """Whether a condition is there and True."""
    return conditions.get(kind, {}).get("status") == "True"


def text_of(condition: Mapping[str, Any]) -> str:
    """What a condition says, as well as it says anything."""
    return str(condition.get("message") or condition.get("reason") or condition["type"])


def _waiting(message: str) -> Result:
    return Result(Status.IN_PROGRESS, message)


def _failed(message: str) -> Result:
    return Result(Status.FAILED, message)


def _deployment(
    spec: Mapping[str, Any], status: Mapping[str, Any], conditions: Conditions
) -> Result:
    progressing = conditions.get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed(text_of(progressing))
    want = spec.get("replicas", 1)
    total, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    available, ready = status.get("availableReplicas", 0), status.get("readyReplicas", 0)
    if total < want:
        return _waiting(f"{total} of {want} replicas exist")
    if updated < want:
        return _waiting(f"{updated} of {want} replicas updated")
    if total > want:
        return _waiting(f"{total - want} old replicas still to go")
    if available < updated:
        return _waiting(f"{available} of {updated} updated replicas available")
    if ready < want:
        return _waiting(f"{ready} of {want} replicas ready")
    is_new = is_true(conditions, "Progressing") and (
        progressing.get("reason") == "NewReplicaSetAvailable"
    )
    if "progressDeadlineSeconds" in spec and not is_new:
        return _waiting("the new ReplicaSet is not available yet")
    if not is_true(conditions, "Available"):
        return _waiting("the Deployment is not available yet")
    return CURRENT


def _stateful_set(spec: Mapping[str, Any], status: Mapping[str, Any], _: Conditions) -> Result:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return CURRENT
    want, total = spec.get("replicas", 1), status.get("replicas", 0)
    for field in ("replicas", "readyReplicas"):
        if status.get(field, 0) < want:
            return _waiting(f"{field}: {status.get(field, 0)} of {want}")
    if total > want:
        return _waiting(f"{total - want} pods still to go")
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    updated = status.get("updatedReplicas", 0)
    if partition is not None:
        due = want - partition
        return CURRENT if updated >= due else _waiting(f"{updated} of {due} pods updated")
    if status.get("currentReplicas", 0) < want:
        return _waiting(f"currentReplicas: {status.get('currentReplicas', 0)} of {want}")
    if status.get("currentRevision", "") != status.get("updateRevision", ""):
        return _waiting("the update is not complete")
    return CURRENT


def _daemon_set(_: Mapping[str, Any], status: Mapping[str, Any], __: Conditions) -> Result:
    if "observedGeneration" not in status:
        return _waiting("its controller has not seen it yet")
    if "desiredNumberScheduled" not in status:
        return _waiting("its controller has not counted nodes yet")
    want = status["desiredNumberScheduled"]
    for field in (
        "currentNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberReady",
    ):
        if status.get(field, 0) < want:
            return _waiting(f"{field}: {status.get(field, 0)} of {want}")
    return CURRENT


def _replica_set(
    spec: Mapping[str, Any], status: Mapping[str, Any], conditions: Conditions
) -> Result:
    if is_true(conditions, "ReplicaFailure"):
        return _waiting(text_of(conditions["ReplicaFailure"]))
    want, total = spec.get("replicas", 1), status.get("replicas", 0)
    for field in ("fullyLabeledReplicas", "availableReplicas", "readyReplicas"):
        if status.get(field, 0) < want:
            return _waiting(f"{field}: {status.get(field, 0)} of {want}")
    return CURRENT if total <= want else _waiting(f"{total - want} pods still to go")


def _pod(_: Mapping[str, Any], status: Mapping[str, Any], conditions: Conditions) -> Result:
    phase = status.get("phase", "")
    if phase in ("Succeeded", "Failed"):
        return Result(Status.CURRENT, f"phase {phase}")
    if phase == "Running":
        if is_true(conditions, "Ready"):
            return CURRENT
        for container in status.get("containerStatuses") or ():
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") == "CrashLoopBackOff":
                return _failed(f"container {container['name']} keeps crashing")
    # kstatus gives the scheduler 15 s; without a clock, an unschedulable pod has failed at once.
    scheduled = conditions.get("PodScheduled", {})
    if phase == "Pending" and scheduled.get("reason") == "Unschedulable":
        return _failed(text_of(scheduled))
    return _waiting(f"phase {phase or 'unknown'}, not ready")


def _job(spec: Mapping[str, Any], _: Mapping[str, Any], conditions: Conditions) -> Result:
    """Flux's own reader: stock kstatus calls a running Job Current."""
    if is_true(conditions, "Failed"):
        return _failed(text_of(conditions["Failed"]))
    if is_true(conditions, "Complete"):
        return CURRENT
    if spec.get("suspend"):
        return Result(Status.CURRENT, "the Job is suspended")
    return _waiting("the Job has not completed")


def _claim(_: Mapping[str, Any], status: Mapping[str, Any], __: Conditions) -> Result:
    phase = status.get("phase", "unknown")
    return CURRENT if phase == "Bound" else _waiting(f"phase {phase}")


def _service(spec: Mapping[str, Any], _: Mapping[str, Any], __: Conditions) -> Result:
    if spec.get("type") == "LoadBalancer" and not spec.get("clusterIP"):
        return _waiting("no cluster IP yet")
    return CURRENT


def _definition(_: Mapping[str, Any], __: Mapping[str, Any], conditions: Conditions) -> Result:
    established = conditions.get("Established", {})
    if conditions.get("NamesAccepted", {}).get("status") == "False":
        return _failed(text_of(conditions["NamesAccepted"]))
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return _failed(text_of(established))
    return CURRENT if is_true(conditions, "Established") else _waiting("not established yet")


def _always(_: Mapping[str, Any], __: Mapping[str, Any], ___: Conditions) -> Result:
    return CURRENT


RULES: dict[tuple[str, str], Rule] = {
    ("", "ConfigMap"): _always,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "Secret"): _always,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "CronJob"): _always,
    ("batch", "Job"): _job,
    ("policy", "PodDisruptionBudget"): _always,
}
"""The kinds with a rule of their own; for all others the condition Ready decides."""
