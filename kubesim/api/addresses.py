"""What a Service is given: an address in the cluster, and ports on every node.

Source: pkg/registry/core/service/storage/alloc.go, and Kubernetes' division of both ranges into a
lower part for those who ask for a certain one and an upper part for all others.
"""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address
from random import Random

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Store

NETWORK = IPv4Network("10.96.0.0/16")
"""Where Services have their addresses."""

_STATIC_ADDRESSES = 256  # min(max(16, size / 16), 256)
NODE_PORTS = range(30_000, 32_768)
"""The ports that Services can have on nodes."""
_STATIC_PORTS = 86  # min(max(16, size / 32), 128)


def allocated(service: Object, store: Store, rng: Random, *, dry_run: bool = False) -> Object:
    """The Service with the families, the address and the node ports it needs and does not have.

    Args:
        service: a Service with its defaults, which is valid.
        store: where the other Services are.
        rng: draws what is free.
        dry_run: whether nothing is kept; node ports are not held to their range then.

    Raises:
        ApiError: 422: it asks for what another Service has, or for what the cluster does not have.
    """
    spec = service["spec"]
    new = _with_families(service, spec)
    new = _with_address(service, new, store, rng)
    new = _with_node_ports(service, new, store, rng, dry_run)
    return service if new is spec else {**service, "spec": new}


def _with_families(service: Object, spec: Object) -> Object:
    """IPv4 is the one family of this cluster. Who fills in the endpoints of a headless Service
    without a selector may do so in either family."""
    if spec["type"] == "ExternalName":
        return spec
    policy, families = spec.get("ipFamilyPolicy"), spec.get("ipFamilies")
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        policy = policy or "RequireDualStack"
        both = ["IPv4"] if policy == "SingleStack" else ["IPv4", "IPv6"]
        return {**spec, "ipFamilyPolicy": policy, "ipFamilies": families or both}
    for index, family in enumerate(families or ()):
        if family != "IPv4":
            field, why = f"spec.ipFamilies[{index}]", "not configured on this cluster"
            raise _invalid(service, field, f'"{family}"', why)
    if policy == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        raise _invalid(service, "spec.ipFamilyPolicy", f'"{policy}"', why)
    if policy and families:
        return spec
    return {**spec, "ipFamilyPolicy": policy or "SingleStack", "ipFamilies": families or ["IPv4"]}


def _others(service: Object, store: Store) -> list[Object]:
    uid = service["metadata"]["uid"]
    services = store.list("", "services")
    return [each["spec"] for each in services if each["metadata"]["uid"] != uid]


def _with_address(service: Object, spec: Object, store: Store, rng: Random) -> Object:
    if spec["type"] == "ExternalName" or spec.get("clusterIP") == "None":
        return spec
    address = spec.get("clusterIP")
    old = store.get(("", "services", *_place(service)))
    if address and old is not None and old["spec"].get("clusterIP") == address:
        return spec
    taken = {ip for other in _others(service, store) for ip in other.get("clusterIPs") or ()}
    if address:
        if not _in_network(address):
            why = (
                f"failed to allocate IP {address}: the provided IP ({address}) is not in the valid "
                f"range. The range of valid IPs is {NETWORK}"
            )
            raise _invalid(service, "spec.clusterIPs", f'["{address}"]', why)
        if address in taken:
            why = f"failed to allocate IP {address}: provided IP is already allocated"
            raise _invalid(service, "spec.clusterIPs", f'["{address}"]', why)
        return spec
    while not address or address in taken:
        address = str(NETWORK[rng.randrange(_STATIC_ADDRESSES, NETWORK.num_addresses - 1)])
    return {**spec, "clusterIP": address, "clusterIPs": [address]}


def _in_network(address: str) -> bool:
    return ip_address(address) in NETWORK


def _with_node_ports(
    service: Object, spec: Object, store: Store, rng: Random, dry_run: bool
) -> Object:
    if spec["type"] not in ("NodePort", "LoadBalancer"):
        return spec
    wants_ports = spec.get("allocateLoadBalancerNodePorts") is not False
    taken = {
        (port.get("protocol"), port["nodePort"])
        for other in _others(service, store)
        for port in other.get("ports") or ()
        if port.get("nodePort")
    } | {
        ("TCP", other["healthCheckNodePort"])
        for other in _others(service, store)
        if other.get("healthCheckNodePort")
    }
    ports = list(spec.get("ports") or ())
    for index, port in enumerate(ports):
        number, protocol = port.get("nodePort"), port.get("protocol")
        field = f"spec.ports[{index}].nodePort"
        if number:
            if number not in NODE_PORTS and not dry_run:
                why = (
                    "provided port is not in the valid range. "
                    "The range of valid ports is 30000-32767"
                )
                raise _invalid(service, field, str(number), why)
            if (protocol, number) in taken:
                raise _invalid(service, field, str(number), "provided port is already allocated")
            taken.add((protocol, number))
    for index, port in enumerate(ports):
        if port.get("nodePort") or not wants_ports:
            continue
        number, protocol = 0, port.get("protocol")
        while not number or (protocol, number) in taken:
            number = rng.choice(NODE_PORTS[_STATIC_PORTS:])
        taken.add((protocol, number))
        ports[index] = {**port, "nodePort": number}
    if ports != (spec.get("ports") or []):
        spec = {**spec, "ports": ports}
    if not _is_health_checked(spec) or spec.get("healthCheckNodePort"):
        return spec
    health = rng.choice(NODE_PORTS[_STATIC_PORTS:])
    while any(number == health for _, number in taken):
        health = rng.choice(NODE_PORTS[_STATIC_PORTS:])
    return {**spec, "healthCheckNodePort": health}


def _is_health_checked(spec: Object) -> bool:
    return spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _place(service: Object) -> tuple[str, str]:
    return service["metadata"]["namespace"], service["metadata"]["name"]


def _invalid(service: Object, field: str, value: str, why: str) -> ApiError:
    message = f"Invalid value: {value}: {why}"
    name = service["metadata"]["name"]
    return refusals.invalid("", "Service", name, [("FieldValueInvalid", message, field)])
