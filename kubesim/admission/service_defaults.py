"""The defaults of Services, and what a Service keeps when it is written again.

Source: pkg/apis/core/v1/defaults.go and pkg/registry/core/service/storage, Kubernetes 1.37, for a
cluster that has IPv4 addresses only.
"""

from __future__ import annotations

from kubesim.admission.fill import (
    Kind,
    Rule,
    always,
    by,
    drop,
    each,
    fill,
    fill_zero,
    in_spec,
)
from kubesim.model import Object

SERVICE: Kind = ("v1", "Service")


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
    if kind != "ExternalName":
        spec = fill(spec, {"internalTrafficPolicy": "Cluster"})
    return spec


def with_all_addresses(service: Object) -> Object:
    """The Service whose `clusterIPs` begin with its `clusterIP` (NormalizeClusterIPs)."""
    spec = service.get("spec", {})
    if not spec.get("clusterIP") or spec.get("clusterIPs"):
        return service
    return {**service, "spec": {**spec, "clusterIPs": [spec["clusterIP"]]}}


def _kind(spec: Object) -> str:
    kind: str = spec.get("type") or "ClusterIP"
    return kind


def _has_address(spec: Object) -> bool:
    return _kind(spec) != "ExternalName"


def _has_node_ports(spec: Object) -> bool:
    return _kind(spec) == "NodePort" or (
        _is_balancer(spec) and spec.get("allocateLoadBalancerNodePorts") is not False
    )


def _is_balancer(spec: Object) -> bool:
    return _kind(spec) == "LoadBalancer"


def _is_health_checked(spec: Object) -> bool:
    return _is_balancer(spec) and spec.get("externalTrafficPolicy") == "Local"


def _is_external(spec: Object) -> bool:
    return _kind(spec) in ("NodePort", "LoadBalancer") or bool(spec.get("externalIPs"))


_ALLOCATED = (
    (("clusterIP", "clusterIPs"), _has_address),
    (("healthCheckNodePort",), _is_health_checked),
)
"""Fields the server filled in, and the Services that need them."""

_BY_TYPE = (
    *_ALLOCATED,
    (("ipFamilies", "ipFamilyPolicy"), _has_address),
    (("allocateLoadBalancerNodePorts",), _is_balancer),
    (("loadBalancerClass",), _is_balancer),
    (("externalTrafficPolicy",), _is_external),
)
"""Fields that only some types of Service have a use for, and which."""


def carry_over(service: Object, old: Object) -> Object:
    """A Service that is written again, with what it was given before, and without what its new
    type has no use for.

    Who sends a Service from a file does not know its addresses and node ports; who changes its
    type by a patch does not name every field that goes with the old type. A field that was
    changed as well stays, for validation to judge.

    Source: patchAllocatedValues and dropTypeDependentFields in pkg/registry/core/service.
    """
    spec, was = service.get("spec", {}), old.get("spec", {})
    new = spec
    for names, needed in _BY_TYPE:
        same = all(spec.get(name) == was.get(name) for name in names)
        if needed(was) and not needed(spec) and same:
            for name in names:
                new = drop(new, name)
    if new.get("clusterIP") != was.get("clusterIP") and new.get("clusterIPs") == was.get(
        "clusterIPs"
    ):
        new = drop(new, "clusterIPs")  # the first of them is the other field, which decides
    for names, needed in _ALLOCATED:
        if needed(was) and needed(spec):
            first = {names[0]: was[names[0]]} if was.get(names[0]) else {}
            new = fill_zero(new, first)
            if new.get(names[0]) == was.get(names[0]):
                new = fill_zero(new, {name: was[name] for name in names if was.get(name)})
    if _has_node_ports(was):
        new = _keep_node_ports(new, was) if _has_node_ports(spec) else _drop_node_ports(new, was)
    return service if new is spec else {**service, "spec": new}


def _node_ports(spec: Object) -> set[int]:
    return {port["nodePort"] for port in (spec.get("ports") or ()) if port.get("nodePort")}


def _keep_node_ports(spec: Object, was: Object) -> Object:
    """Node ports are known by the names of their ports; one that is in use already is not kept."""
    given = {port.get("name", ""): port.get("nodePort") for port in (was.get("ports") or ())}
    taken = _node_ports(spec)

    def keep(port: Object) -> Object:
        number = given.get(port.get("name", ""))
        if port.get("nodePort") or not number or number in taken:
            return port
        taken.add(number)
        return {**port, "nodePort": number}

    return each(spec, "ports", keep)


def _drop_node_ports(spec: Object, was: Object) -> Object:
    if _node_ports(spec) != _node_ports(was):
        return spec
    return each(spec, "ports", lambda port: drop(port, "nodePort"))


RULES: dict[Kind, Rule] = {
    SERVICE: in_spec(_service_spec),
}
"""What is filled in, by API version and kind."""
