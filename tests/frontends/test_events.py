"""Events of front ends: counted when they repeat, and never lost to another's name."""

from __future__ import annotations

from gitops_lab.cluster.simulated import SimulatedConnection
from gitops_lab.frontends.events import EventRecord, Recorder
from gitops_lab.model import Object
from tests.conftest import config_map


def recorded(cluster: SimulatedConnection) -> list[Object]:
    return [
        event
        for event in cluster.list("", "Event", namespace="default")
        if event["involvedObject"]["kind"] == "ConfigMap"
    ]


def test_what_is_said_again_is_counted(cluster: SimulatedConnection) -> None:
    about = cluster.apply(config_map("a", "default"), manager="test")
    record = Recorder(cluster, "one")
    for now in (1e9, 1e9 + 5):
        record(about, now, "Done", "it is done")
    record(about, 1e9 + 6, "Done", "something else is done")
    first, second = recorded(cluster)
    assert (first["count"], second["count"]) == (2, 1)
    assert first["lastTimestamp"] > first["firstTimestamp"]


def test_two_controllers_may_speak_at_the_same_instant(cluster: SimulatedConnection) -> None:
    about = cluster.apply(config_map("a", "default"), manager="test")
    for component in ("source-controller", "kustomize-controller"):
        Recorder(cluster, component)(about, 1e9, "Done", "it is done")
    assert {event["source"]["component"] for event in recorded(cluster)} == {
        "source-controller", "kustomize-controller",
    }  # fmt: skip


def test_a_listener_receives_every_event_even_one_that_is_refused(
    cluster: SimulatedConnection,
) -> None:
    about = cluster.apply(config_map("a", "default"), manager="test")
    received: list[EventRecord] = []
    record = Recorder(cluster, "one", received.append)
    gone = {**about, "metadata": {**about["metadata"], "namespace": "nowhere"}}
    record(gone, 1e9, "Done", "it is done", "Warning")
    assert [(each.type, each.message) for each in received] == [("Warning", "it is done")]
