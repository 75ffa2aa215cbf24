"""What an object uses up of a ResourceQuota: numbers of objects, computing power, storage.

Source: pkg/quota/v1/evaluator/core and apiserver `pkg/quota/v1` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from kubesim.admission import pod_resources
from kubesim.admission.pod_defaults import qos_class
from kubesim.model import Object
from kubesim.quantity import Quantity
from kubesim.selectors import label_selector

Amounts = dict[str, Quantity]

CLASS = ".storageclass.storage.k8s.io/"
"""Stands between a StorageClass and what is limited of it, as in `fast.storageclass…/requests`."""

PODS, SERVICES, CLAIMS = ("", "pods"), ("", "services"), ("", "persistentvolumeclaims")

_COUNTED = ("configmaps", "replicationcontrollers", "resourcequotas", "secrets")
_SERVICE_NAMES = ("services", "services.loadbalancers", "services.nodeports")
_CLAIM_NAMES = ("persistentvolumeclaims", "requests.storage")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_HUGEPAGES = "hugepages-"
_DEMANDED = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
_ONE = Quantity(Decimal(1))


def measured(name: str) -> tuple[str, str] | None:
    """Group and plural of the resource whose objects use up what a quota calls by this name."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return group, plural
    if name in _COUNTED:
        return "", name
    if name in _SERVICE_NAMES:
        return SERVICES
    if name in _CLAIM_NAMES or name.endswith(tuple(CLASS + each for each in _CLAIM_NAMES)):
        return CLAIMS
    plain = name.removeprefix("requests.").removeprefix("limits.")
    is_device = name.startswith("requests.") and "/" in name
    if name == "pods" or plain in _COMPUTE or plain.startswith(_HUGEPAGES) or is_device:
        return PODS
    return None


def usage(resource: tuple[str, str], obj: Object) -> Amounts:
    """What an object uses up.

    Args:
        resource: group and plural of its resource.
        obj: the object.
    """
    group, plural = resource
    used = {f"count/{plural}.{group}" if group else f"count/{plural}": _ONE}
    if not group and plural in _COUNTED:
        used[plural] = _ONE
    measure = _MEASURES.get(resource)
    return used | measure(obj) if measure else used


def matches(quota: Object, resource: tuple[str, str], obj: Object) -> bool:
    """Whether an object is one of those that a quota's scopes mean; without scopes all are."""
    spec = quota["spec"]
    requirements = [{"scopeName": each, "operator": "Exists"} for each in spec.get("scopes") or ()]
    requirements += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    scope = _SCOPES.get(resource)
    return all(scope is not None and scope(each, obj) for each in requirements)


def missing(pod: Object, names: Iterable[str]) -> str:
    """What containers must say because a quota limits it, as in `limits.cpu for: web`; or nothing.

    Args:
        pod: the pod.
        names: what the quota limits.
    """
    spec = pod["spec"]
    whole = _compute({}, spec)
    silent: dict[str, list[str]] = {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        said = _compute(whole, container)
        for name in sorted(set(names) & set(_DEMANDED)):
            if name not in said:
                silent.setdefault(name, []).append(container["name"])
    return "; ".join(f"{name} for: {','.join(sorted(silent[name]))}" for name in sorted(silent))


def _pod(pod: Object) -> Amounts:
    # A pod that has ended is still an object, but uses nothing.
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {}
    requests, limits = (
        pod_resources.total(pod["spec"], kind, Quantity.of) for kind in ("requests", "limits")
    )
    return {"pods": _ONE, **_named(requests, limits)}


def _named(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> Amounts:
    """Amounts under the names that quotas have for them."""
    named: Amounts = {}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith(_HUGEPAGES):
            named[name] = amount
        named[f"requests.{name}"] = amount
    for name, amount in limits.items():
        if name in _COMPUTE:
            named[f"limits.{name}"] = amount
    return named


def _compute(more: Amounts, of: Mapping[str, Any]) -> Amounts:
    resources = of.get("resources") or {}
    requests, limits = (
        {name: Quantity.of(amount) for name, amount in (resources.get(kind) or {}).items()}
        for kind in ("requests", "limits")
    )
    return {**more, **_named(requests, limits)}


def _service(service: Object) -> Amounts:
    spec = service["spec"]
    kind, ports = spec.get("type"), spec.get("ports") or ()
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        on_nodes = sum(1 for port in ports if port.get("nodePort"))
    else:
        on_nodes = len(ports) if kind in ("NodePort", "LoadBalancer") else 0
    return {
        "services": _ONE,
        "services.loadbalancers": Quantity(Decimal(kind == "LoadBalancer")),
        "services.nodeports": Quantity(Decimal(on_nodes)),
    }


def _claim(claim: Object) -> Amounts:
    spec = claim["spec"]
    used = {"persistentvolumeclaims": _ONE}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is not None:
        given = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage", "0")
        used["requests.storage"] = max(Quantity.of(asked), Quantity.of(given))
    name = spec.get("storageClassName")
    if name:
        used |= {f"{name}{CLASS}{what}": amount for what, amount in used.items()}
    return used


_MEASURES: dict[tuple[str, str], Callable[[Object], Amounts]] = {
    PODS: _pod,
    SERVICES: _service,
    CLAIMS: _claim,
}


def _is_pod_of(requirement: Mapping[str, Any], pod: Object) -> bool:
    """Whether a pod is in a scope."""
    name, spec = requirement["scopeName"], pod["spec"]
    if name in ("Terminating", "NotTerminating"):
        return bool(("activeDeadlineSeconds" in spec) == (name == "Terminating"))
    if name in ("BestEffort", "NotBestEffort"):
        return bool((qos_class(spec) == "BestEffort") == (name == "BestEffort"))
    if name == "PriorityClass":
        return _selects(requirement, spec.get("priorityClassName", ""))
    return name == "CrossNamespacePodAffinity" and _looks_abroad(spec)


def _is_claim_of(requirement: Mapping[str, Any], claim: Object) -> bool:
    if requirement["scopeName"] != "VolumeAttributesClass":
        return False
    return _selects(requirement, claim["spec"].get("volumeAttributesClassName", ""))


_SCOPES: dict[tuple[str, str], Callable[[Mapping[str, Any], Object], bool]] = {
    PODS: _is_pod_of,
    CLAIMS: _is_claim_of,
}


def _selects(requirement: Mapping[str, Any], value: str) -> bool:
    name = requirement["scopeName"]
    expression = {**requirement, "key": name}
    return label_selector({"matchExpressions": [expression]})({name: value} if value else {})


def _looks_abroad(spec: Object) -> bool:
    """Whether a pod's affinity is to pods of other namespaces."""
    affinity = spec.get("affinity") or {}
    terms: list[Any] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        own = affinity.get(kind) or {}
        terms += own.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [
            each["podAffinityTerm"]
            for each in own.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ]
    return any(term.get("namespaces") or "namespaceSelector" in term for term in terms)
