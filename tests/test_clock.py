"""Virtual time: things due run in order, and time passes only when asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.clock import EPOCH, SimClock, timestamp
from gitops_lab.errors import UsageError


def test_a_step_runs_at_the_instant_it_asked_for() -> None:
    clock, seen = SimClock(), []

    def step(now: float) -> float:
        seen.append(now - EPOCH)
        return now + 10

    clock.drive("ticker", step)
    clock.run(seconds=25)
    assert seen == [0, 10, 20]
    assert clock.now() == EPOCH + 25


def test_things_due_at_one_instant_run_in_the_order_they_were_added() -> None:
    clock, seen = SimClock(), []
    for name in ("first", "second", "third"):

        def step(_: float, name: str = name) -> None:
            seen.append(name)

        clock.drive(name, step)
    clock.run(seconds=1)
    assert seen == ["first", "second", "third"]


def test_a_sleeper_runs_again_only_when_woken_and_then_once() -> None:
    clock, seen = SimClock(), []
    task = clock.drive("sleeper", lambda now: seen.append(now - EPOCH))
    clock.run(seconds=5)
    clock.wake(task)
    clock.wake(task)
    clock.run(seconds=5)
    assert seen == [0, 5]


def test_waking_earlier_replaces_a_later_appointment() -> None:
    clock, seen = SimClock(), []

    def step(now: float) -> float:
        seen.append(now - EPOCH)
        return now + 100

    task = clock.drive("poller", step)
    clock.run(seconds=10)
    clock.wake(task, EPOCH + 20)
    clock.run(seconds=100)
    assert seen == [0, 20]
    clock.run(seconds=10)
    assert seen == [0, 20, 120]


def test_an_infinitely_late_appointment_is_sleep() -> None:
    clock, seen = SimClock(), []

    def step(now: float) -> float:
        seen.append(now)
        return float("inf")

    clock.drive("idle", step)
    clock.run(hours=1000)
    assert len(seen) == 1


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(UsageError, match="forwards"):
        SimClock().run_until(EPOCH - 1)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(1, 200))
def test_however_time_is_cut_into_runs_the_same_things_happen(
    periods: list[int], seconds: int
) -> None:
    def history(cuts: list[float]) -> list[tuple[float, int]]:
        clock, seen = SimClock(), []

        def ticker(number: int, period: int):  # type: ignore[no-untyped-def]
            def step(now: float) -> float:
                seen.append((now, number))
                return now + period

            return step

        for number, period in enumerate(periods):
            clock.drive(str(number), ticker(number, period))
        for cut in cuts:
            clock.run(seconds=cut)
        return seen

    assert history([seconds]) == history([seconds / 2, seconds / 2])


def test_timestamps_are_written_as_kubernetes_writes_them() -> None:
    assert timestamp(EPOCH + 0.9) == "2026-01-05T09:00:00Z"
