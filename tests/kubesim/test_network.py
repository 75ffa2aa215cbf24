from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.model import Object
from kubesim.network import Peer, decide, reach
from kubesim.store import Store

DENY: Object = {"podSelector": {}, "policyTypes": ["Ingress"]}


def end(name: str = "web", namespace: str = "shop", ip: str = "10.0.0.1", **spec: Any) -> Peer:
    pod = {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "containers": [{"name": "main", "ports": [{"name": "http", "containerPort": 8080}]}],
            **spec,
        },
        "status": {"podIP": ip, "hostIP": "172.18.0.2"},
    }
    return Peer(ip, pod, {"team": namespace})


WEB, DB, FAR = end(), end("db", ip="10.0.0.2"), end("web", "far", "10.0.1.1")
OUTSIDE = Peer("198.51.100.7")


def policy(spec: Object, name: str = "rule", namespace: str = "shop") -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def ingress(*rules: Object, app: str = "db") -> Object:
    selector = {"matchLabels": {"app": app}}
    return policy({"podSelector": selector, "policyTypes": ["Ingress"], "ingress": list(rules)})


def egress(*rules: Object, app: str = "web") -> Object:
    selector = {"matchLabels": {"app": app}}
    return policy({"podSelector": selector, "policyTypes": ["Egress"], "egress": list(rules)})


def allowed(policies: list[Object], source: Peer, destination: Peer, port: int = 80) -> bool:
    return decide(policies, source, destination, port).allowed


def test_who_is_not_selected_by_any_policy_can_be_reached() -> None:
    assert allowed([], OUTSIDE, DB)
    assert allowed([policy(DENY, namespace="far")], WEB, DB)
    assert allowed([ingress(app="other")], WEB, DB)


def test_a_policy_without_rules_isolates_what_it_selects() -> None:
    verdict = decide([policy(DENY, "deny")], WEB, DB, 5432)
    assert not verdict.allowed
    assert verdict.why == (
        "pod shop/db is isolated for ingress by NetworkPolicy shop/deny, "
        "and nothing allows it from pod shop/web on port 5432/TCP"
    )


def test_an_empty_rule_allows_everything() -> None:
    verdict = decide([policy(DENY), ingress({})], OUTSIDE, DB, 80)
    assert verdict.allowed
    assert verdict.why == "NetworkPolicy shop/rule allows ingress of pod shop/db"


def test_a_pod_selector_means_pods_of_the_policys_namespace() -> None:
    rule = ingress({"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]})
    assert allowed([rule], WEB, DB)
    assert not allowed([rule], FAR, DB)
    assert not allowed([rule], end("api"), DB)
    assert not allowed([rule], OUTSIDE, DB)


def test_a_namespace_selector_means_all_pods_of_those_namespaces() -> None:
    rule = ingress({"from": [{"namespaceSelector": {"matchLabels": {"team": "far"}}}]})
    assert allowed([rule], FAR, DB)
    assert not allowed([rule], WEB, DB)


def test_both_selectors_of_one_peer_must_hold_and_two_peers_are_alternatives() -> None:
    pods = {"podSelector": {"matchLabels": {"app": "api"}}}
    namespaces = {"namespaceSelector": {"matchLabels": {"team": "far"}}}
    assert not allowed([ingress({"from": [{**pods, **namespaces}]})], FAR, DB)
    assert allowed([ingress({"from": [pods, namespaces]})], FAR, DB)


def test_an_ip_block_means_addresses_but_for_its_exceptions() -> None:
    block = {"cidr": "198.51.100.0/24", "except": ["198.51.100.128/25"]}
    rule = ingress({"from": [{"ipBlock": block}]})
    assert allowed([rule], OUTSIDE, DB)
    assert not allowed([rule], Peer("198.51.100.200"), DB)
    assert not allowed([rule], WEB, DB)
    assert not allowed([rule], Peer("2001:db8::1"), DB)
    assert not allowed([rule], Peer(""), DB)


def test_ports_are_numbers_names_or_ranges_of_one_protocol() -> None:
    assert allowed([ingress({"ports": [{"port": 80}]})], WEB, DB)
    assert not allowed([ingress({"ports": [{"port": 81}]})], WEB, DB)
    assert not allowed([ingress({"ports": [{"port": 80, "protocol": "UDP"}]})], WEB, DB)
    assert allowed([ingress({"ports": [{"port": "http"}]})], WEB, DB, 8080)
    assert not allowed([ingress({"ports": [{"port": "http"}]})], WEB, DB, 80)
    ranged = ingress({"ports": [{"port": 8000, "endPort": 8100}]})
    assert [allowed([ranged], WEB, DB, port) for port in (7999, 8000, 8100, 8101)] == [
        False,
        True,
        True,
        False,
    ]
    assert allowed([ingress({"ports": [{"protocol": "TCP"}]})], WEB, DB, 1)


def test_a_connection_needs_egress_at_one_end_and_ingress_at_the_other() -> None:
    assert not allowed([egress()], WEB, DB)
    assert allowed([egress()], DB, WEB)
    open_ = egress({"to": [{"podSelector": {}}], "ports": [{"port": "http"}]})
    assert allowed([open_], WEB, DB, 8080)
    assert not allowed([open_, policy(DENY)], WEB, DB, 8080)


def test_a_policy_with_egress_rules_and_no_types_is_about_both() -> None:
    both = policy({"podSelector": {}, "egress": [{}]})
    assert not allowed([both], WEB, DB)
    assert allowed([both], WEB, FAR)


def test_a_pod_on_its_nodes_network_is_neither_isolated_nor_selected() -> None:
    host = end("web", ip="172.18.0.3", hostNetwork=True)
    assert allowed([policy(DENY)], OUTSIDE, host)
    rule = ingress({"from": [{"podSelector": {}}]})
    assert not allowed([rule], host, DB)


def test_a_pod_reaches_itself_and_its_node_reaches_it() -> None:
    assert allowed([policy(DENY)], DB, DB)
    assert allowed([policy(DENY)], Peer("172.18.0.2"), DB)


def test_reach_reads_policies_and_namespaces_from_the_store() -> None:
    store = Store()
    assert WEB.pod is not None and DB.pod is not None
    assert reach(store, WEB.pod, DB.pod, 80).why == "there are no NetworkPolicies"
    namespace = {"metadata": {"name": "shop", "labels": {"team": "shop"}}}
    store.create(("", "namespaces", "", "shop"), namespace)
    rule = ingress({"from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}]})
    store.create(("networking.k8s.io", "networkpolicies", "shop", "rule"), rule)
    assert reach(store, WEB.pod, DB.pod, 80).allowed
    assert not reach(store, None, DB.pod, 80).allowed
    assert not reach(store, None, DB.pod, 80, source_ip="10.1.2.3").allowed


selectors = st.sampled_from([{}, {"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "db"}}])
peers = st.one_of(
    st.builds(lambda s: {"podSelector": s}, selectors),
    st.just({"namespaceSelector": {}}),
    st.just({"namespaceSelector": {"matchLabels": {"team": "far"}}}),
    st.sampled_from(["10.0.0.0/24", "198.51.100.0/24"]).map(lambda c: {"ipBlock": {"cidr": c}}),
)
ports = st.sampled_from([{"port": 80}, {"port": "http"}, {"protocol": "UDP"}, {}])
rules = st.builds(
    lambda from_, ports: {"from": from_, "to": from_, "ports": ports},
    st.lists(peers, max_size=2),
    st.lists(ports, max_size=2),
)
policies = st.builds(
    lambda selector, types, rules, namespace: policy(
        {"podSelector": selector, "policyTypes": types, "ingress": rules, "egress": rules},
        namespace=namespace,
    ),
    selectors,
    st.lists(st.sampled_from(["Ingress", "Egress"]), min_size=1, max_size=2, unique=True),
    st.lists(rules, max_size=2),
    st.sampled_from(["shop", "far"]),
)
sources = st.sampled_from([WEB, DB, FAR, OUTSIDE])
destinations = st.sampled_from([WEB, DB, FAR])
numbers = st.sampled_from([80, 8080])


def isolates(one: Object, pod: Peer, direction: str) -> bool:
    selects = one["spec"]["podSelector"].get("matchLabels", {})
    return (
        pod.pod is not None
        and direction in one["spec"]["policyTypes"]
        and one["metadata"]["namespace"] == pod.namespace
        and selects.items() <= pod.pod["metadata"]["labels"].items()
    )


@settings(max_examples=80)
@given(st.lists(policies, max_size=3), policies, sources, destinations, numbers)
def test_one_more_policy_only_widens_for_ends_that_are_isolated_already(
    old: list[Object], new: Object, source: Peer, destination: Peer, port: int
) -> None:
    both = ((source, "Egress"), (destination, "Ingress"))
    for pod, direction in both:
        if isolates(new, pod, direction) and not any(isolates(p, pod, direction) for p in old):
            return
    if allowed(old, source, destination, port):
        assert allowed([*old, new], source, destination, port)


@settings(max_examples=80)
@given(st.lists(policies, max_size=3), policies, sources, destinations, numbers)
def test_the_first_policy_of_an_end_only_narrows(
    old: list[Object], new: Object, source: Peer, destination: Peer, port: int
) -> None:
    both = ((source, "Egress"), (destination, "Ingress"))
    for pod, direction in both:
        if isolates(new, pod, direction) and any(isolates(p, pod, direction) for p in old):
            return
    if not allowed(old, source, destination, port):
        assert not allowed([*old, new], source, destination, port)


@settings(max_examples=40)
@given(st.lists(policies, max_size=3), sources, destinations, numbers)
def test_the_order_of_policies_does_not_matter(
    some: list[Object], source: Peer, destination: Peer, port: int
) -> None:
    there = allowed(some, source, destination, port)
    assert there == allowed(some[::-1], source, destination, port)


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_protocols_are_told_apart(protocol: str) -> None:
    rule = ingress({"ports": [{"port": 53, "protocol": protocol}]})
    assert decide([rule], WEB, DB, 53, protocol).allowed
    assert not decide([rule], WEB, DB, 53).allowed
