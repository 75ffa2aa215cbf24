"""HorizontalPodAutoscalers follow a declared load."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.controllers.figures import LOAD
from tests.kubesim.controllers.world import STEADY, World, condition

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'web:1', resources: {requests: {cpu: 100m}}}]
"""

AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
"""

HALF = {"type": "Utilization", "averageUtilization": 50}


def autoscale(world: World, target: Object = HALF, **spec: Any) -> None:
    world.create(
        AUTOSCALER,
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 10,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            **spec,
        },
    )


def load(world: World, amount: str | None) -> None:
    world.patch("Deployment", "web", {"metadata": {"annotations": {LOAD: amount}}})


def size(world: World) -> int:
    replicas: int = world.get("Deployment", "web")["spec"]["replicas"]
    return replicas


def status(world: World, type: str) -> tuple[str, str]:
    found = condition(world.get("HorizontalPodAutoscaler", "web"), type)
    return found["status"], found["reason"]


@pytest.fixture
def world() -> World:
    world = World()
    world.create(DEPLOYMENT)
    world.run(10)
    return world


def test_more_load_makes_more_pods(world: World) -> None:
    load(world, "200m")
    autoscale(world)
    world.run(30)
    assert size(world) == 4
    assert (
        "SuccessfulRescale: New size: 4; reason: "
        "cpu resource utilization (percentage of request) above target"
    ) in world.told("web", kind="HorizontalPodAutoscaler")
    world.run(30)
    found = world.get("HorizontalPodAutoscaler", "web")["status"]
    assert (found["currentReplicas"], found["desiredReplicas"]) == (4, 4)
    assert found["currentMetrics"][0]["resource"]["current"] == {
        "averageUtilization": 50,
        "averageValue": "50m",
    }
    assert status(world, "AbleToScale") == ("True", "ReadyForNewScale")
    assert status(world, "ScalingActive") == ("True", "ValidMetricFound")
    assert status(world, "ScalingLimited") == ("False", "DesiredWithinRange")


def test_it_looks_every_fifteen_seconds(world: World) -> None:
    load(world, "200m")
    autoscale(world)
    assert world.until(lambda: size(world) == 4) == 15


@pytest.mark.parametrize(("amount", "expected"), [("109m", 2), ("91m", 2), ("111m", 3)])
def test_a_tenth_more_or_less_is_tolerated(world: World, amount: str, expected: int) -> None:
    load(world, amount)
    autoscale(world)
    world.run(120)
    assert size(world) == expected


def test_less_load_is_believed_after_five_minutes(world: World) -> None:
    load(world, "300m")
    autoscale(world)
    world.run(120)
    assert size(world) == 6
    load(world, "100m")
    world.run(250)
    assert size(world) == 6
    assert status(world, "AbleToScale") == ("True", "ScaleDownStabilized")
    world.run(100)
    assert size(world) == 2
    assert "SuccessfulRescale: New size: 2; reason: All metrics below target" in world.told(
        "web", kind="HorizontalPodAutoscaler"
    )


def test_scaling_up_at_most_doubles_each_time(world: World) -> None:
    load(world, "5")
    autoscale(world, maxReplicas=50)
    world.run(16)
    assert size(world) == 4
    assert status(world, "ScalingLimited") == ("True", "ScaleUpLimit")
    world.run(15)
    assert size(world) == 8
    world.run(120)
    assert size(world) == 50
    assert status(world, "ScalingLimited") == ("True", "TooManyReplicas")


@pytest.mark.parametrize(("least", "most", "expected"), [(3, 10, 3), (1, 1, 1)])
def test_without_a_declared_load_only_the_bounds_decide(
    world: World, least: int, most: int, expected: int
) -> None:
    autoscale(world, minReplicas=least, maxReplicas=most)
    world.run(60)
    assert size(world) == expected


def test_without_a_declared_load_the_size_is_kept(world: World) -> None:
    autoscale(world)
    world.run(1000)
    assert size(world) == 2


def test_an_images_own_load_counts_for_each_pod() -> None:
    world = World(STEADY.with_("web", cpu=90))
    world.create(DEPLOYMENT)
    world.run(10)
    autoscale(world)
    world.run(40)
    assert size(world) > 2
    world.run(300)
    assert size(world) == 10  # more pods do not make each of them use less


def test_an_average_value_needs_no_requests(world: World) -> None:
    load(world, "120m")
    autoscale(world, {"type": "AverageValue", "averageValue": "20m"})
    world.run(60)
    assert size(world) == 6


def test_a_missing_request_is_named(world: World) -> None:
    bare = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}}}
    world.patch("Deployment", "web", bare)
    load(world, "100m")
    world.run(30)
    autoscale(world)
    world.run(30)
    assert status(world, "ScalingActive") == ("False", "FailedGetResourceMetric")
    pod = world.all("Pod")[0]["metadata"]["name"]
    message = condition(world.get("HorizontalPodAutoscaler", "web"), "ScalingActive")["message"]
    assert message == (
        "the HPA was unable to compute the replica count: failed to get cpu utilization: "
        f"missing request for cpu in container web of Pod {pod}"
    )


def test_a_workload_at_zero_is_left_there(world: World) -> None:
    world.patch("Deployment", "web", {"spec": {"replicas": 0}})
    autoscale(world)
    world.run(60)
    assert size(world) == 0
    assert status(world, "ScalingActive") == ("False", "ScalingDisabled")


def test_a_target_that_is_missing_is_told_and_found_later() -> None:
    world = World()
    autoscale(world)
    world.run(30)
    assert status(world, "AbleToScale") == ("False", "FailedGetScale")
    world.create(DEPLOYMENT)
    world.run(60)
    assert status(world, "AbleToScale") == ("True", "ReadyForNewScale")


def test_policies_of_its_own_slow_it_down(world: World) -> None:
    slow = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    load(world, "400m")
    autoscale(world, behavior={"scaleUp": slow})
    world.run(16)
    assert size(world) == 3
    world.run(40)
    assert size(world) == 3
    world.run(20)
    assert size(world) == 4


def test_scaling_down_can_be_forbidden(world: World) -> None:
    load(world, "10m")
    autoscale(world, behavior={"scaleDown": {"selectPolicy": "Disabled"}})
    world.run(900)
    assert size(world) == 2


def test_pods_that_start_are_not_taken_for_idle_ones(world: World) -> None:
    load(world, "200m")
    autoscale(world)
    world.run(16)
    assert size(world) == 4
    world.run(1)  # two of four are not ready: the others carry all of the load
    world.run(14)
    assert size(world) == 4


def test_it_writes_nothing_while_the_load_stays(world: World) -> None:
    load(world, "100m")
    autoscale(world)
    world.run(4000)
    before = world.api.store.revision
    world.run(4000)
    assert world.api.store.revision == before
