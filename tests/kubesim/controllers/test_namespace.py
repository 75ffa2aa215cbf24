"""Namespaces take everything in them along, pods first."""

from __future__ import annotations

import pytest

from tests.kubesim.controllers.world import STEADY, World, condition

SPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"
CONFIG = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: 'web:1'}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'web:1'}]}
"""


@pytest.fixture
def world() -> World:
    world = World(STEADY.with_("*", stop_seconds=5))
    world.create(SPACE)
    return world


def content(world: World) -> list[str]:
    return sorted(
        f"{resource.kind} {obj['metadata']['name']}"
        for resource in world.api.registry.all()
        if resource.namespaced
        for obj in world.api.store.list(resource.group, resource.plural, "shop")
    )


def test_an_empty_namespace_goes_at_once(world: World) -> None:
    assert content(world) != []
    world.delete("Namespace", "shop")
    assert world.find("Namespace", "shop") is None
    assert content(world) == []


def test_everything_goes_and_pods_go_first(world: World) -> None:
    world.create(DEPLOYMENT, namespace="shop")
    world.create(CONFIG, namespace="shop")
    world.run(10)
    world.delete("Namespace", "shop")
    space = world.get("Namespace", "shop")
    assert space["status"]["phase"] == "Terminating"
    assert condition(space, "NamespaceContentRemaining")["message"] == (
        "Some resources are remaining: pods. has 2 resource instances"
    )
    assert "ConfigMap settings" in content(world)
    world.run(5)
    assert world.find("Namespace", "shop") is None
    assert content(world) == []


def test_a_finalizer_in_it_keeps_a_namespace_and_is_named(world: World) -> None:
    keep = {"name": "settings", "finalizers": ["example.org/keep"]}
    world.create(CONFIG, metadata=keep, namespace="shop")
    world.delete("Namespace", "shop")
    space = world.get("Namespace", "shop")
    assert condition(space, "NamespaceFinalizersRemaining")["message"] == (
        "Some content in the namespace has finalizers remaining: "
        "example.org/keep in 1 resource instances"
    )
    assert content(world) == ["ConfigMap settings"]
    world.patch("ConfigMap", "settings", {"metadata": {"finalizers": None}}, namespace="shop")
    assert world.find("Namespace", "shop") is None


def test_other_namespaces_are_left_alone(world: World) -> None:
    world.create(CONFIG)
    world.delete("Namespace", "shop")
    world.run(10)
    assert world.find("ConfigMap", "settings") is not None


def test_a_waiting_namespace_is_not_written_again_and_again(world: World) -> None:
    keep = {"name": "settings", "finalizers": ["example.org/keep"]}
    world.create(CONFIG, metadata=keep, namespace="shop")
    world.delete("Namespace", "shop")
    before = world.api.store.revision
    world.run(1000)
    assert world.api.store.revision == before


def test_a_namespace_can_come_again_with_the_same_name(world: World) -> None:
    world.create(POD, namespace="shop")
    world.run(10)
    world.delete("Namespace", "shop")
    world.run(10)
    world.create(SPACE)
    world.create(POD, namespace="shop")
    world.run(10)
    assert world.get("Pod", "web", namespace="shop")["status"]["phase"] == "Running"
