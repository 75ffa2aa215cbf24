"""PodDisruptionBudgets count how many healthy pods can be spared."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from tests.kubesim.controllers.world import STEADY, World, condition

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 5
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'web:1'}]}
"""
BUDGET = "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}}"
POD = "{apiVersion: v1, kind: Pod, metadata: {name: lone, labels: {app: web}}}"


def budget(world: World, **bounds: Any) -> None:
    world.create(BUDGET, spec={"selector": {"matchLabels": {"app": "web"}}, **bounds})


def counts(world: World) -> Object:
    status: Object = world.get("PodDisruptionBudget", "web")["status"]
    names = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    return {name: status[name] for name in names}


@pytest.mark.parametrize(
    ("bounds", "expected", "desired", "allowed"),
    [
        ({"minAvailable": 3}, 5, 3, 2),
        ({"minAvailable": "50%"}, 5, 3, 2),
        ({"maxUnavailable": 1}, 5, 4, 1),
        ({"maxUnavailable": "30%"}, 5, 3, 2),
        ({"minAvailable": 9}, 5, 9, 0),
    ],
)
def test_bounds_give_counts(
    bounds: dict[str, Any], expected: int, desired: int, allowed: int
) -> None:
    world = World()
    world.create(DEPLOYMENT)
    budget(world, **bounds)
    world.run(10)
    assert counts(world) == {
        "expectedPods": expected,
        "desiredHealthy": desired,
        "currentHealthy": 5,
        "disruptionsAllowed": allowed,
    }


def test_pods_that_are_not_ready_are_not_healthy() -> None:
    world = World()
    world.create(DEPLOYMENT)
    budget(world, minAvailable=1)
    assert counts(world)["currentHealthy"] == 0
    allowed = condition(world.get("PodDisruptionBudget", "web"), "DisruptionAllowed")
    assert (allowed["status"], allowed["reason"]) == ("False", "InsufficientPods")
    world.run(10)
    allowed = condition(world.get("PodDisruptionBudget", "web"), "DisruptionAllowed")
    assert (allowed["status"], allowed["reason"]) == ("True", "SufficientPods")


def test_a_pod_that_is_leaving_is_not_healthy() -> None:
    world = World(STEADY.with_("web", stop_seconds=20))
    world.create(DEPLOYMENT)
    budget(world, maxUnavailable=1)
    world.run(10)
    world.delete("Pod", world.all("Pod")[0]["metadata"]["name"])
    assert counts(world)["disruptionsAllowed"] == 0
    world.run(30)
    assert counts(world)["disruptionsAllowed"] == 1


def test_a_workload_that_is_resized_moves_the_expectation() -> None:
    world = World()
    world.create(DEPLOYMENT)
    budget(world, maxUnavailable=1)
    world.run(10)
    world.patch("Deployment", "web", {"spec": {"replicas": 8}})
    assert counts(world)["expectedPods"] == 8
    world.run(10)
    assert counts(world)["disruptionsAllowed"] == 1


def test_a_pod_on_its_own_counts_as_one() -> None:
    world = World()
    world.create(POD, spec={"containers": [{"name": "web", "image": "web:1"}]})
    budget(world, maxUnavailable=1)
    world.run(10)
    assert counts(world)["expectedPods"] == 1
    assert counts(world)["disruptionsAllowed"] == 1


def test_a_budget_without_pods_allows_nothing() -> None:
    world = World()
    budget(world, minAvailable=0)
    assert counts(world)["disruptionsAllowed"] == 0
