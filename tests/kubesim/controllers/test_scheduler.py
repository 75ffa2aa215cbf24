"""Pods go to a node that fits, or say why none does."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.controllers.placement import requests
from kubesim.quantity import parse
from tests.kubesim.controllers.world import World, condition

POD = "{apiVersion: v1, kind: Pod, metadata: {name: web}}"
PREEMPTION = "no new claims to deallocate, preemption: 0/{n} nodes are available: {why}."


def spec(cpu: str = "", memory: str = "", **more: Any) -> Object:
    asked = {"cpu": cpu, "memory": memory}
    resources = {"requests": {name: amount for name, amount in asked.items() if amount}}
    container = {"name": "web", "image": "web:1", "resources": resources}
    return {"containers": [container], **more}


def create(world: World, name: str = "web", **pod: Any) -> None:
    world.create(POD, metadata={"name": name}, spec=spec(**pod))


def node_of(world: World, name: str = "web") -> str:
    found: str = world.pod(name)["spec"].get("nodeName", "")
    return found


def why(world: World, name: str = "web") -> str:
    scheduled = condition(world.pod(name), "PodScheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Unschedulable")
    message: str = scheduled["message"]
    return message


def test_a_pod_that_asks_too_much_stays_pending_and_says_why() -> None:
    world = World()
    create(world, cpu="9", memory="1Ti")
    message = "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. " + (
        PREEMPTION.format(n=1, why="1 Preemption is not helpful for scheduling")
    )
    assert why(world) == message
    assert world.pod()["status"]["phase"] == "Pending"
    assert world.told("web") == [f"FailedScheduling: {message}"]


def test_a_full_node_is_not_a_hopeless_one() -> None:
    world = World()
    create(world, "first", cpu="5")
    create(world, "second", cpu="5")
    assert why(world, "second") == "0/1 nodes are available: 1 Insufficient cpu. " + (
        PREEMPTION.format(n=1, why="1 No preemption victims found for incoming pod")
    )


def test_room_that_becomes_free_is_used() -> None:
    world = World()
    create(world, "first", cpu="5")
    create(world, "second", cpu="5")
    world.run(10)
    assert not node_of(world, "second")
    world.delete("Pod", "first")
    world.run(2)
    assert node_of(world, "second") == "node-1"
    assert condition(world.pod("second"), "PodScheduled")["status"] == "True"


def test_a_pod_that_has_ended_frees_its_room() -> None:
    world = World()
    create(world, "first", cpu="5", restartPolicy="Never")
    create(world, "second", cpu="5")
    world.run(20)
    assert world.pod("first")["status"]["phase"] == "Succeeded"
    assert node_of(world, "second") == "node-1"


def test_pods_spread_to_the_emptiest_node() -> None:
    world = World(nodes=3)
    for number in range(6):
        create(world, f"web-{number}", cpu="100m")
    nodes = [node_of(world, f"web-{number}") for number in range(6)]
    assert nodes == ["node-1", "node-2", "node-3"] * 2


def test_a_node_selector_decides() -> None:
    world = World(nodes=2)
    world.patch("Node", "node-2", {"metadata": {"labels": {"disk": "ssd"}}})
    create(world, nodeSelector={"disk": "ssd"})
    create(world, "other", nodeSelector={"disk": "tape"})
    assert node_of(world) == "node-2"
    assert why(world, "other").startswith(
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. "
    )
    world.patch("Node", "node-1", {"metadata": {"labels": {"disk": "tape"}}})
    assert node_of(world, "other") == "node-1"


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "disk", "operator": "In", "values": ["ssd"]}, True),
        ({"key": "disk", "operator": "NotIn", "values": ["ssd"]}, False),
        ({"key": "disk", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "DoesNotExist"}, True),
        ({"key": "cores", "operator": "Gt", "values": ["4"]}, True),
        ({"key": "cores", "operator": "Lt", "values": ["4"]}, False),
    ],
)
def test_required_node_affinity_decides(expression: Object, fits: bool) -> None:
    world = World()
    world.patch("Node", "node-1", {"metadata": {"labels": {"disk": "ssd", "cores": "8"}}})
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    create(world, affinity={"nodeAffinity": required})
    assert bool(node_of(world)) is fits


def test_a_taint_keeps_off_who_does_not_tolerate_it() -> None:
    world = World()
    taint = {"key": "only", "value": "gpu", "effect": "NoSchedule"}
    world.patch("Node", "node-1", {"spec": {"taints": [taint]}})
    create(world)
    create(world, "gpu", tolerations=[{"key": "only", "operator": "Equal", "value": "gpu"}])
    assert why(world).startswith("0/1 nodes are available: 1 node(s) had untolerated taint(s). ")
    assert node_of(world, "gpu") == "node-1"
    world.patch("Node", "node-1", {"spec": {"taints": None}})
    assert node_of(world) == "node-1"


def test_a_cordoned_node_takes_no_pods() -> None:
    world = World()
    world.patch("Node", "node-1", {"spec": {"unschedulable": True}})
    create(world)
    assert "1 node(s) were unschedulable" in why(world)
    world.patch("Node", "node-1", {"spec": {"unschedulable": None}})
    assert node_of(world) == "node-1"


def test_a_node_has_places_for_so_many_pods_only() -> None:
    world = World()
    for number in range(110):
        create(world, f"web-{number}")
    create(world, "last")
    assert "1 Too many pods" in why(world, "last")


def test_without_nodes_there_is_nothing_to_schedule_to() -> None:
    world = World(nodes=0)
    create(world)
    assert why(world) == "no nodes available to schedule pods"
    world.create("{apiVersion: v1, kind: Node, metadata: {name: late}}")
    assert node_of(world) == "late"


def test_a_pod_of_another_scheduler_is_left_alone() -> None:
    world = World()
    create(world, schedulerName="mine")
    assert not node_of(world)
    assert world.told("web") == []


def test_a_pod_with_a_node_name_needs_no_scheduler() -> None:
    world = World(nodes=2)
    create(world, nodeName="node-2", cpu="100")
    world.run(10)
    assert world.state() == "running"
    assert "Scheduled" not in world.reasons("web")


def test_the_same_refusal_is_not_written_twice() -> None:
    world = World()
    create(world, cpu="9")
    before = world.pod()["metadata"]["resourceVersion"]
    create(world, "other")
    world.delete("Pod", "other", grace_period=0)
    assert world.pod()["metadata"]["resourceVersion"] == before


def test_requests_are_the_larger_of_start_and_run() -> None:
    def container(cpu: str, **more: Any) -> Object:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "initContainers": [
            container("1", restartPolicy="Always"),
            container("5"),
        ],
        "containers": [container("2"), container("500m")],
        "overhead": {"cpu": "100m"},
    }
    assert requests(spec)["cpu"] == parse("6.1")
    spec["initContainers"] = [container("1", restartPolicy="Always"), container("1")]
    assert requests(spec)["cpu"] == parse("3.6")
