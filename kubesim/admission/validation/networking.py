"""What must hold for Ingresses, their classes, and NetworkPolicies.

Source: pkg/apis/networking/validation (Kubernetes 1.37).
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    forbidden,
    immutable,
    invalid,
    invalids,
    not_supported,
    required,
    too_long,
)
from kubesim.admission.validation.labels import check_selector
from kubesim.model import Object

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_POLICY_TYPES = ("Ingress", "Egress")


def ingress(obj: Object, old: Object | None) -> Errors:
    """An Ingress."""
    spec = obj.get("spec", {})
    if not spec.get("rules") and "defaultBackend" not in spec:
        detail = "either `defaultBackend` or `rules` must be specified"
        yield invalid("spec", spec.get("rules"), detail)
    if "defaultBackend" in spec:
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    for index, rule in enumerate(spec.get("rules") or ()):
        yield from _rule(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.get("tls", ())):
        here = f"spec.tls[{index}]"
        for number, host in enumerate(tls.get("hosts", ())):
            yield from invalids(f"{here}.hosts[{number}]", host, _host(host))
        name = tls.get("secretName", "")
        if name:
            yield from invalids(f"{here}.secretName", name, names.dns_subdomain(name))
    name = spec.get("ingressClassName")
    if name is not None:
        yield from invalids("spec.ingressClassName", name, names.dns_subdomain(name))
        annotations = obj.get("metadata", {}).get("annotations", {})
        if old is None and _CLASS_ANNOTATION in annotations:
            yield invalid(
                f"annotations.{_CLASS_ANNOTATION}",
                annotations[_CLASS_ANNOTATION],
                "can not be set when the class field is also set",
            )


def _host(host: str) -> names.Faults:
    return names.wildcard_subdomain(host) if "*" in host else names.dns_subdomain(host)


def _rule(rule: Object, path: str) -> Errors:
    host = rule.get("host", "")
    if host:
        if not names.ip(host):
            yield invalid(f"{path}.host", host, "must be a DNS name, not an IP address")
        yield from invalids(f"{path}.host", host, _host(host))
    if "http" not in rule:
        return
    paths = rule["http"].get("paths") or ()
    if not paths:
        yield required(f"{path}.http.paths")
    for index, one in enumerate(paths):
        yield from _path(one, f"{path}.http.paths[{index}]")


def _path(one: Object, path: str) -> Errors:
    kind, where = one.get("pathType"), one.get("path", "")
    if kind is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        yield not_supported(f"{path}.pathType", kind, _PATH_TYPES)
    elif kind == "ImplementationSpecific":
        if where and not where.startswith("/"):
            yield invalid(f"{path}.path", where, "must be an absolute path")
    else:
        if not where.startswith("/"):
            yield invalid(f"{path}.path", where, "must be an absolute path")
        for part in _BAD_SEQUENCES:
            if part in where:
                yield invalid(f"{path}.path", where, f"must not contain '{part}'")
        for end in _BAD_ENDS:
            if where.endswith(end):
                yield invalid(f"{path}.path", where, f"cannot end with '{end}'")
    yield from _backend(one.get("backend", {}), f"{path}.backend")


def _backend(backend: Object, path: str) -> Errors:
    if "resource" in backend and "service" in backend:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif "resource" in backend:
        yield from _typed_reference(backend["resource"], f"{path}.resource")
    elif "service" in backend:
        yield from _service_backend(backend["service"], path)
    else:
        yield invalid(path, "", "resource or service backend is required")


def _service_backend(service: Object, path: str) -> Errors:
    name, port = service.get("name", ""), service.get("port", {})
    if name:
        yield from invalids(f"{path}.service.name", name, names.rfc1035_label(name))
    else:
        yield required(f"{path}.service.name")
    port_name, number = port.get("name", ""), port.get("number", 0)
    if port_name and number:
        yield invalid(path, "", "cannot set both port name & port number")
    elif port_name:
        faults = names.port_name(port_name)
        yield from invalids(f"{path}.service.port.name", port_name, faults)
    elif number:
        faults = names.port_number(number)
        yield from invalids(f"{path}.service.port.number", number, faults)
    else:
        yield required(path, "port name or number is required")


def _typed_reference(ref: Object, path: str) -> Errors:
    if "apiGroup" in ref:
        group = ref["apiGroup"]
        yield from invalids(f"{path}.apiGroup", group, names.dns_subdomain(group))
    for field in ("kind", "name"):
        value = ref.get(field, "")
        if value:
            yield from invalids(f"{path}.{field}", value, names.path_segment(value))
        else:
            yield required(f"{path}.{field}", f"{field} is required")


def ingress_class(obj: Object, old: Object | None) -> Errors:
    """An IngressClass; which controller it means is fixed."""
    spec = obj.get("spec", {})
    controller, path = spec.get("controller", ""), "spec.controller"
    if old is not None:
        yield from immutable(path, controller, old.get("spec", {}).get("controller", ""))
    if len(controller) > 250:
        yield too_long(path, 250)
    domain, slash, rest = controller.partition("/")
    if not controller:
        yield required(path)
    elif not slash or not domain or not rest:
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield invalid(path, controller, detail)
    else:
        yield from invalids(path, domain, names.dns_subdomain(domain))
        yield from invalids(path, rest, names.http_path(rest))
    if "parameters" in spec:
        yield from _typed_reference(spec["parameters"], "spec.parameters")


def network_policy(obj: Object, _: Object | None) -> Errors:
    """A NetworkPolicy."""
    spec = obj.get("spec", {})
    yield from check_selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction, ())):
            here = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                yield from _policy_port(port, f"{here}.ports[{number}]")
            for number, peer in enumerate(rule.get(peers, ())):
                yield from _peer(peer, f"{here}.{peers}[{number}]")
    kinds = spec.get("policyTypes", [])
    if len(kinds) > 2:
        yield invalid("spec.policyTypes", kinds, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(kinds):
        if kind not in _POLICY_TYPES:
            yield not_supported(f"spec.policyTypes[{index}]", kind, _POLICY_TYPES)


def _policy_port(port: Object, path: str) -> Errors:
    if port.get("protocol", "TCP") not in _PROTOCOLS:
        yield not_supported(f"{path}.protocol", port["protocol"], _PROTOCOLS)
    number, end = port.get("port"), port.get("endPort")
    if number is not None:
        yield from invalids(f"{path}.port", number, names.port(number))
    if end is None:
        return
    if number is None:
        detail = "may not be specified when `port` is not specified"
        yield invalid(f"{path}.endPort", end, detail)
    elif isinstance(number, str):
        detail = "may not be specified when `port` is non-numeric"
        yield invalid(f"{path}.endPort", end, detail)
    else:
        if end < number:
            yield invalid(f"{path}.endPort", number, "must be greater than or equal to `port`")
        yield from invalids(f"{path}.endPort", end, names.port_number(end))


def _peer(peer: Object, path: str) -> Errors:
    for field in ("podSelector", "namespaceSelector"):
        yield from check_selector(peer.get(field), f"{path}.{field}")
    if "ipBlock" in peer:
        yield from _ip_block(peer["ipBlock"], f"{path}.ipBlock")
    if not peer:
        yield required(path, "must specify a peer")
    elif "ipBlock" in peer and len(peer) > 1:
        yield forbidden(path, "may not specify both ipBlock and another peer")


def _ip_block(block: Object, path: str) -> Errors:
    cidr = block.get("cidr", "")
    if not cidr:
        yield required(f"{path}.cidr")
        return
    faults = names.cidr(cidr)
    yield from invalids(f"{path}.cidr", cidr, faults)
    if faults:
        return
    whole = ip_network(cidr, strict=False)
    for index, part in enumerate(block.get("except", ())):
        faults = names.cidr(part)
        yield from invalids(f"{path}.except[{index}]", part, faults)
        if not faults and not _is_inside(ip_network(part, strict=False), whole):
            detail = "must be a strict subset of `cidr`"
            yield invalid(f"{path}.except[{index}]", part, detail)


def _is_inside(part: IPv4Network | IPv6Network, whole: IPv4Network | IPv6Network) -> bool:
    """Whether a range is a part of another, and not all of it."""
    if part.version != whole.version or part.prefixlen <= whole.prefixlen:
        return False
    return part.network_address in whole
