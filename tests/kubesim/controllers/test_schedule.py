"""Cron schedules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kubesim.controllers.schedule import Schedule


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def told(instant: float | None) -> str:
    assert instant is not None
    return datetime.fromtimestamp(instant, UTC).isoformat()


def test_the_next_firing_is_later_than_the_instant_asked_for() -> None:
    schedule = Schedule("*/5 * * * *")
    assert told(schedule.next(at("2026-01-05T09:00:00Z"))) == "2026-01-05T09:05:00+00:00"
    assert told(schedule.next(at("2026-01-05T09:04:59Z"))) == "2026-01-05T09:05:00+00:00"


def test_the_last_firing_may_be_the_instant_itself() -> None:
    schedule = Schedule("*/5 * * * *")
    assert told(schedule.last(at("2026-01-05T09:05:00Z"))) == "2026-01-05T09:05:00+00:00"
    assert told(schedule.last(at("2026-01-05T09:09:59Z"))) == "2026-01-05T09:05:00+00:00"


def test_a_time_zone_moves_the_firing() -> None:
    schedule = Schedule("0 9 * * *", "Europe/Paris")
    assert told(schedule.next(at("2026-01-05T00:00:00Z"))) == "2026-01-05T08:00:00+00:00"
    assert schedule.local(at("2026-01-05T08:00:00Z")) == "2026-01-05T09:00:00+01:00"


def test_macros_and_names_are_understood() -> None:
    after = at("2026-01-05T09:30:00Z")
    assert told(Schedule("@hourly").next(after)) == "2026-01-05T10:00:00+00:00"
    assert told(Schedule("0 12 ? * tue").next(after)) == "2026-01-06T12:00:00+00:00"


@pytest.mark.parametrize(
    "wrong", ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 L * *", "0 0 * * 5#2", "often"]
)
def test_what_kubernetes_does_not_take_for_a_schedule_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Schedule(wrong)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(KeyError):
        Schedule("@daily", "Europe/Atlantis")
