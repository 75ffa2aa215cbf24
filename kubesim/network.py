"""NetworkPolicies: who can reach whom, and which policy says so.

A pod that no policy selects can be reached by everyone, and can reach everyone. As soon as one
selects it, for a direction, it is isolated in that direction, and only what some rule of some
policy allows gets through: rules add up, and none can forbid what another allows. A connection
needs both ends: egress of where it comes from, ingress of where it goes.

Source: networking.k8s.io/v1 NetworkPolicy and "Network Policies" of the Kubernetes documentation
(1.37). Where that leaves network plugins a choice, this does what most of them do: a pod on its
node's network is neither selected by a policy nor by a rule, and an `ipBlock` is about any
address, that of a pod too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from kubesim.model import Object
from kubesim.selectors import label_selector
from kubesim.store import Store

OUTSIDE = "203.0.113.1"
"""The address of a client outside the cluster that names none (RFC 5737, for documentation)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a connection comes about.

    Args:
        allowed: whether it does.
        why: a sentence that names the policies that decided.
    """

    allowed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection.

    Args:
        ip: its address; empty if it has none yet.
        pod: the pod; None for an end outside the cluster.
        namespace_labels: the labels of the pod's namespace.
    """

    ip: str
    pod: Object | None = None
    namespace_labels: Mapping[str, str] | None = None

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        found: str = self.pod["metadata"]["namespace"] if self.pod else ""
        return found

    @property
    def is_selectable(self) -> bool:
        """Whether selectors see it: a pod that has a network of its own."""
        return self.pod is not None and not self.pod["spec"].get("hostNetwork")

    def __str__(self) -> str:
        if self.pod is None:
            return self.ip or "an unknown address"
        return f"pod {self.namespace}/{self.pod['metadata']['name']}"


def reach(
    store: Store,
    source: Object | None,
    destination: Object,
    port: int,
    protocol: str = "TCP",
    *,
    source_ip: str = OUTSIDE,
) -> Verdict:
    """Whether one pod can connect to another, or a client outside the cluster to a pod.

    Args:
        store: where policies, namespaces and pods are.
        source: the pod that connects; None for a client outside the cluster.
        destination: the pod that it connects to.
        port: the destination's own port, behind any Service.
        protocol: `TCP`, `UDP` or `SCTP`.
        source_ip: the address of the client outside the cluster.
    """
    policies = store.list("networking.k8s.io", "networkpolicies")
    if not policies:
        return Verdict(True, "there are no NetworkPolicies")
    start = Peer(source_ip) if source is None else peer(store, source)
    return decide(policies, start, peer(store, destination), port, protocol)


def peer(store: Store, pod: Object) -> Peer:
    """A pod as an end of a connection."""
    namespace = store.get(("", "namespaces", "", pod["metadata"]["namespace"]))
    labels = namespace["metadata"].get("labels") or {} if namespace else {}
    return Peer((pod.get("status") or {}).get("podIP", ""), pod, labels)


def decide(
    policies: Sequence[Object], source: Peer, destination: Peer, port: int, protocol: str = "TCP"
) -> Verdict:
    """Whether a connection comes about, by the given policies.

    Args:
        policies: the NetworkPolicies of all namespaces.
        source: where it comes from.
        destination: where it goes.
        port: the destination's port.
        protocol: `TCP`, `UDP` or `SCTP`.
    """
    if _is_at_home(source, destination):
        return Verdict(True, "a pod and its own node can always reach it")
    leaving = _decide("Egress", policies, source, destination, destination, port, protocol)
    if not leaving.allowed:
        return leaving
    arriving = _decide("Ingress", policies, destination, source, destination, port, protocol)
    if not arriving.allowed:
        return arriving
    said = dict.fromkeys(each.why for each in (leaving, arriving) if each.why)
    return Verdict(True, "; ".join(said) or "no NetworkPolicy selects either end")


def policy_types(policy: Object) -> Sequence[str]:
    """The directions in which a policy isolates the pods that it selects."""
    spec = policy.get("spec") or {}
    given: Sequence[str] = spec.get("policyTypes") or ()
    return given or (("Ingress", "Egress") if spec.get("egress") else ("Ingress",))


def _is_at_home(source: Peer, destination: Peer) -> bool:
    """Whether the destination is the source itself, or a pod of the node that is the source."""
    if destination.pod is None:
        return False
    if source.pod is not None and not source.pod["spec"].get("hostNetwork"):
        mine, other = source.pod["metadata"], destination.pod["metadata"]
        return bool((mine["namespace"], mine["name"]) == (other["namespace"], other["name"]))
    host = (destination.pod.get("status") or {}).get("hostIP")
    return bool(host) and source.ip == host


def _decide(
    direction: str,
    policies: Iterable[Object],
    subject: Peer,
    other: Peer,
    destination: Peer,
    port: int,
    protocol: str,
) -> Verdict:
    """One direction: whether the subject's policies let the other end through."""
    isolating = []
    if subject.is_selectable:
        isolating = [each for each in policies if _selects(each, direction, subject)]
    if not isolating:
        return Verdict(True, "")
    rules, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    for policy in isolating:
        for rule in policy["spec"].get(rules) or ():
            ends, ports = rule.get(peers) or (), rule.get("ports") or ()
            if ends and not any(_matches(each, other, policy) for each in ends):
                continue
            if not ports or any(_opens(each, destination, port, protocol) for each in ports):
                return Verdict(True, f"{_name(policy)} allows {direction.lower()} of {subject}")
    named = ", ".join(_name(each) for each in isolating)
    way = f"from {other}" if direction == "Ingress" else f"to {other}"
    return Verdict(
        False,
        f"{subject} is isolated for {direction.lower()} by {named}, "
        f"and nothing allows it {way} on port {port}/{protocol}",
    )


def _selects(policy: Object, direction: str, subject: Peer) -> bool:
    """Whether a policy isolates a pod in a direction."""
    return (
        policy["metadata"]["namespace"] == subject.namespace
        and direction in policy_types(policy)
        and label_selector(policy["spec"].get("podSelector") or {})(_labels(subject))
    )


def _matches(rule: Object, other: Peer, policy: Object) -> bool:
    """Whether an end of a connection is one that a rule's peer means."""
    block = rule.get("ipBlock")
    if block is not None:
        return _contains(block["cidr"], other.ip) and not any(
            _contains(each, other.ip) for each in block.get("except") or ()
        )
    if not other.is_selectable:
        return False
    namespaces = rule.get("namespaceSelector")
    if namespaces is None:
        if other.namespace != policy["metadata"]["namespace"]:
            return False
    elif not label_selector(namespaces)(other.namespace_labels or {}):
        return False
    pods = rule.get("podSelector")
    return pods is None or label_selector(pods)(_labels(other))


def _opens(rule: Object, destination: Peer, port: int, protocol: str) -> bool:
    """Whether a rule's port is the one that is connected to."""
    if rule.get("protocol", "TCP") != protocol:
        return False
    wanted = rule.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return port in _named(wanted, destination, protocol)
    last: int = rule.get("endPort") or wanted
    return bool(wanted <= port <= last)


def _named(name: str, destination: Peer, protocol: str) -> set[int]:
    """The ports that a pod's containers have under a name."""
    spec = destination.pod["spec"] if destination.pod else {}
    return {
        port["containerPort"]
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
        for port in container.get("ports") or ()
        if port.get("name") == name and port.get("protocol", "TCP") == protocol
    }


def _contains(cidr: str, ip: str) -> bool:
    return bool(ip) and ip_address(ip) in _network(cidr)


@lru_cache(maxsize=256)
def _network(cidr: str) -> IPv4Network | IPv6Network:
    return ip_network(cidr, strict=False)


def _labels(of: Peer) -> Mapping[str, str]:
    found: Mapping[str, str] = of.pod["metadata"].get("labels") or {} if of.pod else {}
    return found


def _name(policy: Object) -> str:
    return f"NetworkPolicy {policy['metadata']['namespace']}/{policy['metadata']['name']}"
