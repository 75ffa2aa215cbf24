"""Where a request goes: from a Service to one of its pods, and from a name to an address.

Source: the API server's `pkg/registry/core/service/storage` (ResourceLocation), kube-proxy, and
"DNS for Services and Pods" of the Kubernetes documentation (1.37).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from kubesim.model import Object
from kubesim.store import Store

DOMAIN = "cluster.local"
"""The cluster's own DNS domain."""


@dataclass(frozen=True, slots=True)
class Place:
    """A port of a pod.

    Args:
        namespace: the pod's namespace.
        pod: its name.
        ip: its address.
        port: the port.
    """

    namespace: str
    pod: str
    ip: str
    port: int


class UnknownName(Exception):
    """A name that DNS does not know."""


class Unreachable(Exception):
    """A connection that does not come about.

    Args:
        address: where to, as `10.96.0.10:80`.
        why: the network's words, such as `connection refused`.
        is_silent: whether nothing came back at all, so that who asks waits in vain.
    """

    def __init__(self, address: str, why: str, *, is_silent: bool = False) -> None:
        super().__init__(f"dial tcp {address}: {why}")
        self.address, self.is_silent = address, is_silent


def refused(address: str) -> Unreachable:
    """Nothing listens there."""
    return Unreachable(address, "connect: connection refused")


@dataclass
class Turns:
    """Round robin: whose turn it is, for each Service."""

    _next: dict[str, int] = field(default_factory=dict)

    def take(self, whose: str, places: list[Place]) -> Place:
        """One of several places, the next one at each call."""
        turn = self._next.get(whose, 0)
        self._next[whose] = turn + 1
        return places[turn % len(places)]


def behind(endpoints: Object, port: str) -> list[Place]:
    """The ready pods behind a Service.

    Args:
        endpoints: the Service's Endpoints.
        port: the name of the Service's port; empty if it has none.
    """
    return [
        Place(reference["namespace"], reference["name"], address["ip"], each["port"])
        for subset in endpoints.get("subsets") or ()
        for each in subset.get("ports") or ()
        if each.get("name", "") == port
        for address in subset.get("addresses") or ()
        if (reference := address.get("targetRef") or {}).get("kind") == "Pod"
    ]


@dataclass(frozen=True, slots=True)
class Address:
    """What a name stands for.

    Args:
        ip: the address.
        service: the Service whose address it is.
        pod: the pod whose address it is.
    """

    ip: str
    service: Object | None = None
    pod: Object | None = None


def look_up(store: Store, host: str, pod: Object) -> Address:
    """What a host is, asked from within a pod: a Service, a pod, or an address of either.

    Raises:
        UnknownName: DNS knows no such name.
    """
    host = host.rstrip(".").lower()
    namespace = pod["metadata"]["namespace"]
    if host in ("localhost", pod["metadata"]["name"]) or host.startswith("127."):
        return Address("127.0.0.1", pod=pod)
    if _is_address(host):
        return _by_address(store, host)
    for name in _searched(host, namespace):
        found = _by_name(store, name)
        if found is not None:
            return found
    raise UnknownName(host)


def _searched(host: str, namespace: str) -> Iterator[list[str]]:
    """The labels in front of `svc.cluster.local` of each name that a pod's resolver tries."""
    for suffix in (f".svc.{DOMAIN}", ".svc"):
        if host.endswith(suffix):
            yield host.removesuffix(suffix).split(".")
            return
    yield [*host.split("."), namespace]
    yield host.split(".")


def _by_name(store: Store, labels: list[str]) -> Address | None:
    """A Service `name.namespace`, or a pod of a headless one, `host.name.namespace`."""
    if len(labels) not in (2, 3):
        return None
    *hosts, name, namespace = labels
    service = store.get(("", "services", namespace, name))
    if service is None or service["spec"].get("type") == "ExternalName":
        return None
    if service["spec"].get("clusterIP") != "None":
        return None if hosts else Address(service["spec"].get("clusterIP", ""), service=service)
    endpoints = store.get(("", "endpoints", namespace, name)) or {}
    for subset in endpoints.get("subsets") or ():
        for address in subset.get("addresses") or ():
            if not hosts or address.get("hostname") == hosts[0]:
                return _by_address(store, address["ip"])
    return None


def _by_address(store: Store, ip: str) -> Address:
    for pod in store.list("", "pods"):
        status = pod.get("status") or {}
        if status.get("podIP") == ip and status.get("phase") not in ("Succeeded", "Failed"):
            return Address(ip, pod=pod)
    for service in store.list("", "services"):
        if service["spec"].get("clusterIP") == ip:
            return Address(ip, service=service)
    return Address(ip)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def port_name(service: Object, port: int) -> str | None:
    """The name of a Service's port with a number; None if it has no such port."""
    ports: list[dict[str, Any]] = service["spec"].get("ports") or []
    return next((each.get("name", "") for each in ports if each["port"] == port), None)
