"""Events count what repeats, go after an hour, and never make anyone fail."""

from __future__ import annotations

import re

import pytest

from gitops_lab.model import Object
from kubesim.clock import EPOCH, timestamp
from kubesim.controllers.recorder import Recorder
from tests.kubesim.controllers.world import World

CONFIG = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}"


@pytest.fixture
def world() -> Story:
    return Story()


@pytest.fixture
def settings(world: Story) -> Object:
    return world.create(CONFIG)


class Story(World):
    """A world in which a tester tells Events."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder = Recorder(self.api, "tester")


def record(world: Story, involved: Object, message: str = "it is so", **more: str) -> None:
    world.recorder(involved, world.now, "Told", message, **more)
    world.run()


def found(world: World, namespace: str = "default") -> list[Object]:
    return [each for each in world.all("Event", namespace=namespace) if each["reason"] == "Told"]


def test_an_event_says_what_happened_to_whom(world: Story, settings: Object) -> None:
    record(world, settings, type="Warning", field_path="data{x}", host="node-1")
    (event,) = found(world)
    assert re.fullmatch(r"settings\.[0-9a-f]{16}", event["metadata"]["name"])
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "settings",
        "namespace": "default",
        "uid": settings["metadata"]["uid"],
        "resourceVersion": settings["metadata"]["resourceVersion"],
        "fieldPath": "data{x}",
    }
    assert event["source"] == {"component": "tester", "host": "node-1"}
    assert (event["type"], event["message"], event["count"]) == ("Warning", "it is so", 1)


def test_the_same_again_is_counted(world: Story, settings: Object) -> None:
    for _ in range(3):
        record(world, settings)
        world.run(60)
    (event,) = found(world)
    assert event["count"] == 3
    assert event["firstTimestamp"] == timestamp(EPOCH)
    assert event["lastTimestamp"] == timestamp(EPOCH + 120)


def test_something_else_is_another_event(world: Story, settings: Object) -> None:
    record(world, settings)
    record(world, settings, "it is otherwise")
    record(world, settings, type="Warning")
    record(world, settings, field_path="data{x}")
    assert len(found(world)) == 4


def test_an_object_of_the_same_name_starts_a_story_of_its_own(
    world: Story, settings: Object
) -> None:
    record(world, settings)
    world.delete("ConfigMap", "settings")
    record(world, world.create(CONFIG))
    assert len(found(world)) == 2


def test_what_happens_to_a_cluster_wide_object_is_told_in_default(world: Story) -> None:
    record(world, world.get("Node", "node-1"))
    (event,) = found(world)
    assert event["involvedObject"]["name"] == "node-1"
    assert "namespace" not in event["involvedObject"]


def test_an_event_goes_an_hour_after_it_was_last_told(world: Story, settings: Object) -> None:
    record(world, settings)
    world.run(1800)
    record(world, settings)
    world.run(3500)
    assert len(found(world)) == 1
    world.run(200)
    assert found(world) == []


def test_a_long_run_does_not_fill_the_store(world: Story) -> None:
    pod = {"containers": [{"name": "web", "image": "web:crash"}]}
    world.create("{apiVersion: v1, kind: Pod, metadata: {name: web}}", spec=pod)
    world.run(3600)
    before = len(world.all("Event", namespace=None))
    world.run(10 * 3600)
    assert len(world.all("Event", namespace=None)) <= before


def test_a_refused_event_is_dropped(world: Story) -> None:
    world.create("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
    keep = {"name": "settings", "finalizers": ["example.org/keep"]}
    kept = world.create(CONFIG, metadata=keep, namespace="shop")
    world.delete("Namespace", "shop")
    record(world, kept)
    assert found(world, "shop") == []


def test_events_of_one_instant_are_listed_in_the_order_in_which_they_were_told(
    world: Story, settings: Object
) -> None:
    for number in range(5):
        record(world, settings, f"{number}")
    world.run(1)
    record(world, settings, "0")
    record(world, settings, "after")
    assert [each["message"] for each in found(world)] == ["0", "1", "2", "3", "4", "after"]
