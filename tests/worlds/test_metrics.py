"""What Prometheus hears of an arm is what its journal tells."""

from __future__ import annotations

from gitops_lab.journal import Journal
from gitops_lab.worlds.metrics import ArmMetrics
from kubesim.clock import EPOCH


class World:
    """A journal of two arms, and the time."""

    def __init__(self) -> None:
        self.instant = EPOCH
        self.journal = Journal(self)
        self.pull = ArmMetrics(self.journal, "pull", self.now)

    def now(self) -> float:
        return self.instant

    def observed(self, *, drifted: bool, in_sync: bool) -> None:
        self.journal.record("pull", "observed", drifted=drifted, in_sync=in_sync)

    def told(self, name: str) -> dict[str, float]:
        """The values of a metric by result, or by arm if there are no results."""
        return {
            labels.get("result", labels["arm"]): value
            for family in self.pull()
            for _, labels, value in family.samples
            if family.name == f"gitops_lab_{name}"
        }


def test_reconciles_are_counted_by_what_they_found() -> None:
    world = World()
    for sync in ("OutOfSync", "Synced", "Synced"):
        world.journal.record("pull", "synced", sync=sync)
    world.journal.record("push", "synced", sync="Synced")
    world.journal.record("pull", "missed", "", "Git does not answer")
    assert world.told("reconciles") == {"OutOfSync": 1, "Synced": 2, "Missed": 1}
    world.journal.record("pull", "synced", sync="Synced")
    assert world.told("reconciles") == {"OutOfSync": 1, "Synced": 3, "Missed": 1}


def test_drift_adds_up_while_it_lasts() -> None:
    world = World()
    world.observed(drifted=True, in_sync=False)
    world.instant += 30
    assert world.told("drift_seconds") == {"pull": 30}
    world.observed(drifted=False, in_sync=True)
    world.instant += 100
    assert world.told("drift_seconds") == {"pull": 30}
    world.observed(drifted=True, in_sync=False)
    world.instant += 5
    assert world.told("drift_seconds") == {"pull": 35}


def test_an_arm_is_in_sync_once_it_was_seen_to_be() -> None:
    world = World()
    assert world.told("in_sync") == {"pull": 0}
    world.observed(drifted=False, in_sync=True)
    assert world.told("in_sync") == {"pull": 1}


def test_entries_that_the_journal_forgets_are_counted_if_one_looks_before() -> None:
    world = World()
    for _ in range(3):
        world.journal.record("pull", "synced", sync="Synced")
        world.pull.look()
        world.journal.forget(len(world.journal))
    assert world.told("reconciles") == {"Synced": 3}
