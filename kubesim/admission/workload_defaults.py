"""The defaults of what runs pods, and of what scales it.

Source: pkg/apis/{apps,batch,core}/v1/defaults.go and pkg/apis/autoscaling/{v1,v2}/defaults.go,
Kubernetes 1.37.
"""

from __future__ import annotations

from typing import Any

from kubesim.admission.fill import (
    Kind,
    Rule,
    always,
    by,
    chain,
    drop,
    each,
    fill,
    in_spec,
    with_status,
    within,
)
from kubesim.admission.pod_defaults import pod, pod_template, volume_claim_spec
from kubesim.model import Object


def _rolling(defaults: dict[str, Any]) -> Rule:
    """A strategy that rolls unless it says otherwise, and how far it goes at a time."""

    def strategy(own: Object) -> Object:
        own = fill(own, {"type": "RollingUpdate"})
        return always(own, "rollingUpdate", by(defaults)) if own["type"] == "RollingUpdate" else own

    return strategy


_deployment_strategy = _rolling({"maxUnavailable": "25%", "maxSurge": "25%"})
_daemon_set_strategy = _rolling({"maxUnavailable": 1, "maxSurge": 0})
_DEPLOYMENT = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
_STATEFUL_SET = {
    "replicas": 1,
    "revisionHistoryLimit": 10,
    "podManagementPolicy": "OrderedReady",
}
_RETAIN = {"whenDeleted": "Retain", "whenScaled": "Retain"}


def _deployment_spec(spec: Object) -> Object:
    spec = fill(spec, _DEPLOYMENT)
    spec = always(spec, "strategy", _deployment_strategy)
    return always(spec, "template", pod_template)


def _daemon_set_spec(spec: Object) -> Object:
    spec = fill(spec, {"revisionHistoryLimit": 10})
    spec = always(spec, "updateStrategy", _daemon_set_strategy)
    return always(spec, "template", pod_template)


def _replica_set_spec(spec: Object) -> Object:
    return within(fill(spec, {"replicas": 1}), "template", pod_template)


def _stateful_set_strategy(own: Object) -> Object:
    if not own.get("type"):
        own = fill(own, {"type": "RollingUpdate", "rollingUpdate": {}})
    if own["type"] != "RollingUpdate":
        return own
    return within(own, "rollingUpdate", by({"partition": 0, "maxUnavailable": 1}))


_claim = chain(
    by({"apiVersion": "v1", "kind": "PersistentVolumeClaim"}),
    in_spec(volume_claim_spec),
    with_status(phase="Pending"),
)


def _stateful_set_spec(spec: Object) -> Object:
    spec = fill(spec, _STATEFUL_SET)
    spec = always(spec, "persistentVolumeClaimRetentionPolicy", by(_RETAIN))
    spec = always(spec, "updateStrategy", _stateful_set_strategy)
    spec = each(spec, "volumeClaimTemplates", _claim)
    return always(spec, "template", pod_template)


_JOB = {
    "completionMode": "NonIndexed",
    "suspend": False,
    "manualSelector": False,
}


def _job_spec(spec: Object) -> Object:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec = {**spec, "completions": 1}
    per_index = spec.get("backoffLimitPerIndex") is not None
    replace = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    spec = fill(
        spec,
        {
            **_JOB,
            "parallelism": 1,
            "backoffLimit": 2**31 - 1 if per_index else 6,
            "podReplacementPolicy": replace,
        },
    )
    return _job_template_spec(spec)


def _job_template_spec(spec: Object) -> Object:
    """What a CronJob's template of a Job has in common with a Job."""
    spec = within(spec, "podFailurePolicy", lambda policy: each(policy, "rules", _failure_rule))
    return always(spec, "template", pod_template)


def _failure_rule(rule: Object) -> Object:
    return each(rule, "onPodConditions", by({"status": "True"}))


def _job_labels(obj: Object) -> Object:
    labels = obj.get("spec", {}).get("template", {}).get("metadata", {}).get("labels")
    return _labels(obj, labels) if labels else obj


def job_selector(job: Object) -> Object:
    """A new Job with the selector and the pod labels that make its pods its own.

    They are made of its uid and its name, so a Job that has none yet is left as it is.
    Source: pkg/registry/batch/job/strategy.go, generateSelector.
    """
    uid, name = (job.get("metadata", {}).get(field) for field in ("uid", "name"))
    spec = job.get("spec", {})
    if not uid or not name or spec.get("manualSelector"):
        return job
    prefix = "batch.kubernetes.io/"
    labels = {
        "controller-uid": uid,
        "job-name": name,
        f"{prefix}controller-uid": uid,
        f"{prefix}job-name": name,
    }
    own = f"{prefix}controller-uid"
    asked = spec.get("selector") or {}
    selector = {**asked, "matchLabels": {own: uid, **asked.get("matchLabels", {})}}
    template = always(
        spec.get("template", {}),
        "metadata",
        lambda meta: always(meta, "labels", lambda given: {**labels, **given}),
    )
    filled = {**spec, "selector": selector, "template": template}
    return job if filled == spec else {**job, "spec": filled}


_CRON_JOB = {
    "concurrencyPolicy": "Allow",
    "suspend": False,
    "successfulJobsHistoryLimit": 3,
    "failedJobsHistoryLimit": 1,
}


def _cron_job_spec(spec: Object) -> Object:
    spec = fill(spec, _CRON_JOB)
    return always(
        spec, "jobTemplate", lambda template: always(template, "spec", _job_template_spec)
    )


# Autoscaling


_CPU_80 = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
_SCALE_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


def _autoscaler_spec(spec: Object) -> Object:
    spec = fill(spec, {"minReplicas": 1})
    if not spec.get("metrics"):
        spec = {**drop(spec, "metrics"), **fill({}, {"metrics": [_CPU_80]})}
    return within(spec, "behavior", _behavior)


def _behavior(behavior: Object) -> Object:
    return always(always(behavior, "scaleUp", by(_SCALE_UP)), "scaleDown", by(_SCALE_DOWN))


def _autoscaler_v1(obj: Object) -> Object:
    annotations = obj.get("metadata", {}).get("annotations", {})
    obj = always(obj, "spec", by({"minReplicas": 1}))
    if "autoscaling.alpha.kubernetes.io/metrics" in annotations:
        return obj  # metrics of other kinds, which v1 can only carry as an annotation
    return always(obj, "spec", by({"targetCPUUtilizationPercentage": 80}))


def _replication_controller(obj: Object) -> Object:
    labels = obj.get("spec", {}).get("template", {}).get("metadata", {}).get("labels")
    if labels:
        obj = always(
            obj,
            "spec",
            lambda spec: spec if spec.get("selector") else {**spec, "selector": dict(labels)},
        )
        obj = _labels(obj, labels)
    return obj


def _labels(obj: Object, labels: Object) -> Object:
    """Labels for an object that has none."""
    return always(
        obj,
        "metadata",
        lambda meta: meta if meta.get("labels") else {**meta, "labels": dict(labels)},
    )


RULES: dict[Kind, Rule] = {
    ("v1", "Pod"): pod,
    ("v1", "PodTemplate"): lambda obj: always(obj, "template", pod_template),
    ("v1", "ReplicationController"): chain(_replication_controller, in_spec(_replica_set_spec)),
    ("apps/v1", "DaemonSet"): in_spec(_daemon_set_spec),
    ("apps/v1", "Deployment"): in_spec(_deployment_spec),
    ("apps/v1", "ReplicaSet"): in_spec(_replica_set_spec),
    ("apps/v1", "StatefulSet"): in_spec(_stateful_set_spec),
    ("autoscaling/v1", "HorizontalPodAutoscaler"): _autoscaler_v1,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): in_spec(_autoscaler_spec),
    ("batch/v1", "CronJob"): in_spec(_cron_job_spec),
    ("batch/v1", "Job"): chain(_job_labels, in_spec(_job_spec)),
}
"""What is filled in, by API version and kind."""

ON_CREATE: dict[Kind, Rule] = {("batch/v1", "Job"): chain(_job_labels, job_selector)}
"""What is filled in once, when an object is new."""
