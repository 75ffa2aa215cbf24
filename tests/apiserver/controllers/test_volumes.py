"""Claims get volumes, and take them along."""

from __future__ import annotations

import pytest

from gitops_lab.model import Object
from tests.apiserver.controllers.world import World

CLAIM = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}}"
SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("extra", [{}, {"storageClassName": "fast"}])
def test_a_claim_is_bound_to_a_volume_of_its_own(world: World, extra: Object) -> None:
    world.create(CLAIM, spec={**SPEC, **extra})
    claim = world.get("PersistentVolumeClaim", "data")
    volume = world.get("PersistentVolume", f"pvc-{claim['metadata']['uid']}")
    assert claim["status"] == {
        "phase": "Bound",
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
    }
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]
    assert volume["status"]["phase"] == "Bound"
    assert volume["spec"].get("storageClassName") == extra.get("storageClassName")


def test_the_volume_goes_with_its_claim(world: World) -> None:
    world.create(CLAIM, spec=SPEC)
    world.delete("PersistentVolumeClaim", "data")
    assert world.all("PersistentVolume") == []


def test_a_claim_of_the_same_name_gets_a_new_volume(world: World) -> None:
    world.create(CLAIM, spec=SPEC)
    before = world.get("PersistentVolumeClaim", "data")["spec"]["volumeName"]
    world.delete("PersistentVolumeClaim", "data")
    world.create(CLAIM, spec=SPEC)
    (volume,) = world.all("PersistentVolume")
    assert volume["metadata"]["name"] != before


def test_a_claim_without_a_class_waits_for_a_volume_made_by_hand(world: World) -> None:
    world.create(CLAIM, spec={**SPEC, "storageClassName": ""})
    world.run(100)
    assert world.get("PersistentVolumeClaim", "data")["status"]["phase"] == "Pending"
    assert world.reasons("data", kind="PersistentVolumeClaim") == ["FailedBinding"]


def test_a_stateful_sets_claims_are_bound(world: World) -> None:
    labels = {"app": "db"}
    mounts = [{"name": "data", "mountPath": "/data"}]
    container = {"name": "db", "image": "db:1", "volumeMounts": mounts}
    world.create(
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}}",
        spec={
            "serviceName": "db",
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": SPEC}],
        },
    )
    world.run(60)
    assert world.get("StatefulSet", "db")["status"]["readyReplicas"] == 2
    phases = [each["status"]["phase"] for each in world.all("PersistentVolumeClaim")]
    assert phases == ["Bound", "Bound"]
