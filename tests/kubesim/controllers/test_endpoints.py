"""Services find their pods: EndpointSlices, and the older Endpoints."""

from __future__ import annotations

import pytest

from gitops_lab.model import Object
from kubesim.controllers.endpoints import MOST
from tests.kubesim.controllers.world import STEADY, World

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {team: shop}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
"""

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: 'web:1', ports: [{name: http, containerPort: 8080}]}]}
"""


@pytest.fixture
def world() -> World:
    return World()


def slices(world: World) -> list[Object]:
    return [
        each
        for each in world.all("EndpointSlice")
        if each["metadata"]["labels"].get("kubernetes.io/service-name") == "web"
    ]


def only(world: World) -> Object:
    (slice_,) = slices(world)
    return slice_


def conditions(world: World) -> Object:
    (endpoint,) = only(world)["endpoints"]
    found: Object = endpoint["conditions"]
    return found


def test_a_service_without_pods_has_an_empty_slice(world: World) -> None:
    world.create(SERVICE)
    assert not only(world).get("endpoints")
    assert not world.get("Endpoints", "web").get("subsets")


def test_a_slice_belongs_to_its_service(world: World) -> None:
    service = world.create(SERVICE)
    metadata = only(world)["metadata"]
    assert metadata["name"].startswith("web-")
    assert metadata["labels"] == {
        "team": "shop",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert metadata["ownerReferences"][0]["uid"] == service["metadata"]["uid"]


def test_a_pod_is_an_endpoint_from_its_address_and_ready_when_it_is(world: World) -> None:
    world.create(SERVICE)
    world.create(POD)
    assert conditions(world) == {"ready": False, "serving": False, "terminating": False}
    world.run(10)
    assert conditions(world) == {"ready": True, "serving": True, "terminating": False}
    pod = world.pod()
    (endpoint,) = only(world)["endpoints"]
    assert endpoint["addresses"] == [pod["status"]["podIP"]]
    assert endpoint["nodeName"] == "node-1"
    assert endpoint["targetRef"] == {
        "kind": "Pod",
        "name": "web",
        "namespace": "default",
        "uid": pod["metadata"]["uid"],
    }
    assert only(world)["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_a_pod_that_is_leaving_serves_but_is_not_ready() -> None:
    world = World(STEADY.with_("web", stop_seconds=20))
    world.create(SERVICE)
    world.create(POD)
    world.run(10)
    world.delete("Pod", "web")
    assert conditions(world) == {"ready": False, "serving": True, "terminating": True}
    assert not world.get("Endpoints", "web").get("subsets")
    world.run(30)
    assert not only(world).get("endpoints")


def test_a_pod_that_stops_to_be_ready_leaves_the_ready_ones() -> None:
    world = World(STEADY.with_("web", fails_after=20))
    world.create(SERVICE)
    world.create(POD)
    world.run(10)
    assert world.get("Endpoints", "web")["subsets"][0]["addresses"][0]["targetRef"]["name"] == "web"
    world.run(20)
    assert conditions(world)["ready"] is False
    (subset,) = world.get("Endpoints", "web")["subsets"]
    assert "addresses" not in subset
    assert subset["notReadyAddresses"][0]["ip"] == world.pod()["status"]["podIP"]


def test_a_pod_that_changes_its_labels_leaves(world: World) -> None:
    world.create(SERVICE)
    world.create(POD)
    world.run(10)
    world.patch("Pod", "web", {"metadata": {"labels": {"app": "other"}}})
    assert not only(world).get("endpoints")


def test_a_pod_without_the_named_port_has_a_slice_without_it(world: World) -> None:
    world.create(SERVICE)
    world.create(POD)
    bare = {"containers": [{"name": "web", "image": "web:1"}]}
    world.create(POD, metadata={"name": "bare", "labels": {"app": "web"}}, spec=bare)
    world.run(10)
    ports = sorted(len(each.get("ports") or []) for each in slices(world))
    assert ports == [0, 1]


def test_a_service_may_publish_pods_before_they_are_ready(world: World) -> None:
    world.create(SERVICE, spec={"selector": {"app": "web"}, "publishNotReadyAddresses": True,
                                "clusterIP": "None"})  # fmt: skip
    world.create(POD)
    assert conditions(world) == {"ready": True, "serving": False, "terminating": False}
    assert only(world)["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_a_pod_below_its_service_has_a_hostname(world: World) -> None:
    world.create(SERVICE, spec={"selector": {"app": "web"}, "clusterIP": "None"})
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    world.create(POD, spec={**spec, "hostname": "web-0", "subdomain": "web"})
    world.run(10)
    assert only(world)["endpoints"][0]["hostname"] == "web-0"


def test_without_a_selector_endpoints_are_someone_elses(world: World) -> None:
    world.create(SERVICE, spec={"ports": [{"port": 80}]})
    assert slices(world) == []
    assert world.find("Endpoints", "web") is None


def test_the_endpoints_of_a_deleted_service_go(world: World) -> None:
    world.create(SERVICE)
    world.create(POD)
    world.run(10)
    world.delete("Service", "web")
    assert slices(world) == []
    assert world.find("Endpoints", "web") is None


def test_a_slice_that_was_tampered_with_is_put_right(world: World) -> None:
    world.create(SERVICE)
    world.create(POD)
    world.run(10)
    before = only(world)
    world.patch("EndpointSlice", before["metadata"]["name"], {"endpoints": []})
    assert only(world)["endpoints"] == before["endpoints"]
    world.delete("EndpointSlice", before["metadata"]["name"])
    assert only(world)["endpoints"] == before["endpoints"]


def test_a_slice_holds_a_hundred_endpoints_at_most() -> None:
    world = World(nodes=2)
    world.create(SERVICE)
    for number in range(MOST + 5):
        world.create(POD, metadata={"name": f"web-{number:03}", "labels": {"app": "web"}})
    world.run(10)
    assert sorted(len(each["endpoints"]) for each in slices(world)) == [5, MOST]


def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    world.create(SERVICE)
    world.create(POD)
    world.run(10)
    before = world.api.store.revision
    world.patch("Pod", "web", {"metadata": {"annotations": {"note": "hello"}}})
    assert world.api.store.revision == before + 1
