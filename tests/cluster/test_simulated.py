"""The simulated cluster behind the Cluster port: what comes back is the caller's own."""

from __future__ import annotations

from random import Random

import pytest

from gitops_lab.cluster.simulated import SimulatedCluster, SimulatedConnection
from gitops_lab.errors import ApiError, ClusterUnreachable
from gitops_lab.model import ObjectKey
from gitops_lab.ports import ADMINISTRATORS, Credentials
from kubesim.clock import SimClock
from tests.conftest import config_map, deployment

BOOK = ObjectKey("", "ConfigMap", "default", "book")


def book(page: str = "1") -> dict[str, object]:
    return config_map("book", "default", page=page)


def test_an_object_comes_back_as_a_copy(cluster: SimulatedConnection) -> None:
    cluster.apply(book(), manager="test")
    mine = cluster.get(BOOK)
    assert mine is not None
    mine["data"]["page"] = "2"
    again = cluster.get(BOOK)
    assert again is not None and again["data"]["page"] == "1"


def test_a_dry_run_says_what_would_be_and_stores_nothing(cluster: SimulatedConnection) -> None:
    assert cluster.apply(book(), manager="test", dry_run=True)["data"] == {"page": "1"}
    assert cluster.get(BOOK) is None


def test_a_polite_apply_is_refused_what_another_owns(cluster: SimulatedConnection) -> None:
    cluster.apply(book("1"), manager="one")
    with pytest.raises(ApiError) as refusal:
        cluster.apply(book("2"), manager="two", force=False)
    assert (refusal.value.code, refusal.value.reason) == (409, "Conflict")
    cluster.apply(book("2"), manager="two")
    live = cluster.get(BOOK)
    assert live is not None and live["data"] == {"page": "2"}


def test_lists_are_narrowed_by_namespace_and_labels(cluster: SimulatedConnection) -> None:
    labelled = book()
    labelled["metadata"] = {"name": "book", "namespace": "default", "labels": {"shelf": "a"}}
    cluster.apply(labelled, manager="test")
    found = cluster.list("", "ConfigMap", labels={"shelf": "a"})
    assert [obj["metadata"]["name"] for obj in found] == ["book"]
    assert found[0]["kind"] == "ConfigMap" and found[0]["apiVersion"] == "v1"
    assert cluster.list("", "ConfigMap", namespace="kube-system", labels={"shelf": "a"}) == []


def test_a_deletion_may_insist_on_the_very_object(cluster: SimulatedConnection) -> None:
    cluster.apply(book(), manager="test")
    with pytest.raises(ApiError) as refusal:
        cluster.delete(BOOK, uid="another")
    assert refusal.value.code == 409
    cluster.delete(BOOK)
    cluster.delete(BOOK)  # gone already: no error
    assert cluster.get(BOOK) is None


def test_an_unknown_kind_has_no_scope(cluster: SimulatedConnection) -> None:
    with pytest.raises(ApiError) as refusal:
        cluster.is_namespaced("example.com", "Nonsense")
    assert refusal.value.code == 404
    assert cluster.is_namespaced("", "ConfigMap") and not cluster.is_namespaced("", "Node")


def test_a_closed_network_stops_those_outside_and_nobody_inside(
    simulated: SimulatedCluster,
) -> None:
    outside = simulated.connect(Credentials("ci", inside=False, groups=ADMINISTRATORS))
    inside = simulated.connect(Credentials("agent", inside=True, groups=ADMINISTRATORS))
    simulated.reachable = False
    with pytest.raises(ClusterUnreachable, match="does not answer"):
        outside.get(BOOK)
    assert inside.get(BOOK) is None


def test_every_namespace_has_the_certificate_to_trust(clock: SimClock) -> None:
    simulated = SimulatedCluster("test", clock=clock, random=Random(1), certificate="PEM")
    bundle = ObjectKey("", "ConfigMap", "kube-system", "kube-root-ca.crt")
    live = simulated.connect(Credentials("agent", inside=True, groups=ADMINISTRATORS)).get(bundle)
    assert live is not None and live["data"]["ca.crt"] == "PEM"


def test_nodes_have_joined_before_anybody_asks_for_a_pod(
    simulated: SimulatedCluster, cluster: SimulatedConnection, clock: SimClock
) -> None:
    web = deployment("web")
    web["metadata"]["namespace"] = "default"
    cluster.apply(web, manager="test")
    clock.run(minutes=1)
    reasons = {event["reason"] for event in cluster.list("", "Event", namespace="default")}
    assert "Scheduled" in reasons and "FailedScheduling" not in reasons
