"""Leases and reports of nodes look as if kubelets had never ceased to send them."""

from __future__ import annotations

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.clock import EPOCH, timestamp
from tests.kubesim.controllers.world import World

NAMESPACE = "kube-node-lease"


@pytest.fixture
def world() -> World:
    return World(nodes=2)


def leases(world: World) -> list[Object]:
    return list(world.api.list(world.resource("Lease"), namespace=NAMESPACE)["items"])


def lease(world: World) -> Object:
    return world.get("Lease", "node-1", namespace=NAMESPACE)


def test_every_node_has_a_lease_that_it_holds_and_that_goes_with_it(world: World) -> None:
    found = leases(world)
    assert [each["metadata"]["name"] for each in found] == ["node-1", "node-2"]
    assert found[0]["spec"]["holderIdentity"] == "node-1"
    assert found[0]["spec"]["leaseDurationSeconds"] == 40
    world.api.delete(world.resource("Node"), "node-1")
    world.run(1)
    assert [each["metadata"]["name"] for each in leases(world)] == ["node-2"]


def test_a_lease_was_renewed_within_the_last_ten_seconds(world: World) -> None:
    renewed = []
    for _ in range(4):
        renewed.append(lease(world)["spec"]["renewTime"])
        world.run(25)
    assert renewed == [timestamp(EPOCH + beat).replace("Z", ".000000Z") for beat in (0, 20, 50, 70)]


def test_between_two_beats_a_lease_stays_as_it_is(world: World) -> None:
    first = lease(world)
    world.run(9)
    assert lease(world) is first


def test_a_quiet_hour_in_which_nobody_looks_writes_nothing(world: World) -> None:
    lease(world), world.get("Node", "node-1")
    revision = world.api.store.revision
    world.run(3600)
    assert world.api.store.revision == revision


def test_conditions_tell_a_report_of_the_last_five_minutes(world: World) -> None:
    world.run(700)
    node = world.get("Node", "node-1")
    for each in node["status"]["conditions"]:
        assert each["lastHeartbeatTime"] == timestamp(EPOCH + 600)
        assert each["lastTransitionTime"] == timestamp(EPOCH)
    assert world.get("Node", "node-1") is node


def test_a_store_that_takes_no_more_can_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise ApiError(507, "InternalError", "no space left")

    monkeypatch.setattr(world.api, "create", full)
    assert leases(world) == []
