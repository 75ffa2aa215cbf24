"""Events stay few: similar ones are combined, and an object cannot flood the list."""

from __future__ import annotations

import pytest

from gitops_lab.model import Object
from kubesim.controllers.correlation import (
    BURST,
    COMBINED,
    MOST_REMEMBERED,
    Correlator,
)
from kubesim.controllers.recorder import Recorder
from tests.kubesim.controllers.world import World

CONFIG = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}"


@pytest.fixture
def world() -> World:
    return World()


def found(world: World) -> list[Object]:
    return [each for each in world.all("Event") if each["reason"] == "Told"]


def test_the_tenth_sentence_on_one_matter_and_all_after_it_become_one_event(world: World) -> None:
    settings, record = world.create(CONFIG), Recorder(world.api, "tester")
    for number in range(15):
        record(settings, world.now + number, "Told", f"sentence {number}")
    plain = [each for each in found(world) if not each["message"].startswith(COMBINED)]
    (combined,) = [each for each in found(world) if each["message"].startswith(COMBINED)]
    assert len(plain) == 9
    assert (combined["count"], combined["message"]) == (6, f"{COMBINED}sentence 14")
    assert combined["firstTimestamp"] < combined["lastTimestamp"]


def test_matters_differ_by_reason_and_type(world: World) -> None:
    settings, record = world.create(CONFIG), Recorder(world.api, "tester")
    for number in range(9):
        record(settings, world.now, "Told", f"sentence {number}")
    record(settings, world.now, "Told", "sentence", "Warning")
    record(settings, world.now, "Other", "sentence")
    assert not any(each["message"].startswith(COMBINED) for each in found(world))


def test_a_matter_that_rested_for_ten_minutes_begins_again() -> None:
    correlator = Correlator()
    told = [correlator.combines(("a",), str(number), 0) for number in range(10)]
    assert told == [*[False] * 9, True]
    assert correlator.combines(("a",), "more", 600)
    assert not correlator.combines(("a",), "more", 1201)


def test_the_same_sentence_is_no_other_one() -> None:
    correlator = Correlator()
    assert not any(correlator.combines(("a",), "again", 0) for _ in range(20))


def test_one_object_has_so_many_events_and_then_one_in_five_minutes(world: World) -> None:
    settings, record = world.create(CONFIG), Recorder(world.api, "tester")
    for _ in range(40):
        record(settings, world.now, "Told", "again")
    (event,) = found(world)
    assert event["count"] == BURST
    record(settings, world.now + 299, "Told", "again")
    assert found(world) == [event]
    record(settings, world.now + 300, "Told", "again")
    assert found(world)[0]["count"] == 42  # those that were withheld count
    record(settings, world.now + 301, "Told", "again")
    assert found(world)[0]["count"] == 42


def test_what_one_object_does_costs_another_nothing() -> None:
    correlator = Correlator()
    assert [correlator.withholds(("a",), ("e",), 0) for _ in range(26)] == [*[False] * 25, True]
    assert not correlator.withholds(("b",), ("e",), 0)


def test_the_memory_is_bounded() -> None:
    correlator = Correlator()
    for number in range(MOST_REMEMBERED + 10):
        correlator.withholds((str(number),), ("e",), 0)
        correlator.combines((str(number),), "e", 0)
    assert len(correlator._tokens) == len(correlator._similar) == MOST_REMEMBERED
