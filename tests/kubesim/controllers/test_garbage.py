"""Dependents go with their owners: in the background, in the foreground, or not at all."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.controllers import Controllers
from kubesim.controllers.pods import is_active
from tests.kubesim.controllers.world import World

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

CONFIG = "{apiVersion: v1, kind: ConfigMap}"


@pytest.fixture
def world() -> World:
    return World()


def reference(owner: Object, **more: Any) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        **more,
    }


def config(world: World, name: str, *owners: Object, **metadata: Any) -> Object:
    references = {"ownerReferences": list(owners)} if owners else {}
    return world.create(CONFIG, metadata={"name": name, **references, **metadata})


def names(world: World) -> list[str]:
    found = [each["metadata"]["name"] for each in world.all("ConfigMap")]
    return [name for name in found if name != "kube-root-ca.crt"]


def test_in_the_background_the_owner_goes_first(world: World) -> None:
    world.create(DEPLOYMENT)
    world.run(10)
    world.delete("Deployment", "web")
    assert world.find("Deployment", "web") is None
    assert world.all("ReplicaSet") == []
    assert not any(is_active(pod) for pod in world.all("Pod"))
    world.run(5)
    assert world.all("Pod") == []


def test_in_the_foreground_the_owner_waits_for_its_dependents(world: World) -> None:
    world.create(DEPLOYMENT)
    world.run(10)
    world.delete("Deployment", "web", propagation="Foreground")
    assert "foregroundDeletion" in world.get("Deployment", "web")["metadata"]["finalizers"]
    assert len(world.all("Pod")) == 2
    world.run(5)
    assert world.all("Pod") == []
    assert world.all("ReplicaSet") == []
    assert world.find("Deployment", "web") is None


def test_orphans_stay_and_forget_their_owner(world: World) -> None:
    world.create(DEPLOYMENT)
    world.run(10)
    world.delete("Deployment", "web", propagation="Orphan")
    world.run(10)
    assert world.find("Deployment", "web") is None
    (replica_set,) = world.all("ReplicaSet")
    assert not replica_set["metadata"].get("ownerReferences")
    assert len(world.all("Pod")) == 2


def test_an_object_goes_when_the_last_of_its_owners_is_gone(world: World) -> None:
    first, second = config(world, "first"), config(world, "second")
    config(world, "both", reference(first), reference(second))
    world.delete("ConfigMap", "first")
    assert world.get("ConfigMap", "both")["metadata"]["ownerReferences"] == [reference(second)]
    world.delete("ConfigMap", "second")
    assert names(world) == []


def test_an_owner_that_never_was_takes_its_dependent_along(world: World) -> None:
    owner = config(world, "owner")
    stranger = {**reference(owner), "uid": "00000000-0000-4000-8000-000000000000"}
    config(world, "lost", stranger)
    assert names(world) == ["owner"]


@pytest.mark.parametrize("change", [{"name": "other"}, {"kind": "Secret"}])
def test_an_owner_must_be_what_the_reference_says(world: World, change: Object) -> None:
    owner = config(world, "owner")
    config(world, "lost", {**reference(owner), **change})
    assert names(world) == ["owner"]


def test_an_owner_in_another_namespace_is_none(world: World) -> None:
    world.create("{apiVersion: v1, kind: Namespace, metadata: {name: far}}")
    owner = world.create(CONFIG, metadata={"name": "owner"}, namespace="far")
    config(world, "lost", reference(owner))
    assert names(world) == []


def test_a_cluster_wide_owner_is_in_reach(world: World) -> None:
    owner = world.get("Namespace", "default")
    config(world, "kept", reference({**owner, "apiVersion": "v1", "kind": "Namespace"}))
    assert names(world) == ["kept"]


def test_an_owner_of_an_unknown_kind_is_left_in_peace(world: World) -> None:
    owner = {"apiVersion": "example.org/v1", "kind": "Thing", "name": "thing", "uid": "1-2-3"}
    config(world, "kept", owner)
    world.run(100)
    assert names(world) == ["kept"]


def test_only_blocking_dependents_are_waited_for(world: World) -> None:
    owner = config(world, "owner")
    keep = {"finalizers": ["example.org/keep"]}
    config(world, "free", reference(owner), **keep)
    config(world, "blocking", reference(owner, blockOwnerDeletion=True), **keep)
    world.delete("ConfigMap", "owner", propagation="Foreground")
    assert names(world) == ["blocking", "free", "owner"]
    world.patch("ConfigMap", "blocking", {"metadata": {"finalizers": None}})
    assert names(world) == ["free"]


def test_a_dependent_that_is_released_no_longer_blocks(world: World) -> None:
    owner = config(world, "owner")
    blocked = reference(owner, blockOwnerDeletion=True)
    config(world, "blocking", blocked, finalizers=["example.org/keep"])
    world.delete("ConfigMap", "owner", propagation="Foreground")
    assert "owner" in names(world)
    world.patch("ConfigMap", "blocking", {"metadata": {"ownerReferences": None}})
    assert names(world) == ["blocking"]


def test_a_chain_of_owners_goes_from_one_end_to_the_other(world: World) -> None:
    owner = config(world, "c0")
    for number in range(1, 20):
        owner = config(world, f"c{number}", reference(owner))
    world.delete("ConfigMap", "c0")
    assert names(world) == []


def test_owners_are_known_to_a_new_garbage_collector(world: World) -> None:
    owner = config(world, "owner")
    config(world, "dependent", reference(owner))
    again = World()
    again.api = world.api
    again.controllers = Controllers(world.api, rng=Random(2))
    resource = world.resource("ConfigMap")
    world.api.delete(resource, "owner", namespace="default")
    again.run()
    with pytest.raises(ApiError):
        world.api.get(resource, "dependent", namespace="default")
