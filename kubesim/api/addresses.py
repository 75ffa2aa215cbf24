"""What a Service is given: an address in the cluster, and ports on every node.

Source: pkg/registry/core/service/storage/alloc.go, and Kubernetes' division of both ranges into a
lower part for those who ask for a certain one and an upper part for all others.
"""

from __future__ import annotations

from ipaddress import IPv4Network
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


def allocated(service: Object, store: Store, rng: Random) -> Object:
    """The Service with the address and the node ports it needs and does not have.

    Args:
        service: a Service with its defaults.
        store: where the other Services are.
        rng: draws what is free.

    Raises:
        ApiError: 422: it asks for what another Service has.
    """
    spec = service["spec"]
    new = _with_address(service, spec, store, rng)
    new = _with_node_ports(service, new, store, rng)
    return service if new is spec else {**service, "spec": new}


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
        if address in taken:
            why = f"failed to allocate IP {address}: provided IP is already allocated"
            raise _invalid(service, "spec.clusterIPs", f'["{address}"]', why)
        return spec
    while not address or address in taken:
        address = str(NETWORK[rng.randrange(_STATIC_ADDRESSES, NETWORK.num_addresses - 1)])
    return {**spec, "clusterIP": address, "clusterIPs": [address]}


def _with_node_ports(service: Object, spec: Object, store: Store, rng: Random) -> Object:
    if spec["type"] not in ("NodePort", "LoadBalancer"):
        return spec
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        return spec
    taken = {
        (port.get("protocol"), port["nodePort"])
        for other in _others(service, store)
        for port in other.get("ports") or ()
        if port.get("nodePort")
    }
    ports = list(spec.get("ports") or ())
    for index, port in enumerate(ports):
        number, protocol = port.get("nodePort"), port.get("protocol")
        field = f"spec.ports[{index}].nodePort"
        if number:
            if number not in NODE_PORTS:
                why = (
                    "provided port is not in the valid range. "
                    "The range of valid ports is 30000-32767"
                )
                raise _invalid(service, field, str(number), why)
            if (protocol, number) in taken:
                raise _invalid(service, field, str(number), "provided port is already allocated")
            taken.add((protocol, number))
    for index, port in enumerate(ports):
        if port.get("nodePort"):
            continue
        number, protocol = 0, port.get("protocol")
        while not number or (protocol, number) in taken:
            number = rng.choice(NODE_PORTS[_STATIC_PORTS:])
        taken.add((protocol, number))
        ports[index] = {**port, "nodePort": number}
    return spec if ports == spec.get("ports") else {**spec, "ports": ports}


def _place(service: Object) -> tuple[str, str]:
    return service["metadata"]["namespace"], service["metadata"]["name"]


def _invalid(service: Object, field: str, value: str, why: str) -> ApiError:
    message = f"Invalid value: {value}: {why}"
    name = service["metadata"]["name"]
    return refusals.invalid("", "Service", name, [("FieldValueInvalid", message, field)])
