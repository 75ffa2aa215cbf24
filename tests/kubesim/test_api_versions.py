"""Objects that are stored in one API version and served in two."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, copied
from kubesim.api import Options
from tests.kubesim.world import World

V1, V2 = "autoscaling/v1", "autoscaling/v2"
HELD = "autoscaling.alpha.kubernetes.io/"
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
}


@pytest.fixture
def world() -> World:
    return World()


def autoscaler(api_version: str, **spec: Any) -> Object:
    return {
        "apiVersion": api_version,
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 5,
            **spec,
        },
    }


def cpu(percentage: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": percentage}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def read(world: World, api_version: str) -> Object:
    resource = world.resource("HorizontalPodAutoscaler", api_version)
    return world.api.get(resource, "web", namespace="default")


def test_what_is_written_in_one_version_is_read_in_the_other(world: World) -> None:
    made = world.create(autoscaler(V1, targetCPUUtilizationPercentage=60))
    assert made["apiVersion"] == V1
    assert made["spec"]["targetCPUUtilizationPercentage"] == 60
    newer = read(world, V2)
    assert newer["apiVersion"] == V2
    assert newer["spec"]["metrics"] == [cpu(60)]
    assert newer["metadata"]["uid"] == made["metadata"]["uid"]


def test_each_version_has_its_defaults(world: World) -> None:
    made = world.create(autoscaler(V1))
    assert made["spec"]["minReplicas"] == 1
    assert made["spec"]["targetCPUUtilizationPercentage"] == 80


def test_what_the_old_version_cannot_say_it_holds_in_annotations(world: World) -> None:
    metrics = [MEMORY, cpu(50)]
    world.create(autoscaler(V2, metrics=metrics, behavior={"scaleDown": {}}))
    older = read(world, V1)
    assert older["spec"]["targetCPUUtilizationPercentage"] == 50
    assert older["metadata"]["annotations"].keys() == {HELD + "metrics", HELD + "behavior"}
    assert "annotations" not in read(world, V2)["metadata"]
    older = copied(older)
    older["spec"]["maxReplicas"] = 9
    world.update(older)
    newer = read(world, V2)
    assert newer["spec"]["maxReplicas"] == 9
    assert newer["spec"]["metrics"] == [cpu(50), MEMORY]
    assert newer["spec"]["behavior"]["scaleDown"]["selectPolicy"] == "Max"


def test_a_write_of_what_was_read_changes_nothing_in_any_version(world: World) -> None:
    world.create(autoscaler(V2, metrics=[cpu(50), MEMORY], behavior={"scaleUp": {}}))
    status = {
        "status": {
            "currentReplicas": 1,
            "desiredReplicas": 1,
            "currentMetrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "current": {"averageUtilization": 40}},
                }
            ],
            "conditions": [{"type": "AbleToScale", "status": "True"}],
        }
    }
    newer = world.resource("HorizontalPodAutoscaler", V2)
    world.api.patch(newer, "web", status, type="merge", namespace="default", subresource="status")
    assert read(world, V1)["status"]["currentCPUUtilizationPercentage"] == 40
    revision = world.api.store.revision
    for version in (V1, V2):
        world.update(read(world, version))
        world.update(read(world, version), "status")
    assert world.api.store.revision == revision


def test_a_patch_speaks_the_version_of_its_request(world: World) -> None:
    world.create(autoscaler(V2, metrics=[cpu(50)]))
    older = world.resource("HorizontalPodAutoscaler", V1)
    patch = {"spec": {"targetCPUUtilizationPercentage": 70}}
    after = world.api.patch(older, "web", patch, type="merge", namespace="default")
    assert after["spec"]["targetCPUUtilizationPercentage"] == 70
    assert read(world, V2)["spec"]["metrics"] == [cpu(70)]


def test_an_apply_in_the_old_version_is_repeated_without_a_write(world: World) -> None:
    config = autoscaler(V1, targetCPUUtilizationPercentage=60)
    made = world.apply(config)
    assert made["apiVersion"] == V1
    revision = world.api.store.revision
    world.api._applied.clear()
    assert world.apply(config) == made
    assert world.api.store.revision == revision
    assert world.apply(autoscaler(V1, targetCPUUtilizationPercentage=70))["spec"] == {
        **made["spec"],
        "targetCPUUtilizationPercentage": 70,
    }


def test_an_update_from_an_old_state_is_a_conflict_in_any_version(world: World) -> None:
    world.create(autoscaler(V2))
    old = read(world, V1)
    world.apply(autoscaler(V2, maxReplicas=7), force=True)
    with pytest.raises(ApiError, match="the object has been modified"):
        world.update(old)


def test_lists_and_watches_speak_the_version_of_their_request(world: World) -> None:
    older = world.resource("HorizontalPodAutoscaler", V1)
    watch = world.api.watch(older)
    world.create(autoscaler(V2, metrics=[cpu(50)]))
    found = world.api.list(older)
    assert found["apiVersion"] == V1
    for obj in (found["items"][0], watch.poll()[0]["object"]):
        assert obj["apiVersion"] == V1
        assert obj["spec"]["targetCPUUtilizationPercentage"] == 50


def test_a_bad_annotation_is_no_metric(world: World) -> None:
    body = autoscaler(V1, targetCPUUtilizationPercentage=60)
    body["metadata"]["annotations"] = {HELD + "metrics": "no JSON"}
    world.create(body)
    assert read(world, V2)["spec"]["metrics"] == [cpu(60)]


def test_events_are_one_thing_under_two_names(world: World) -> None:
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "web.1"},
        "eventTime": "2026-01-05T09:00:00.000000Z",
        "reportingController": "example.com/scaler",
        "reportingInstance": "scaler-1",
        "action": "Scale",
        "reason": "Scaled",
        "note": "up",
        "type": "Normal",
        "regarding": {"kind": "Deployment", "name": "web", "namespace": "default"},
    }
    made = world.create(body)
    assert made["note"] == "up"
    core, newer = world.resource("Event", "v1"), world.resource("Event", "events.k8s.io/v1")
    [event] = world.api.list(core, fields="involvedObject.name=web")["items"]
    assert (event["message"], event["reportingComponent"]) == ("up", "example.com/scaler")
    [event] = world.api.list(newer, fields="regarding.name=web")["items"]
    assert event["regarding"]["name"] == "web"
    with pytest.raises(ApiError, match="field label not supported: involvedObject"):
        world.api.list(newer, fields="involvedObject.name=web")
    world.api.delete(newer, "web.1", namespace="default", options=Options())
    assert world.api.list(core)["items"] == []
