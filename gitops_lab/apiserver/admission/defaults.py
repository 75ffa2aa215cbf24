"""API defaulting: what an object says where its author said nothing.

Source: pkg/apis/*/v1/defaults.go and the `+default` marks in k8s.io/api, Kubernetes 1.37, with its
default feature gates. Fields that the real server always writes, empty or zero (`resources: {}`,
`replicas: 0` in a status), are written here too, since people and tools see them.

Defaults are the reason why a GitOps tool cannot compare Git with the cluster field by field: half
of what the cluster holds never stood in Git.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from gitops_lab.apiserver.admission.fill import (
    Rule,
    always,
    by,
    drop,
    each,
    fill,
    put,
    within,
)
from gitops_lab.apiserver.admission.pod_defaults import (
    persistent_sources,
    pod,
    pod_template,
    volume_claim_spec,
)
from gitops_lab.apiserver.resources import Resource
from gitops_lab.model import Object


def default(obj: Object, resource: Resource, *, old: Object | None = None) -> Object:
    """The object with its defaults; the object itself if it is complete.

    Pure and idempotent. The first status of an object (a pod's `phase: Pending`) is among the
    defaults, so a status that must be reset has to be reset before.

    Args:
        obj: an object that has been decoded (see `schema.decode`).
        resource: what it is sent to.
        old: the object as stored, if this is no create; some defaults are for new objects only.
    """
    if old is None:
        first = _ON_CREATE.get((resource.api_version, resource.kind))
        if first is not None:
            obj = first(obj)
    rule = _RULES.get((resource.api_version, resource.kind))
    return obj if rule is None else rule(obj)


# Building blocks


def _spec(rule: Rule) -> Rule:
    """The rule for an object that applies a rule to its spec."""
    return lambda obj: always(obj, "spec", rule)


def _chain(*rules: Rule) -> Rule:
    """Rules one after the other."""

    def apply(obj: Object) -> Object:
        for rule in rules:
            obj = rule(obj)
        return obj

    return apply


def _status(**zeros: Any) -> Rule:
    """The rule that writes a status, with the counters that are written even if they are zero."""
    rule = by(zeros)
    return lambda obj: always(obj, "status", rule)


# Core


def _namespace(obj: Object) -> Object:
    name = obj.get("metadata", {}).get("name")
    if not name:  # generateName: the name comes later, and the label with it
        return obj
    label = "kubernetes.io/metadata.name"
    return within(
        obj, "metadata", lambda meta: always(meta, "labels", lambda own: put(own, label, name))
    )


def _secret(obj: Object) -> Object:
    obj = fill(obj, {"type": "Opaque"})
    if "stringData" not in obj:
        return obj
    plain = {
        key: base64.b64encode(text.encode()).decode() for key, text in obj["stringData"].items()
    }
    data = {**obj.get("data", {}), **plain}
    return {**drop(obj, "stringData"), **({"data": data} if data else {})}


def _service_port(port: Object) -> Object:
    port = fill(port, {"protocol": "TCP"})
    # 0 and "" are how a Go client leaves the target port out.
    return (
        port
        if port.get("targetPort") or "port" not in port
        else {
            **port,
            "targetPort": port["port"],
        }
    )


def _service_spec(spec: Object) -> Object:
    spec = fill(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    spec = each(spec, "ports", _service_port)
    if spec["sessionAffinity"] == "None":
        spec = drop(spec, "sessionAffinityConfig")
    elif spec["sessionAffinity"] == "ClientIP":
        seconds = {"timeoutSeconds": 10800}
        spec = always(
            spec, "sessionAffinityConfig", lambda own: always(own, "clientIP", by(seconds))
        )
    kind = spec["type"]
    if kind in ("NodePort", "LoadBalancer") or spec.get("externalIPs"):
        spec = fill(spec, {"externalTrafficPolicy": "Cluster"})
    if kind == "LoadBalancer":
        spec = fill(spec, {"allocateLoadBalancerNodePorts": True})
    if kind == "ExternalName":
        return spec
    spec = fill(spec, {"internalTrafficPolicy": "Cluster"})
    if spec.get("clusterIP"):
        spec = fill(spec, {"clusterIPs": [spec["clusterIP"]]})
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        # Whoever fills in such a Service's endpoints may do so in either family.
        return fill(spec, {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"})
    return fill(spec, {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})


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


def _limit(limit: Object) -> Object:
    if limit.get("type") != "Container":
        return limit
    if limit.get("max") or limit.get("default"):
        limit = always(limit, "default", by(limit.get("max", {})))
    usual = {**limit.get("min", {}), **limit.get("default", {})}
    return always(limit, "defaultRequest", by(usual)) if usual else limit


def _endpoints(subset: Object) -> Object:
    return each(subset, "ports", by({"protocol": "TCP"}))


def _volume_spec(spec: Object) -> Object:
    spec = fill(spec, {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})
    for source, rule in persistent_sources.items():
        if source in spec:
            spec = within(spec, source, rule)
    return spec


def _node_status(obj: Object) -> Object:
    status = obj.get("status", {})
    if "capacity" not in status or "allocatable" in status:
        return obj
    return {**obj, "status": {**status, "allocatable": dict(status["capacity"])}}


# Workloads


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
    return always(fill(spec, {"replicas": 1}), "template", pod_template)


def _stateful_set_strategy(own: Object) -> Object:
    if not own.get("type"):
        own = fill(own, {"type": "RollingUpdate", "rollingUpdate": {}})
    if own["type"] != "RollingUpdate":
        return own
    return within(own, "rollingUpdate", by({"partition": 0, "maxUnavailable": 1}))


_claim = _chain(
    by({"apiVersion": "v1", "kind": "PersistentVolumeClaim"}),
    _spec(volume_claim_spec),
    _status(phase="Pending"),
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
    if not uid or not name or spec.get("manualSelector") or spec.get("selector"):
        return job
    prefix = "batch.kubernetes.io/"
    labels = {
        "controller-uid": uid,
        "job-name": name,
        f"{prefix}controller-uid": uid,
        f"{prefix}job-name": name,
    }
    selector = {"matchLabels": {f"{prefix}controller-uid": uid}}
    template = always(
        spec.get("template", {}),
        "metadata",
        lambda meta: always(meta, "labels", lambda own: {**own, **labels}),
    )
    return {**job, "spec": {**spec, "selector": selector, "template": template}}


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


# Networking


def _network_policy_spec(spec: Object) -> Object:
    spec = fill(spec, {"podSelector": {}})
    port = by({"protocol": "TCP"})
    spec = each(spec, "ingress", lambda rule: each(rule, "ports", port))
    spec = each(spec, "egress", lambda rule: each(rule, "ports", port))
    if not spec.get("policyTypes"):
        types = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        spec = {**spec, "policyTypes": types}
    return spec


def _ingress_class_spec(spec: Object) -> Object:
    return within(spec, "parameters", by({"scope": "Cluster"}))


def _endpoint_slice(obj: Object) -> Object:
    obj = each(obj, "endpoints", by({"conditions": {}}))
    return each(obj, "ports", by({"name": "", "protocol": "TCP"}))


# Access


_RBAC = "rbac.authorization.k8s.io"


def _subject(subject: Object) -> Object:
    group = {"apiGroup": _RBAC}
    return fill(subject, group) if subject.get("kind") in ("User", "Group") else subject


def _binding(obj: Object) -> Object:
    return each(within(obj, "roleRef", by({"apiGroup": _RBAC})), "subjects", _subject)


# Extensions


_MATCH = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
_scope = by({"scope": "*"})


def _match_resources(match: Object) -> Object:
    match = fill(match, _MATCH)
    return each(each(match, "resourceRules", _scope), "excludeResourceRules", _scope)


def _client(config: Object) -> Object:
    return within(config, "service", by({"port": 443}))


def _webhook(**more: str) -> Rule:
    usual = {**_MATCH, "failurePolicy": "Fail", "timeoutSeconds": 30, **more}

    def rule(webhook: Object) -> Object:
        webhook = fill(webhook, usual)
        return each(within(webhook, "clientConfig", _client), "rules", _scope)

    return rule


def _admission_policy_spec(spec: Object) -> Object:
    return within(fill(spec, {"failurePolicy": "Fail"}), "matchConstraints", _match_resources)


def _admission_binding_spec(spec: Object) -> Object:
    return within(spec, "matchResources", _match_resources)


def _crd_names(names: Object) -> Object:
    kind = names.get("kind", "")
    return fill(names, {"singular": kind.lower(), "listKind": f"{kind}List"}) if kind else names


def _crd_spec(spec: Object) -> Object:
    spec = always(spec, "names", _crd_names)
    spec = fill(spec, {"conversion": {"strategy": "None"}})
    return within(
        spec,
        "conversion",
        lambda own: within(own, "webhook", lambda hook: within(hook, "clientConfig", _client)),
    )


def _device_request(request: Object) -> Object:
    request = fill(request, {"allocationMode": "ExactCount"})
    return fill(request, {"count": 1}) if request["allocationMode"] == "ExactCount" else request


def _claim_devices(spec: Object) -> Object:
    def one(request: Object) -> Object:
        request = within(request, "exactly", _device_request)
        return each(request, "firstAvailable", _device_request)

    return within(spec, "devices", lambda devices: each(devices, "requests", one))


_CSI_DRIVER = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "volumeLifecycleModes": ["Persistent"],
    "requiresRepublish": False,
    "seLinuxMount": False,
}

_QUEUING = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}


def _priority_level_spec(spec: Object) -> Object:
    def response(own: Object) -> Object:
        return within(own, "queuing", by(_QUEUING))

    def limited(own: Object) -> Object:
        own = fill(own, {"nominalConcurrencyShares": 30, "lendablePercent": 0})
        return within(own, "limitResponse", response)

    spec = within(spec, "limited", limited)
    return within(spec, "exempt", by({"nominalConcurrencyShares": 0, "lendablePercent": 0}))


_REGISTRATION = "admissionregistration.k8s.io/v1"

_RULES: dict[tuple[str, str], Callable[[Object], Object]] = {
    ("v1", "Endpoints"): lambda obj: each(obj, "subsets", _endpoints),
    ("v1", "LimitRange"): _spec(lambda spec: each(spec, "limits", _limit)),
    ("v1", "Namespace"): _chain(_namespace, _status(phase="Active")),
    ("v1", "Node"): _node_status,
    ("v1", "PersistentVolume"): _chain(_spec(_volume_spec), _status(phase="Pending")),
    ("v1", "PersistentVolumeClaim"): _chain(_spec(volume_claim_spec), _status(phase="Pending")),
    ("v1", "Pod"): pod,
    ("v1", "PodTemplate"): lambda obj: always(obj, "template", pod_template),
    ("v1", "ReplicationController"): _chain(
        _replication_controller, _spec(_replica_set_spec), _status(replicas=0)
    ),
    ("v1", "ResourceQuota"): _status(),
    ("v1", "Secret"): _secret,
    ("v1", "Service"): _chain(_spec(_service_spec), _status(loadBalancer={})),
    (_REGISTRATION, "MutatingAdmissionPolicy"): _spec(_admission_policy_spec),
    (_REGISTRATION, "MutatingAdmissionPolicyBinding"): _spec(_admission_binding_spec),
    (_REGISTRATION, "MutatingWebhookConfiguration"): lambda obj: each(
        obj, "webhooks", _webhook(reinvocationPolicy="Never")
    ),
    (_REGISTRATION, "ValidatingAdmissionPolicy"): _chain(_spec(_admission_policy_spec), _status()),
    (_REGISTRATION, "ValidatingAdmissionPolicyBinding"): _spec(_admission_binding_spec),
    (_REGISTRATION, "ValidatingWebhookConfiguration"): lambda obj: each(
        obj, "webhooks", _webhook()
    ),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): _spec(_crd_spec),
    ("apiregistration.k8s.io/v1", "APIService"): _spec(_client),
    ("apps/v1", "DaemonSet"): _chain(
        _spec(_daemon_set_spec),
        _status(
            currentNumberScheduled=0, numberMisscheduled=0, desiredNumberScheduled=0, numberReady=0
        ),
    ),
    ("apps/v1", "Deployment"): _chain(_spec(_deployment_spec), _status()),
    ("apps/v1", "ReplicaSet"): _chain(_spec(_replica_set_spec), _status(replicas=0)),
    ("apps/v1", "StatefulSet"): _chain(
        _spec(_stateful_set_spec), _status(replicas=0, availableReplicas=0)
    ),
    ("autoscaling/v1", "HorizontalPodAutoscaler"): _chain(
        _autoscaler_v1, _status(currentReplicas=0, desiredReplicas=0)
    ),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): _chain(
        _spec(_autoscaler_spec), _status(desiredReplicas=0)
    ),
    ("batch/v1", "CronJob"): _chain(_spec(_cron_job_spec), _status()),
    ("batch/v1", "Job"): _chain(_job_labels, _spec(_job_spec), _status()),
    ("discovery.k8s.io/v1", "EndpointSlice"): _endpoint_slice,
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): _chain(
        _spec(by({"matchingPrecedence": 1000})), _status()
    ),
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration"): _chain(
        _spec(_priority_level_spec), _status()
    ),
    ("networking.k8s.io/v1", "Ingress"): _status(loadBalancer={}),
    ("networking.k8s.io/v1", "IngressClass"): _spec(_ingress_class_spec),
    ("networking.k8s.io/v1", "NetworkPolicy"): _spec(_network_policy_spec),
    ("policy/v1", "PodDisruptionBudget"): _status(
        disruptionsAllowed=0, currentHealthy=0, desiredHealthy=0, expectedPods=0
    ),
    (f"{_RBAC}/v1", "ClusterRoleBinding"): _binding,
    (f"{_RBAC}/v1", "RoleBinding"): _binding,
    ("resource.k8s.io/v1", "ResourceClaim"): _chain(_spec(_claim_devices), _status()),
    ("resource.k8s.io/v1", "ResourceClaimTemplate"): _spec(
        lambda spec: within(spec, "spec", _claim_devices)
    ),
    ("scheduling.k8s.io/v1", "PriorityClass"): by({"preemptionPolicy": "PreemptLowerPriority"}),
    ("storage.k8s.io/v1", "CSIDriver"): _spec(by(_CSI_DRIVER)),
    ("storage.k8s.io/v1", "StorageClass"): by(
        {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
    ),
}
"""What is filled in, by API version and kind. Kinds that are not here have no defaults."""

_ON_CREATE: dict[tuple[str, str], Rule] = {
    ("v1", "Namespace"): _spec(by({"finalizers": ["kubernetes"]})),
    ("batch/v1", "Job"): _chain(_job_labels, job_selector),
}
"""What is filled in once, when an object is new."""
