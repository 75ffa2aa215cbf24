"""The queue of a controller: who is looked at, when, and how often."""

from __future__ import annotations

from typing import Any, ClassVar

from gitops_lab.cluster.simulated import SimulatedCluster, SimulatedConnection
from gitops_lab.errors import ApiError
from gitops_lab.frontends.controller import Controller, Reconcile
from gitops_lab.model import ObjectKey
from kubesim.clock import SimClock
from tests.conftest import INSIDE, config_map


class Watcher(Controller):
    kind: ClassVar[str] = "ConfigMap"
    api_version: ClassVar[str] = "v1"
    workers: ClassVar[int] = 2

    def __init__(self, cluster: Any, clock: SimClock) -> None:
        super().__init__(cluster)
        self.clock, self.log, self.fails = clock, [], 0
        self.start = clock.now()

    log: list[tuple[str, str, float]]

    def fingerprint(self, obj: Any) -> tuple[object, ...]:
        return (obj["metadata"]["uid"], (obj.get("data") or {}).get("spec"))

    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        if not key.name.startswith("test-"):
            return None
        self.log.append(("begin", key.name, now - self.start))
        if self.fails:
            self.fails -= 1
            raise ApiError(500, "InternalError", "not today")
        now = yield 5.0
        self.log.append(("end", key.name, now - self.start))
        return 60.0


def watcher(simulated: SimulatedCluster, clock: SimClock) -> Watcher:
    made = Watcher(simulated.connect(INSIDE), clock)
    task = clock.drive("watcher", made.step)

    def changed(key: ObjectKey) -> None:
        made.changed(key)
        clock.wake(task)

    simulated.on_change(changed)
    return made


def test_an_object_is_looked_at_again_after_its_time(
    simulated: SimulatedCluster, clock: SimClock, cluster: SimulatedConnection
) -> None:
    made = watcher(simulated, clock)
    cluster.apply(config_map("test-a", "default"), manager="test")
    clock.run(seconds=100)
    assert made.log == [
        ("begin", "test-a", 0.0), ("end", "test-a", 5.0),
        ("begin", "test-a", 65.0), ("end", "test-a", 70.0),
    ]  # fmt: skip


def test_a_change_during_a_run_brings_one_more_run_after_it(
    simulated: SimulatedCluster, clock: SimClock, cluster: SimulatedConnection
) -> None:
    made = watcher(simulated, clock)
    cluster.apply(config_map("test-a", "default"), manager="test")
    clock.run(seconds=1)
    for spec in ("1", "2"):
        cluster.apply(config_map("test-a", "default", spec=spec), manager="test")
    clock.run(seconds=20)
    assert [entry[2] for entry in made.log if entry[0] == "begin"] == [0.0, 5.0]


def test_what_the_controller_does_not_care_for_brings_no_run(
    simulated: SimulatedCluster, clock: SimClock, cluster: SimulatedConnection
) -> None:
    made = watcher(simulated, clock)
    cluster.apply(config_map("test-a", "default"), manager="test")
    clock.run(seconds=10)
    cluster.apply(config_map("test-a", "default", other="1"), manager="test")
    clock.run(seconds=10)
    assert len(made.log) == 2


def test_no_more_objects_are_worked_on_than_there_are_workers(
    simulated: SimulatedCluster, clock: SimClock, cluster: SimulatedConnection
) -> None:
    made = watcher(simulated, clock)
    for name in "abcde":
        cluster.apply(config_map(f"test-{name}", "default"), manager="test")
    clock.run(seconds=30)
    begun = sorted(at for what, _, at in made.log if what == "begin")
    assert begun == [0.0, 0.0, 5.0, 5.0, 10.0]


def test_errors_in_a_row_are_retried_later_and_later(
    simulated: SimulatedCluster, clock: SimClock, cluster: SimulatedConnection
) -> None:
    made = watcher(simulated, clock)
    made.fails = 4
    cluster.apply(config_map("test-a", "default"), manager="test")
    clock.run(seconds=30)
    assert [at for what, _, at in made.log if what == "begin"] == [0.0, 0.75, 2.25, 5.25, 11.25]


def test_an_object_that_is_deleted_is_looked_at_no_more(
    simulated: SimulatedCluster, clock: SimClock, cluster: SimulatedConnection
) -> None:
    made = watcher(simulated, clock)
    cluster.apply(config_map("test-a", "default"), manager="test")
    clock.run(seconds=10)
    cluster.delete(ObjectKey("", "ConfigMap", "default", "test-a"))
    clock.run(minutes=5)
    assert len(made.log) == 2
