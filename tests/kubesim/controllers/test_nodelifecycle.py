"""Nodes that are cut off are taken for lost, and their pods are given up after a while."""

from __future__ import annotations

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.clock import timestamp
from kubesim.controllers.heartbeat import LASTS
from kubesim.controllers.nodelifecycle import GRACE, UNREACHABLE
from tests.kubesim.controllers.world import World, condition

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


@pytest.fixture
def world() -> World:
    """Two nodes with a pod on each."""
    world = World(nodes=2)
    world.create(SERVICE)
    world.create(DEPLOYMENT)
    world.run(30)
    assert [at(world, name) for name in ("node-1", "node-2")] == [1, 1]
    return world


def at(world: World, node: str) -> int:
    return len(on(world, node))


def on(world: World, node: str) -> list[Object]:
    return [each for each in world.all("Pod") if each["spec"].get("nodeName") == node]


def ready(world: World, node: str = "node-1") -> str:
    return str(condition(world.get("Node", node), "Ready")["status"])


def effects(world: World, node: str = "node-1") -> list[str]:
    taints = world.get("Node", node)["spec"].get("taints") or []
    return [each["effect"] for each in taints if each["key"] == UNREACHABLE]


def cut(world: World, *nodes: str) -> None:
    for node in nodes or ("node-1",):
        world.controllers.disconnect_node(node)
    world.run()


def test_a_silent_node_is_lost_when_its_grace_is_over(world: World) -> None:
    cut(world)
    world.run(GRACE - 10 - 1)
    assert (ready(world), effects(world)) == ("True", [])
    world.run(11)
    assert (ready(world), effects(world)) == ("Unknown", ["NoSchedule", "NoExecute"])
    node = world.get("Node", "node-1")
    told = condition(node, "MemoryPressure")
    assert (told["status"], told["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert told["message"] == "Kubelet stopped posting node status."
    assert world.told("node-1", kind="Node") == [
        "NodeNotReady: Node node-1 status is now: NodeNotReady"
    ]
    assert ready(world, "node-2") == "True"


def test_its_lease_is_renewed_no_more(world: World) -> None:
    cut(world)
    world.run(3600)
    lease = world.get("Lease", "node-1", namespace="kube-node-lease")
    assert lease["spec"]["renewTime"] < timestamp(world.now - 3600 + LASTS)
    other = world.get("Lease", "node-2", namespace="kube-node-lease")
    assert other["spec"]["renewTime"] > timestamp(world.now - LASTS)


def test_its_pods_get_no_more_traffic_and_are_replaced_after_five_minutes(world: World) -> None:
    (lost,) = on(world, "node-1")
    cut(world)
    world.run(GRACE)
    assert condition(world.pod(lost["metadata"]["name"]), "Ready")["status"] == "False"
    (subset,) = world.get("Endpoints", "web")["subsets"]
    assert len(subset["addresses"]) == len(subset["notReadyAddresses"]) == 1
    assert world.reasons(lost["metadata"]["name"])[-1] == "NodeNotReady"
    world.run(290)
    assert "deletionTimestamp" not in world.pod(lost["metadata"]["name"])["metadata"]
    world.run(60)
    gone = world.pod(lost["metadata"]["name"])
    assert "deletionTimestamp" in gone["metadata"], "its end is not confirmed"
    assert condition(gone, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
    assert world.told(lost["metadata"]["name"])[-1] == (
        f"TaintManagerEviction: Marking for deletion Pod default/{lost['metadata']['name']}"
    )
    assert at(world, "node-2") == 2
    assert world.get("Deployment", "web")["status"]["availableReplicas"] == 2


def test_a_node_that_is_back_is_as_before_and_ends_what_was_given_up(world: World) -> None:
    (lost,) = on(world, "node-1")
    cut(world)
    world.run(600)
    world.controllers.reconnect_node("node-1")
    world.run(60)
    assert (ready(world), effects(world)) == ("True", [])
    assert world.find("Pod", lost["metadata"]["name"]) is None
    assert world.reasons("node-1", kind="Node") == ["NodeNotReady", "NodeReady"]


def test_who_is_back_in_time_keeps_its_pods(world: World) -> None:
    (pod,) = on(world, "node-1")
    cut(world)
    world.run(200)
    world.controllers.reconnect_node("node-1")
    world.run(600)
    kept = world.pod(pod["metadata"]["name"])
    assert kept["metadata"]["uid"] == pod["metadata"]["uid"]
    assert condition(kept, "Ready")["status"] == "True"
    assert world.told(pod["metadata"]["name"])[-1].startswith(
        "TaintManagerEviction: Cancelling deletion of Pod"
    )


def test_a_short_interruption_is_not_noticed(world: World) -> None:
    before = [each["metadata"]["resourceVersion"] for each in world.all("Node", namespace=None)]
    cut(world)
    world.run(30)
    world.controllers.reconnect_node("node-1")
    world.run(300)
    nodes = world.api.store.list("", "nodes")
    assert [each["metadata"]["resourceVersion"] for each in nodes] == before


def test_if_no_node_is_left_nothing_is_given_up(world: World) -> None:
    cut(world, "node-1", "node-2")
    world.run(3600)
    assert effects(world) == effects(world, "node-2") == ["NoSchedule"]
    assert not any("deletionTimestamp" in each["metadata"] for each in world.all("Pod"))


def test_nothing_answers_on_a_node_that_is_cut_off(world: World) -> None:
    (pod,) = on(world, "node-1")
    name = pod["metadata"]["name"]
    assert world.kubelet.processes("default", name) and world.kubelet.answer("default", name)
    cut(world)
    assert world.kubelet.processes("default", name) == []
    assert world.kubelet.answer("default", name) is None


def test_nothing_new_is_put_on_a_lost_node(world: World) -> None:
    cut(world)
    world.run(GRACE)
    world.patch("Deployment", "web", {"spec": {"replicas": 5}})
    world.run(30)
    assert (at(world, "node-1"), at(world, "node-2")) == (1, 4)


def test_a_lost_node_can_be_deleted(world: World) -> None:
    cut(world)
    world.run(600)
    world.delete("Node", "node-1")
    world.run(60)
    assert at(world, "node-2") == 2
    assert not world.kubelet.is_cut_off("node-1")


def test_there_is_no_cable_to_a_node_that_is_not_there(world: World) -> None:
    with pytest.raises(ApiError) as caught:
        world.controllers.disconnect_node("node-9")
    assert caught.value.message == 'nodes "node-9" not found'
    world.controllers.reconnect_node("node-9")
    world.run(60)


POD = "{apiVersion: v1, kind: Pod, metadata: {name: web}}"
TAINT = {"key": "only", "value": "batch", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "seconds"),
    [
        ({}, 0),
        ({"key": "only", "operator": "Exists"}, None),
        (
            {"key": "only", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 100},
            100,
        ),
        ({"key": "only", "value": "other"}, 0),
        ({"key": "only", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": -5}, 0),
    ],
)
def test_a_taint_of_this_effect_ends_who_does_not_tolerate_it(
    toleration: Object, seconds: int | None
) -> None:
    world = World(nodes=2)
    spec = {"nodeName": "node-2", "containers": [{"name": "web", "image": "web:1"}]}
    world.create(POD, spec={**spec, "tolerations": [toleration] if toleration else []})
    world.run(10)
    world.patch("Node", "node-2", {"spec": {"taints": [TAINT]}})
    if seconds:
        world.run(seconds - 1)
        assert "deletionTimestamp" not in world.pod()["metadata"]
        world.run(1)
    is_told = any("Marking for deletion" in each for each in world.told("web"))
    assert is_told == (seconds is not None)


def test_a_cordoned_node_has_a_taint_until_it_is_uncordoned() -> None:
    world = World()
    world.patch("Node", "node-1", {"spec": {"unschedulable": True}})
    (taint,) = world.get("Node", "node-1")["spec"]["taints"]
    assert (taint["key"], taint["effect"]) == ("node.kubernetes.io/unschedulable", "NoSchedule")
    assert "timeAdded" in taint
    world.patch("Node", "node-1", {"spec": {"unschedulable": None}})
    assert "taints" not in world.get("Node", "node-1")["spec"]
