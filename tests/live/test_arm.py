"""What an arm does where its cluster is a real one, and nobody tells of its changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gitops_lab.errors import ClusterUnreachable
from gitops_lab.journal import Journal
from gitops_lab.live import LiveArm
from gitops_lab.live.arm import GLANCE, SHORTEST
from gitops_lab.state import Setup
from kubesim.clock import SimClock


class Observer:
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


def arm(pace: float = 1.0) -> tuple[Any, Observer, Journal]:
    """An arm with nothing but what a glance needs."""
    journal, observer = Journal(SimClock()), Observer()
    found = cast(Any, LiveArm.__new__(LiveArm))
    found.world = SimpleNamespace(setup=Setup(("pull",), pace=pace), clock=SimpleNamespace(speed=1))
    found.journal, found.observer = journal.by("pull"), observer
    found.host = SimpleNamespace(deployer=None)
    return found, observer, journal


def test_a_cluster_that_does_not_answer_for_a_moment_is_told_of_once_and_looked_at_again() -> None:
    watched, observer, journal = arm()
    for observer.answers in (True, False, False, True, False):
        watched._glance(0.0)
    assert observer.looks == 5
    assert [(entry.event, entry.subject) for entry in journal] == [("unseen", "cluster")] * 2


def test_what_git_wants_is_asked_again_until_it_is_known() -> None:
    watched, observer, _ = arm()
    watched._glance(0.0)
    assert observer.moves == 0
    observer.fault = "the API server does not answer"
    watched._glance(0.0)
    assert observer.moves == 1


@pytest.mark.parametrize(("pace", "seconds"), [(1, GLANCE), (2, GLANCE / 2), (100, SHORTEST)])
def test_who_is_in_a_hurry_looks_more_often_but_not_all_the_time(
    pace: float, seconds: float
) -> None:
    watched, _, _ = arm(pace)
    assert watched._glance(10.0) == 10.0 + seconds
