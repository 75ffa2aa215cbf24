"""API defaulting: what an object says where its author said nothing.

Source: pkg/apis/*/v1/defaults.go and the `+default` marks in k8s.io/api, Kubernetes 1.37, with its
default feature gates. Fields that are always written, empty or zero (`resources: {}`, `replicas: 0`
in a status), are no defaults: the decoder puts them there (see `field_kinds`).

Defaults are the reason why a GitOps tool cannot compare Git with the cluster field by field: half
of what the cluster holds never stood in Git.
"""

from __future__ import annotations

import base64
from typing import cast

from kubesim.admission import service_defaults, structural, workload_defaults
from kubesim.admission.fill import (
    Kind,
    Rule,
    always,
    by,
    chain,
    drop,
    each,
    fill,
    fill_zero,
    in_spec,
    put,
    with_status,
    within,
)
from kubesim.admission.pod_defaults import persistent_sources, volume_claim_spec
from kubesim.model import Object
from kubesim.resources import Resource


def default(obj: Object, resource: Resource, *, old: Object | None = None) -> Object:
    """The object with its defaults; the object itself if it is complete.

    Pure and idempotent. The first status of an object (a pod's `phase: Pending`) is among the
    defaults, so a status that must be reset has to be reset before.

    Args:
        obj: an object that has been decoded (see `schema.decode`).
        resource: what it is sent to.
        old: the object as stored, if this is no create: some defaults are for new objects only,
            and a Service keeps the addresses and ports that it was given.
    """
    if resource.schema is not None:
        return cast(Object, structural.defaulted(obj, resource.schema))
    kind = resource.api_version, resource.kind
    if old is not None and kind == service_defaults.SERVICE:
        obj = service_defaults.carry_over(obj, old)
    rule = RULES.get(kind)
    return obj if rule is None else rule(obj)


def prepared(obj: Object, resource: Resource) -> Object:
    """A new object with what its strategy makes up, such as the selector of a Job.

    That is not a default: it is added later, and no field manager owns it.
    """
    kind = resource.api_version, resource.kind
    first = None if resource.is_custom else ON_CREATE.get(kind)
    return obj if first is None else default(first(obj), resource)


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
    usual = {**_MATCH, "failurePolicy": "Fail", "timeoutSeconds": 10, **more}

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

RULES: dict[Kind, Rule] = {
    **workload_defaults.RULES,
    **service_defaults.RULES,
    ("v1", "Endpoints"): lambda obj: each(obj, "subsets", _endpoints),
    ("v1", "LimitRange"): in_spec(lambda spec: each(spec, "limits", _limit)),
    ("v1", "Namespace"): chain(_namespace, with_status(phase="Active")),
    ("v1", "Node"): _node_status,
    ("v1", "PersistentVolume"): chain(in_spec(_volume_spec), with_status(phase="Pending")),
    ("v1", "PersistentVolumeClaim"): chain(
        in_spec(volume_claim_spec), with_status(phase="Pending")
    ),
    ("v1", "Secret"): _secret,
    (_REGISTRATION, "MutatingAdmissionPolicy"): in_spec(_admission_policy_spec),
    (_REGISTRATION, "MutatingAdmissionPolicyBinding"): in_spec(_admission_binding_spec),
    (_REGISTRATION, "MutatingWebhookConfiguration"): lambda obj: each(
        obj, "webhooks", _webhook(reinvocationPolicy="Never")
    ),
    (_REGISTRATION, "ValidatingAdmissionPolicy"): in_spec(_admission_policy_spec),
    (_REGISTRATION, "ValidatingAdmissionPolicyBinding"): in_spec(_admission_binding_spec),
    (_REGISTRATION, "ValidatingWebhookConfiguration"): lambda obj: each(
        obj, "webhooks", _webhook()
    ),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): in_spec(_crd_spec),
    ("apiregistration.k8s.io/v1", "APIService"): in_spec(_client),
    ("discovery.k8s.io/v1", "EndpointSlice"): _endpoint_slice,
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): in_spec(
        lambda spec: fill_zero(spec, {"matchingPrecedence": 1000})
    ),
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration"): in_spec(
        _priority_level_spec
    ),
    ("networking.k8s.io/v1", "IngressClass"): in_spec(_ingress_class_spec),
    ("networking.k8s.io/v1", "NetworkPolicy"): in_spec(_network_policy_spec),
    (f"{_RBAC}/v1", "ClusterRoleBinding"): _binding,
    (f"{_RBAC}/v1", "RoleBinding"): _binding,
    ("resource.k8s.io/v1", "ResourceClaim"): in_spec(_claim_devices),
    ("resource.k8s.io/v1", "ResourceClaimTemplate"): in_spec(
        lambda spec: within(spec, "spec", _claim_devices)
    ),
    ("scheduling.k8s.io/v1", "PriorityClass"): by({"preemptionPolicy": "PreemptLowerPriority"}),
    ("storage.k8s.io/v1", "CSIDriver"): in_spec(by(_CSI_DRIVER)),
    ("storage.k8s.io/v1", "StorageClass"): by(
        {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
    ),
}
"""What is filled in, by API version and kind. Kinds without an entry have no defaults."""

ON_CREATE: dict[Kind, Rule] = {
    ("v1", "Namespace"): in_spec(by({"finalizers": ["kubernetes"]})),
    **workload_defaults.ON_CREATE,
}
"""What is filled in once, when an object is new."""
