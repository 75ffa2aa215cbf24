"""What an arm does whose cluster is a real one, which does not report its changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gitops_lab.errors import ClusterUnreachable
from gitops_lab.journal import Journal
from gitops_lab.worlds.polling import POLL, SHORTEST, PolledArm
from kubesim.clock import SimClock


class Watcher:
    """Counts its looks, and sees nothing while its cluster does not answer."""

    fault = ""
    looks = moves = 0
    answers = True

    def forget(self) -> None:
        """Nothing was known."""

    def moved(self) -> None:
        self.moves += 1

    def look(self) -> None:
        self.looks += 1
        if not self.answers:
            raise ClusterUnreachable("the API server does not answer", where="pull")


class Clock:
    """A clock on the wall that drives nothing."""

    speed = 1

    def drive(self, name: str, step: object, *, apart: bool) -> None:
        """Nothing is due."""


def arm(pace: float = 1.0) -> tuple[Any, Watcher, Journal]:
    """An arm with nothing but what a look needs."""
    journal, watcher = Journal(SimClock()), Watcher()
    found = cast(Any, PolledArm.__new__(PolledArm))
    found.name, found.journal, found.watcher = "pull", journal.by("pull"), watcher
    found.host = SimpleNamespace(deployer=None)
    found.poll(Clock(), pace=pace)
    return found, watcher, journal


def test_a_cluster_that_does_not_answer_is_reported_once_and_looked_at_again() -> None:
    watched, watcher, journal = arm()
    for watcher.answers in (True, False, False, True, False):
        watched.step_watcher(0.0)
    assert watcher.looks == 5
    assert [(entry.event, entry.subject) for entry in journal] == [("unseen", "cluster")] * 2


def test_what_git_wants_is_asked_again_until_it_is_known() -> None:
    watched, watcher, _ = arm()
    watched.step_watcher(0.0)
    assert watcher.moves == 0
    watcher.fault = "the API server does not answer"
    watched.step_watcher(0.0)
    assert watcher.moves == 1


@pytest.mark.parametrize(("pace", "seconds"), [(1, POLL), (2, POLL / 2), (100, SHORTEST)])
def test_a_fast_pace_looks_more_often_but_not_all_the_time(pace: float, seconds: float) -> None:
    watched, _, _ = arm(pace)
    assert watched.step_watcher(10.0) == 10.0 + seconds
