"""What must hold for Services, Endpoints and EndpointSlices.

Source: pkg/apis/core/validation and pkg/apis/discovery/validation (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from kubesim.admission.validation import names
from kubesim.admission.validation.containers import PROTOCOLS
from kubesim.admission.validation.field import (
    Errors,
    duplicate,
    forbidden,
    immutable,
    in_go,
    invalid,
    invalids,
    not_supported,
    one_of,
    required,
)
from kubesim.admission.validation.labels import check_labels
from kubesim.model import Object

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_LONGEST_AFFINITY = 86400


def service(obj: Object, old: Object | None) -> Errors:
    """A Service; its cluster IP, once given, stays."""
    spec = obj.get("spec", {})
    if old is not None:
        yield from _ip_change(spec, old.get("spec", {}))
    headless = spec.get("clusterIPs") == ["None"]
    ports = spec.get("ports") or []
    if not ports and not headless and spec.get("type") != "ExternalName":
        yield required("spec.ports")
    yield from _type(spec, headless)
    yield from _ports(ports)
    if "selector" in spec:
        yield from check_labels(spec["selector"], "spec.selector")
    yield from _affinity(spec)
    if spec.get("type") != "ExternalName":
        yield from _ips(spec)
    for index, address in enumerate(spec.get("externalIPs", ())):
        yield from check_reachable_ip(address, f"spec.externalIPs[{index}]")
    yield from one_of("spec.type", spec.get("type"), _TYPES)
    yield from _port_numbers(spec, ports)
    yield from _load_balancer(spec, old)
    yield from _traffic(spec)


def _type(spec: Object, headless: bool) -> Errors:
    kind = spec.get("type")
    if kind in ("LoadBalancer", "NodePort") and headless:
        detail = f"may not be set to 'None' for {kind} services"
        yield invalid("spec.clusterIPs[0]", "None", detail)
    if kind == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                yield forbidden(f"spec.{field}", "may not be set for ExternalName services")
        name = spec.get("externalName", "").removesuffix(".")
        if name:
            yield from invalids("spec.externalName", name, names.dns_subdomain(name))
        else:
            yield required("spec.externalName")


def _ports(ports: list[Object]) -> Errors:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        name = port.get("name", "")
        if name:
            yield from invalids(f"{path}.name", name, names.dns_label(name))
            if name in seen:
                yield duplicate(f"{path}.name", name)
            seen.add(name)
        elif len(ports) > 1:
            yield required(f"{path}.name")
        number = port.get("port", 0)
        yield from invalids(f"{path}.port", number, names.port_number(number))
        yield from one_of(f"{path}.protocol", port.get("protocol"), PROTOCOLS)
        target = port.get("targetPort") or number
        yield from invalids(f"{path}.targetPort", target, names.port(target))
        if "appProtocol" in port:
            protocol = port["appProtocol"]
            yield from invalids(f"{path}.appProtocol", protocol, names.label_key(protocol))


def _port_numbers(spec: Object, ports: list[Object]) -> Errors:
    """Pairs of protocol and number are unique, inside the cluster and on its nodes."""
    if spec.get("type") == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                detail = "may not be used when `type` is 'ClusterIP'"
                yield forbidden(f"spec.ports[{index}].nodePort", detail)
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        if port.get("nodePort"):
            pair = (port.get("protocol", ""), port["nodePort"])
            if pair in seen:
                yield duplicate(f"spec.ports[{index}].nodePort", port["nodePort"])
            seen.add(pair)
    seen.clear()
    for index, port in enumerate(ports):
        pair = (port.get("protocol", ""), port.get("port", 0))
        if pair in seen:
            known = in_go({"port": pair[1], "protocol": pair[0]}, "api.core.v1.ServicePort")
            yield duplicate(f"spec.ports[{index}]", known)
        seen.add(pair)


def _affinity(spec: Object) -> Errors:
    affinity, path = spec.get("sessionAffinity"), "spec.sessionAffinityConfig"
    yield from one_of("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    config = spec.get("sessionAffinityConfig")
    if affinity == "None" and config is not None:
        yield forbidden(path, "must not be set when session affinity is None")
    if affinity != "ClientIP":
        return
    seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
    if seconds is None:
        if config is not None:
            path += ".clientIP.timeoutSeconds" if "clientIP" in config else ".clientIP"
        yield required(path, "when session affinity type is ClientIP")
    elif not 0 < seconds <= _LONGEST_AFFINITY:
        detail = f"must be greater than 0 and less than {_LONGEST_AFFINITY}"
        yield invalid(f"{path}.clientIP.timeoutSeconds", seconds, detail)


def _ips(spec: Object) -> Errors:
    first, addresses, path = (
        spec.get("clusterIP", ""),
        spec.get("clusterIPs", []),
        "spec.clusterIPs",
    )
    if first and not addresses:
        yield required(path)
    elif first and addresses[0] != first:
        yield invalid(path, addresses, "first value must match `clusterIP`")
    elif not first and addresses:
        yield invalid(path, addresses, "must be empty when `clusterIP` is not specified")
    seen: set[str] = set()
    for index, family in enumerate(spec.get("ipFamilies", ())):
        if family not in _FAMILIES:
            yield not_supported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        if family in seen:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
        seen.add(family)
    policy = spec.get("ipFamilyPolicy", "SingleStack")
    if policy not in _FAMILY_POLICIES:
        yield not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES)
    if "None" in addresses[:1] and len(addresses) > 1:
        yield invalid(path, addresses, "'None' must be the first and only value")
    for index, address in enumerate(addresses):
        if index or address != "None":
            yield from invalids(f"{path}[{index}]", address, names.ip(address))
    if len(addresses) > 2:
        yield invalid(path, addresses, "may only hold up to 2 values")


def _ip_change(spec: Object, old: Object) -> Errors:
    """Clients hold on to a cluster IP, so it changes only by way of ExternalName."""
    if "ExternalName" in (spec.get("type"), old.get("type")):
        return
    addresses, before = spec.get("clusterIPs", []), old.get("clusterIPs", [])
    if addresses == ["None"] == before:
        return
    if before and not addresses:
        yield invalid("spec.clusterIPs[0]", addresses, "primary clusterIP can not be unset")
    elif before and addresses[0] != before[0]:
        yield invalid("spec.clusterIPs[0]", addresses, "may not change once set")
    elif len(before) == len(addresses) == 2 and addresses[1] != before[1]:
        yield invalid("spec.clusterIPs[1]", addresses, "may not change once set")
    elif len(before) > len(addresses) and spec.get("ipFamilyPolicy") != "SingleStack":
        yield invalid(
            "spec.ipFamilyPolicy",
            spec.get("ipFamilyPolicy"),
            "must be set to 'SingleStack' when releasing the secondary clusterIP",
        )
    families, families_before = spec.get("ipFamilies", []), old.get("ipFamilies", [])
    if "None" in (*addresses[:1], *before[:1]):
        return
    if families and families_before and families[0] != families_before[0]:
        yield invalid("spec.ipFamilies[0]", families, "may not change once set")


def _load_balancer(spec: Object, old: Object | None) -> Errors:
    balanced = spec.get("type") == "LoadBalancer"
    only = "may only be used when `type` is 'LoadBalancer'"
    path = "spec.LoadBalancerSourceRanges"  # spelled so by the real server
    ranges = spec.get("loadBalancerSourceRanges", ())
    if ranges and not balanced:
        yield forbidden(path, only)
    for index, value in enumerate(ranges):
        yield from invalids(f"{path}[{index}]", value.strip(), names.cidr(value.strip()))
    if not balanced and "allocateLoadBalancerNodePorts" in spec:
        yield forbidden("spec.allocateLoadBalancerNodePorts", only)
    name = spec.get("loadBalancerClass")
    if name is not None and not balanced:
        yield forbidden("spec.loadBalancerClass", only)
    elif name is not None:
        yield from invalids("spec.loadBalancerClass", name, names.label_key(name))
    before = {} if old is None else old.get("spec", {})
    if balanced and before.get("type") == "LoadBalancer":
        if name != before.get("loadBalancerClass"):
            yield invalid("spec.loadBalancerClass", name, "may not change once set")


def _traffic(spec: Object) -> Errors:
    policies = ("Cluster", "Local")
    external, kind = spec.get("externalTrafficPolicy", ""), spec.get("type")
    reachable = kind in ("LoadBalancer", "NodePort") or (
        kind == "ClusterIP" and bool(spec.get("externalIPs"))
    )
    if reachable:
        yield from one_of("spec.externalTrafficPolicy", external, policies)
    elif external:
        detail = "may only be set for externally-accessible services"
        yield invalid("spec.externalTrafficPolicy", external, detail)
    health = spec.get("healthCheckNodePort", 0)
    if health and (kind != "LoadBalancer" or external != "Local"):
        yield invalid(
            "spec.healthCheckNodePort",
            health,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        )
    internal = spec.get("internalTrafficPolicy")
    if internal is not None or kind != "ExternalName":
        yield from one_of("spec.internalTrafficPolicy", internal, policies)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)


def check_reachable_ip(address: str, path: str) -> Errors:
    """An address that means the same thing everywhere."""
    faults = names.ip(address)
    yield from invalids(path, address, faults)
    if faults:
        return
    ip = ip_address(address)
    if ip.is_unspecified:
        yield invalid(path, address, f"may not be unspecified ({address})")
    if ip.is_loopback:
        detail = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
        yield invalid(path, address, detail)
    if ip.is_link_local:
        detail = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
        yield invalid(path, address, detail)


def endpoints(obj: Object, _: Object | None) -> Errors:
    """An Endpoints object."""
    for index, subset in enumerate(obj.get("subsets", ())):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(path, "must specify `addresses` or `notReadyAddresses`")
        for field in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(field, ())):
                at = f"{path}.{field}[{number}].ip"
                value = address.get("ip", "")
                yield from check_reachable_ip(value, at)
                if names.ip(value):
                    yield invalid(at, value, "must be a valid IP address")
        ports = subset.get("ports") or ()
        yield from _endpoint_ports(ports, f"{path}.ports")


def _endpoint_ports(ports: Iterable[Object], path: str) -> Errors:
    listed = list(ports)
    for index, port in enumerate(listed):
        here = f"{path}[{index}]"
        name, number = port.get("name", ""), port.get("port", 0)
        if name:
            yield from invalids(f"{here}.name", name, names.dns_label(name))
        elif len(listed) > 1:
            yield required(f"{here}.name")
        yield from invalids(f"{here}.port", number, names.port_number(number))
        yield from one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def endpoint_slice(obj: Object, old: Object | None) -> Errors:
    """An EndpointSlice; the kind of its addresses is fixed."""
    kind = obj.get("addressType", "")
    supported = ("FQDN", "IPv4", "IPv6")
    if not kind:
        yield required("addressType")
    elif kind not in supported:
        yield not_supported("addressType", kind, supported)
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        path = f"endpoints[{index}].addresses"
        hostname = endpoint.get("hostname")
        if hostname is not None:
            at = f"endpoints[{index}].hostname"
            yield from invalids(at, hostname, names.dns_label(hostname))
        addresses = endpoint.get("addresses") or ()
        if not addresses:
            yield required(path, "must contain at least 1 address")
        for number, address in enumerate(addresses):
            if kind == "FQDN":
                faults = names.dns_subdomain(address)
                yield from invalids(f"{path}[{number}]", address, faults)
            else:
                yield from check_reachable_ip(address, f"{path}[{number}]")
    seen: set[str] = set()
    for index, port in enumerate(obj.get("ports") or ()):
        here, name = f"ports[{index}]", port.get("name", "")
        if name:
            yield from invalids(f"{here}.name", name, names.dns_label(name))
        if name in seen:
            yield duplicate(f"{here}.name", name)
        seen.add(name)
        yield from one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)
    if old is not None:
        yield from immutable("addressType", kind, old.get("addressType", ""))
