"""Health as Argo CD 3.5 sees it: its built-in rules for kinds, with its messages.

A pure function of one object. Source: `gitops-engine/pkg/health` and, for CronJob, CRD,
PodDisruptionBudget, ApplicationSet and Flux's kinds, `resource_customizations`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gitops_lab.model import Health, HealthStatus, Object, split_api_version

Rule = Callable[[Object, Mapping[str, Any], Mapping[str, Any]], Health]
"""From an object, its spec and its status to its health."""

HEALTHY = Health(HealthStatus.HEALTHY)


def argo_health(obj: Object) -> Health | None:
    """The health of one live object; None for a kind without a rule, which does not count."""
    group, _ = split_api_version(obj["apiVersion"])
    kind = (group, obj.get("kind", ""))
    if "deletionTimestamp" in obj.get("metadata", {}) and kind != CRD:
        return _progressing("Pending deletion")
    rule = RULES.get(kind)
    return None if rule is None else rule(obj, obj.get("spec") or {}, obj.get("status") or {})


def _progressing(message: str) -> Health:
    return Health(HealthStatus.PROGRESSING, message)


def _degraded(message: str) -> Health:
    return Health(HealthStatus.DEGRADED, message)


def _healthy(message: str) -> Health:
    return Health(HealthStatus.HEALTHY, message)


def _conditions(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = status.get("conditions")
    return [c for c in found if isinstance(c, dict)] if isinstance(found, list) else []


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in _conditions(status) if c.get("type") == kind), {})


def _is_observed(obj: Object, status: Mapping[str, Any]) -> bool:
    return bool(obj["metadata"].get("generation", 0) <= status.get("observedGeneration", 0))


ROLLOUT = "Waiting for rollout to finish: "


def _deployment(obj: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    if spec.get("paused"):
        return Health(HealthStatus.SUSPENDED, "Deployment is paused")
    if not _is_observed(obj, status):
        return _progressing(f"{ROLLOUT}observed deployment generation less than desired generation")
    if _condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        name = obj["metadata"]["name"]
        return _degraded(f'Deployment "{name}" exceeded its progress deadline')
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    want, total = spec.get("replicas"), status.get("replicas", 0)
    if want is not None and updated < want:
        return _progressing(f"{ROLLOUT}{updated} out of {want} new replicas have been updated...")
    if total > updated:
        return _progressing(f"{ROLLOUT}{total - updated} old replicas are pending termination...")
    if available < updated:
        return _progressing(f"{ROLLOUT}{available} of {updated} updated replicas are available...")
    return HEALTHY


def _stateful_set(obj: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    if not status.get("observedGeneration") or not _is_observed(obj, status):
        return _progressing("Waiting for statefulset spec update to be observed...")
    want, ready = spec.get("replicas"), status.get("readyReplicas", 0)
    if want is not None and ready < want:
        return _progressing(f"Waiting for {want - ready} pods to be ready...")
    strategy = spec.get("updateStrategy") or {}
    rolling, updated = strategy.get("rollingUpdate"), status.get("updatedReplicas", 0)
    if strategy.get("type") == "RollingUpdate" and rolling is not None:
        due = (want or 0) - rolling.get("partition", want or 0)
        if updated < due:
            return _progressing(
                f"Waiting for partitioned roll out to finish: {updated} out of {due} new pods "
                "have been updated..."
            )
        return _healthy(f"partitioned roll out complete: {updated} new pods have been updated...")
    if strategy.get("type") == "OnDelete":
        return _healthy(f"statefulset has {ready} ready pods")
    revision, current = status.get("updateRevision", ""), status.get("currentRevision", "")
    if revision != current:
        return _progressing(
            f"waiting for statefulset rolling update to complete {updated} pods at revision "
            f"{revision}..."
        )
    count = status.get("currentReplicas", 0)
    return _healthy(f"statefulset rolling update complete {count} pods at revision {current}...")


def _daemon_set(obj: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    if not _is_observed(obj, status):
        return _progressing(f"{ROLLOUT}observed daemon set generation less than desired generation")
    updated, want = status.get("updatedNumberScheduled", 0), status.get("desiredNumberScheduled", 0)
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return _healthy(f"daemon set {updated} out of {want} new pods have been updated")
    begin = f'Waiting for daemon set "{obj["metadata"]["name"]}" rollout to finish: '
    if updated < want:
        return _progressing(f"{begin}{updated} out of {want} new pods have been updated...")
    available = status.get("numberAvailable", 0)
    if available < want:
        return _progressing(f"{begin}{available} of {want} updated pods are available...")
    return HEALTHY


def _replica_set(obj: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    if not _is_observed(obj, status):
        return _progressing(
            f"{ROLLOUT}observed replica set generation less than desired generation"
        )
    failure = _condition(status, "ReplicaFailure")
    if failure.get("status") == "True":
        return _degraded(str(failure.get("message", "")))
    want, available = spec.get("replicas"), status.get("availableReplicas", 0)
    if want is not None and available < want:
        return _progressing(f"{ROLLOUT}{available} out of {want} new replicas are available...")
    return HEALTHY


def _pod(_: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    message, phase = str(status.get("message", "")), status.get("phase", "")
    is_restarted = spec.get("restartPolicy", "Always") == "Always"
    containers = status.get("containerStatuses") or ()
    if is_restarted and (stuck := [w for c in containers if _is_stuck(w := _waiting(c))]):
        return _degraded(", ".join(str(w.get("message", "")) for w in stuck))
    if phase == "Pending":
        return _progressing(message)
    if phase == "Succeeded":
        return _healthy(message)
    if phase == "Failed":
        ended = (*(status.get("initContainerStatuses") or ()), *containers)
        return _degraded(message or next(filter(None, map(_failure, ended)), ""))
    if phase != "Running":
        return Health(HealthStatus.UNKNOWN, message)
    if not is_restarted:
        return _progressing(message)  # else a hook would be over before it is
    if _condition(status, "Ready").get("status") == "True":
        return _healthy(message)
    if any((c.get("lastState") or {}).get("terminated") for c in containers):
        return _degraded(message)
    return _progressing(message)


def _waiting(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return (container.get("state") or {}).get("waiting") or {}


def _is_stuck(waiting: Mapping[str, Any]) -> bool:
    reason = str(waiting.get("reason", ""))
    return reason.startswith("Err") or reason.endswith(("Error", "BackOff"))


def _failure(container: Mapping[str, Any]) -> str:
    ended = (container.get("state") or {}).get("terminated") or {}
    if ended.get("message"):
        return str(ended["message"])
    if ended.get("reason") == "OOMKilled":
        return "OOMKilled"
    code = ended.get("exitCode", 0)
    return f'container "{container.get("name")}" failed with exit code {code}' if code else ""


def _job(_: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    for kind, result in (("Failed", _degraded), ("Complete", _healthy)):
        found = _condition(status, kind)
        if found.get("status") == "True":
            return result(str(found.get("message", "")))
    suspended = _condition(status, "Suspended")
    if suspended.get("status") == "True" or spec.get("suspend"):
        return Health(HealthStatus.SUSPENDED, str(suspended.get("message", "")))
    return _progressing("")


def _claim(_: Object, __: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    phases = {"Bound": HEALTHY, "Pending": _progressing(""), "Lost": _degraded("")}
    return phases.get(status.get("phase", ""), Health(HealthStatus.UNKNOWN))


def _service(_: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    needs_address = spec.get("type") == "LoadBalancer"
    return _with_address(status) if needs_address else HEALTHY


def _ingress(_: Object, __: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    return _with_address(status)


def _with_address(status: Mapping[str, Any]) -> Health:
    return HEALTHY if (status.get("loadBalancer") or {}).get("ingress") else _progressing("")


ANNOTATED = "autoscaling.alpha.kubernetes.io/conditions"
SCALING_FAILED = {
    ("AbleToScale", "FailedGetScale"),
    ("AbleToScale", "FailedUpdateScale"),
    ("ScalingActive", "FailedComputeMetricsReplicas"),
    ("ScalingActive", "InvalidSelector"),
}


def _autoscaler(obj: Object, _: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    annotated = (obj["metadata"].get("annotations") or {}).get(ANNOTATED)
    conditions: Iterable[Mapping[str, Any]] = _conditions(status)
    if obj["apiVersion"] == "autoscaling/v1":  # this version has no place for conditions
        conditions = json.loads(annotated) if annotated else ()
    for condition in conditions:
        kind, reason = condition.get("type", ""), str(condition.get("reason", ""))
        is_metric = reason.startswith("FailedGet") and reason.endswith("Metric")
        if (kind, reason) in SCALING_FAILED or (kind == "ScalingActive" and is_metric):
            return _degraded(str(condition.get("message", "")))
        if kind in ("AbleToScale", "ScalingLimited") and condition.get("status") == "True":
            return _healthy(str(condition.get("message", "")))
    return _progressing("Waiting to Autoscale")


def _api_service(_: Object, __: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    available = _condition(status, "Available")
    if not available:
        return _progressing("Waiting to be processed")
    message = f"{available.get('reason')}: {available.get('message')}"
    return _healthy(message) if available.get("status") == "True" else _progressing(message)


def _cron_job(obj: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    if spec.get("suspend"):
        return _healthy("CronJob is Suspended")
    if obj.get("status") is None:
        return _progressing("Waiting for CronJob")
    scheduled, succeeded = status.get("lastScheduleTime"), status.get("lastSuccessfulTime")
    if scheduled is None:
        return _healthy("CronJob has not been scheduled yet")
    if succeeded is None:
        return _healthy("The CronJob never completed successfully. It may not be healthy")
    if status.get("active"):
        return _healthy("The job is running. Its last execution may not have been successful")
    if str(succeeded) < str(scheduled):
        return _degraded("CronJob has not completed its last execution successfully")
    return _healthy("CronJob has completed its last execution successfully")


def _definition(obj: Object, _: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    if "deletionTimestamp" in obj.get("metadata", {}):
        return _progressing("CRD is terminating")
    if not _conditions(status):
        return _progressing("Status conditions not found")
    is_established = False
    for condition in _conditions(status):
        kind, is_true = condition.get("type"), condition.get("status") == "True"
        message = condition.get("message", "")
        if kind == "Terminating" and is_true:
            return _progressing(f"CRD is terminating: {message}")
        if kind == "NamesAccepted" and condition.get("status") == "False":
            return _degraded(f"CRD names have not been accepted: {message}")
        if kind == "NonStructuralSchema" and is_true:
            return _degraded(f"Schema violations found: {message}")
        if kind == "Established":
            if not is_true and condition.get("reason") == "Installing":
                return _progressing("CRD is being installed")
            is_established = is_true
    return _healthy("CRD is healthy") if is_established else _degraded("CRD is not established")


def _budget(_: Object, __: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    health = _progressing("Waiting for status")
    for condition in _conditions(status):
        reason = condition.get("reason", "")
        if condition.get("status") == "False" and reason != "InsufficientPods":
            return _degraded(f"PodDisruptionBudget has {reason}")
        health = _healthy(f"PodDisruptionBudget has {reason}")
    return health


def _application_set(_: Object, __: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
    for kind, wanted, result in (
        ("ErrorOccurred", "True", _degraded),
        ("ResourcesUpToDate", "False", _degraded),
        ("RolloutProgressing", "True", _progressing),
        ("ResourcesUpToDate", "True", _healthy),
    ):
        found = _condition(status, kind)
        if found.get("status") == wanted:
            return result(str(found.get("message", "")))
    return _progressing("Waiting for the status to be reported")


def _flux(*others: str) -> Rule:
    """A rule for a kind of Flux.

    Args:
        others: conditions of which one must be True besides Ready.
    """

    def rule(obj: Object, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Health:
        if spec.get("suspend"):
            return Health(HealthStatus.SUSPENDED, f"{obj['kind']} is suspended")
        if not _conditions(status):
            return _progressing("Status unknown")
        ready = _condition(status, "Ready")
        message = str(ready.get("reason", ""))
        outdated = _condition(status, "ArtifactOutdated")
        if obj["kind"] == "GitRepository" and outdated.get("status") == "True":
            message = f"{message} {outdated.get('reason', '')}"
        is_reconciling = _condition(status, "Reconciling").get("status") == "True"
        if ready.get("status") == "Unknown" and is_reconciling:
            return _progressing(message)
        fulfilled = [name for name in others if _condition(status, name).get("status") == "True"]
        is_healthy = ready.get("status") == "True" and len(fulfilled) == min(len(others), 1)
        return _healthy(message) if is_healthy else _degraded(message)

    return rule


CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")

RULES: dict[tuple[str, str], Rule] = {
    CRD: _definition,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("argoproj.io", "ApplicationSet"): _application_set,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("batch", "CronJob"): _cron_job,
    ("batch", "Job"): _job,
    ("extensions", "Ingress"): _ingress,
    ("helm.toolkit.fluxcd.io", "HelmRelease"): _flux("Released", "TestSuccess"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): _flux(),
    ("networking.k8s.io", "Ingress"): _ingress,
    ("policy", "PodDisruptionBudget"): _budget,
    ("source.toolkit.fluxcd.io", "GitRepository"): _flux("ArtifactInStorage"),
}
