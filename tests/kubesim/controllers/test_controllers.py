"""All control loops of a cluster together."""

from __future__ import annotations

import json
from random import Random

import pytest

from gitops_lab.model import Object
from kubesim.api import Api, bootstrap
from kubesim.clock import EPOCH
from kubesim.controllers import Controllers


class World:
    """A cluster of two nodes on a clock that jumps from one due instant to the next."""

    def __init__(self, seed: int = 1) -> None:
        self.now, self.steps = EPOCH, 0
        self.api = Api(now=lambda: self.now, rng=Random(seed))
        bootstrap(self.api)
        self.controllers = Controllers(self.api, rng=Random(seed), nodes=2)
        self.run(1)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.controllers.step(self.now)) is not None and due <= end:
            self.now, self.steps = max(due, self.now), self.steps + 1
        self.now = end

    def create(self, api_version: str, kind: str, spec: Object, name: str = "web") -> None:
        resource = self.api.registry.by_kind(api_version, kind)
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.api.create(resource, body, namespace="default")

    def get(self, api_version: str, kind: str, name: str = "web") -> Object:
        resource = self.api.registry.by_kind(api_version, kind)
        return self.api.get(resource, name, namespace="default")

    def pods(self) -> list[Object]:
        return self.api.store.list("", "pods", "default")


def template(image: str, **spec: str) -> Object:
    labels = {"metadata": {"labels": {"app": "web"}}}
    return {**labels, "spec": {"containers": [{"name": "web", "image": image}], **spec}}


def deployment(image: str, replicas: int = 3) -> Object:
    selector = {"matchLabels": {"app": "web"}}
    return {"replicas": replicas, "selector": selector, "template": template(image)}


def set_image(world: World, image: str) -> None:
    resource = world.api.registry.by_kind("apps/v1", "Deployment")
    live = world.get("apps/v1", "Deployment")
    spec = {**live["spec"], "template": template(image)}
    world.api.update(resource, "web", {**live, "spec": spec}, namespace="default")


@pytest.fixture
def world() -> World:
    return World()


def test_a_deployment_becomes_available_and_rolls_to_the_next_image(world: World) -> None:
    world.create("apps/v1", "Deployment", deployment("web:1"))
    world.run(60)
    assert world.get("apps/v1", "Deployment")["status"]["availableReplicas"] == 3
    set_image(world, "web:2")
    world.run(60)
    assert [pod["spec"]["containers"][0]["image"] for pod in world.pods()] == ["web:2"] * 3
    status = world.get("apps/v1", "Deployment")["status"]
    assert (status["availableReplicas"], status["updatedReplicas"]) == (3, 3)


def test_an_image_that_does_not_exist_stops_the_rollout_and_the_revert_ends_it(
    world: World,
) -> None:
    world.create("apps/v1", "Deployment", deployment("web:1"))
    world.run(60)
    set_image(world, "web:does-not-exist")
    world.run(700)
    status = world.get("apps/v1", "Deployment")["status"]
    reasons = {each["type"]: each["reason"] for each in status["conditions"]}
    assert status["availableReplicas"] == 3
    assert reasons["Progressing"] == "ProgressDeadlineExceeded"
    set_image(world, "web:1")
    world.run(60)
    assert [pod["spec"]["containers"][0]["image"] for pod in world.pods()] == ["web:1"] * 3


def test_a_deleted_deployment_takes_its_pods_along(world: World) -> None:
    world.create("apps/v1", "Deployment", deployment("web:1"))
    world.run(60)
    resource = world.api.registry.by_kind("apps/v1", "Deployment")
    world.api.delete(resource, "web", namespace="default")
    world.run(60)
    assert world.pods() == []
    assert world.api.store.list("apps", "replicasets", "default") == []


def test_a_stateful_set_comes_up_in_order(world: World) -> None:
    spec = {**deployment("web:1"), "serviceName": "web"}
    world.create("apps/v1", "StatefulSet", spec)
    world.run(60)
    assert world.get("apps/v1", "StatefulSet")["status"]["availableReplicas"] == 3
    starts = [pod["metadata"]["creationTimestamp"] for pod in world.pods()]
    assert starts == sorted(starts)
    assert len(set(starts)) == 3


def test_a_daemon_set_runs_on_every_node(world: World) -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template("web:1")}
    world.create("apps/v1", "DaemonSet", spec)
    world.run(60)
    assert world.get("apps/v1", "DaemonSet")["status"]["numberAvailable"] == 2
    assert len({pod["spec"]["nodeName"] for pod in world.pods()}) == 2


def test_nothing_is_written_but_expiring_events_once_all_is_quiet(world: World) -> None:
    world.create("apps/v1", "Deployment", deployment("web:1"))
    world.run(2 * 3600)
    revision, steps = world.api.store.revision, world.steps
    world.run(24 * 3600)
    assert world.api.store.revision == revision
    assert world.steps == steps


def test_the_same_seed_gives_the_same_bytes() -> None:
    def history(seed: int) -> str:
        world = World(seed)
        world.create("apps/v1", "Deployment", deployment("web:1"))
        world.run(30)
        set_image(world, "web:crash")
        world.run(300)
        return json.dumps([event.object for event in world.api.store.events(1)])

    assert history(7) == history(7)
    assert history(7) != history(8)
