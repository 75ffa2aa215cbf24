"""The columns of Services and of what leads to them.

Source: pkg/printers/internalversion (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubesim.http.columns.column import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Column,
    at,
    field,
    labels,
    listed,
    selector,
)
from kubesim.model import Object


def _external(obj: Object, now: float) -> str:
    spec = obj["spec"]
    type_, addresses = spec.get("type"), spec.get("externalIPs") or []
    if type_ == "ExternalName":
        return str(spec.get("externalName", ""))
    if type_ == "LoadBalancer":
        return ",".join((*_ingress(obj), *addresses)) or "<pending>"
    return ",".join(addresses) or (NONE if type_ in ("ClusterIP", "NodePort") else UNKNOWN)


def _ingress(obj: Object) -> list[str]:
    """The addresses under which a load balancer is reached."""
    found = at(obj, "status.loadBalancer.ingress") or ()
    return sorted({each.get("ip") or each.get("hostname") or "" for each in found} - {""})


def _port(port: dict[str, Any]) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port.get('protocol', 'TCP')}"


SERVICES = (
    NAME,
    field("Type", "spec.type"),
    Column("Cluster-IP", lambda obj, now: (at(obj, "spec.clusterIPs") or [NONE])[0]),
    Column("External-IP", _external),
    Column(
        "Port(s)",
        lambda obj, now: ",".join(_port(each) for each in at(obj, "spec.ports") or ()) or NONE,
    ),
    AGE,
    Column("Selector", lambda obj, now: labels(at(obj, "spec.selector")), wide=True),
)


def _endpoints(obj: Object, now: float) -> str:
    return listed(list(_addresses(obj.get("subsets") or ()))) or NONE


def _addresses(subsets: Iterable[dict[str, Any]]) -> Iterable[str]:
    for subset in subsets:
        addresses = [each["ip"] for each in subset.get("addresses") or ()]
        if not subset.get("ports"):
            yield from addresses
        for port in subset.get("ports") or ():
            for address in addresses:
                host = f"[{address}]" if ":" in address else address
                yield f"{host}:{port['port']}"


ENDPOINTS = (NAME, Column("Endpoints", _endpoints), AGE)


def _slice_ports(obj: Object, now: float) -> str:
    ports = obj.get("ports") or ()
    return listed([str(each.get("port") or each.get("name") or "*") for each in ports]) or UNSET


def _slice_endpoints(obj: Object, now: float) -> str:
    endpoints = obj.get("endpoints") or ()
    return listed([address for each in endpoints for address in each["addresses"]]) or UNSET


ENDPOINT_SLICES = (
    NAME,
    field("AddressType", "addressType"),
    Column("Ports", _slice_ports),
    Column("Endpoints", _slice_endpoints),
    AGE,
)


def _hosts(obj: Object, now: float) -> str:
    rules = at(obj, "spec.rules") or ()
    return listed([each["host"] for each in rules if each.get("host")]) or "*"


INGRESSES = (
    NAME,
    field("Class", "spec.ingressClassName", NONE),
    Column("Hosts", _hosts),
    Column("Address", lambda obj, now: ",".join(_ingress(obj))),
    Column("Ports", lambda obj, now: "80, 443" if at(obj, "spec.tls") else "80"),
    AGE,
)


def _parameters(obj: Object, now: float) -> str:
    found = at(obj, "spec.parameters")
    if not found:
        return NONE
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found['kind']}{group}/{found['name']}"


INGRESS_CLASSES = (
    NAME,
    field("Controller", "spec.controller"),
    Column("Parameters", _parameters),
    AGE,
)

NETWORK_POLICIES = (
    NAME,
    Column("Pod-Selector", lambda obj, now: selector(at(obj, "spec.podSelector"))),
    AGE,
)


def _parent(obj: Object, now: float) -> str:
    found = at(obj, "spec.parentRef") or {}
    parts = (found.get("resource"), found.get("namespace"), found.get("name"))
    resource = f"{parts[0]}.{found['group']}" if found.get("group") else parts[0]
    return "/".join(part for part in (resource, *parts[1:]) if part)


IP_ADDRESSES = (NAME, Column("ParentRef", _parent))

SERVICE_CIDRS = (
    NAME,
    Column("CIDRs", lambda obj, now: ",".join(at(obj, "spec.cidrs") or ())),
    AGE,
)
