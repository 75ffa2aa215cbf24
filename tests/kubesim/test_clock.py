"""The clocks: virtual time passes only when asked, the wall's by itself."""

import asyncio
import contextlib
import itertools
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.errors import UsageError
from kubesim.clock import EPOCH, FASTEST, SimClock, WallClock, timestamp


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


# -- The clock on the wall -----------------------------------------------------------------------

QUICK = 10_000.0


async def run_until(clock: WallClock, done: asyncio.Event) -> None:
    """Run a wall clock until something happened; a test that waits for nothing must fail."""
    running = asyncio.ensure_future(clock.run())
    try:
        async with asyncio.timeout(10):
            await asyncio.wait(
                [running, asyncio.ensure_future(done.wait())], return_when="FIRST_COMPLETED"
            )
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def test_the_wall_clock_shows_the_time_of_the_wall() -> None:
    clock = WallClock()
    assert clock.now() == pytest.approx(time.time(), abs=1)


def test_a_wall_clock_may_run_faster_than_the_wall() -> None:
    clock = WallClock(speed=FASTEST)
    begin, wall = clock.now(), time.monotonic()
    while time.monotonic() - wall < 0.001:
        pass
    assert clock.now() - begin >= FASTEST / 1000


@pytest.mark.parametrize("speed", [0, -1, FASTEST + 1, float("inf"), float("nan")])
def test_time_that_stands_still_runs_backwards_or_races_is_refused(speed: float) -> None:
    with pytest.raises(UsageError, match="time cannot run"):
        WallClock(speed=speed)


def test_on_the_wall_a_step_runs_no_earlier_than_it_asked_for_and_is_told_that_instant() -> None:
    clock, seen, done = WallClock(speed=QUICK), [], asyncio.Event()

    def step(now: float) -> float:
        assert clock.now() >= now
        seen.append(now)
        if len(seen) == 3:
            done.set()
        return now + 10

    clock.drive("ticker", step)
    asyncio.run(run_until(clock, done))
    assert all(later == earlier + 10 for earlier, later in itertools.pairwise(seen))
    assert len(seen) >= 3


def test_on_the_wall_a_sleeper_is_woken_by_another_task_and_earlier_than_it_asked_for() -> None:
    clock, done = WallClock(speed=QUICK), asyncio.Event()
    begin, seen = clock.now(), []

    def sleeper(now: float) -> float:
        seen.append(now - begin)
        if len(seen) == 2:
            done.set()
        return now + 1e9

    def caller(now: float) -> float | None:
        if not seen:
            return now
        clock.wake(sleeping)
        return None

    sleeping = clock.drive("sleeper", sleeper)
    clock.drive("caller", caller)
    asyncio.run(run_until(clock, done))
    assert len(seen) == 2 and seen[1] < 1e8


def test_a_step_that_asks_for_the_past_runs_at_once_and_never_goes_back_in_time() -> None:
    clock, seen, done = WallClock(speed=QUICK), [], asyncio.Event()

    def step(now: float) -> float:
        seen.append(now)
        if len(seen) == 3:
            done.set()
        return now + 5 if len(seen) == 1 else float("-inf")

    clock.drive("step", step)
    asyncio.run(run_until(clock, done))
    assert seen[1] == seen[0] + 5 and seen[2] == seen[1]


def test_a_task_that_never_rests_leaves_the_others_their_turn() -> None:
    clock, done = WallClock(), asyncio.Event()
    clock.drive("busy", lambda now: now)
    clock.drive("other", lambda _: done.set())
    asyncio.run(run_until(clock, done))
    assert done.is_set()


def test_a_step_apart_may_wait_for_what_the_loop_does_and_is_never_stepped_twice_at_once() -> None:
    clock, done = WallClock(speed=QUICK), asyncio.Event()
    answered, inside, most = threading.Event(), [0], [0]

    def waits(now: float) -> float:
        inside[0] += 1
        most[0] = max(most[0], *inside)
        assert answered.wait(10)
        inside[0] -= 1
        loops[0].call_soon_threadsafe(done.set)
        return now

    def answers(now: float) -> float | None:
        clock.wake(waiting)  # in vain: it runs already
        if not inside[0]:
            return now
        answered.set()
        return None

    async def all_of_it() -> None:
        loops.append(asyncio.get_running_loop())
        await run_until(clock, done)

    loops: list[asyncio.AbstractEventLoop] = []
    waiting = clock.drive("waits", waits, apart=True)
    clock.drive("answers", answers)
    asyncio.run(all_of_it())
    assert done.is_set() and most == [1]


def test_the_clock_does_not_stop_in_the_middle_of_a_step() -> None:
    clock, inside, ended = WallClock(), asyncio.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    may_end = threading.Event()

    def slow(_: float) -> None:
        loops[0].call_soon_threadsafe(inside.set)
        assert may_end.wait(10)
        ended.set()

    async def cancelled() -> None:
        loops.append(asyncio.get_running_loop())
        running = asyncio.ensure_future(clock.run())
        await inside.wait()
        running.cancel()
        loops[0].call_later(0.01, may_end.set)
        await asyncio.wait([running])
        assert running.cancelled() and ended.is_set()

    clock.drive("slow", slow, apart=True)
    asyncio.run(cancelled())


@pytest.mark.allows_errors
@pytest.mark.parametrize("apart", [False, True])
def test_a_step_that_raises_is_retried_and_ends_nothing(apart: bool) -> None:
    clock, done = WallClock(speed=QUICK), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    seen: list[str] = []

    def broken(_: float) -> None:
        seen.append(clock.troubles.get("broken", ""))
        if len(seen) < 3:
            raise ZeroDivisionError("by zero")
        loops[0].call_soon_threadsafe(done.set)

    async def all_of_it() -> None:
        loops.append(asyncio.get_running_loop())
        await run_until(clock, done)

    clock.drive("broken", broken, apart=apart)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kubesim.clock.RETRY_BASE", 0.001)
        asyncio.run(all_of_it())
    assert seen == ["", *["ZeroDivisionError: by zero"] * 2]
    assert clock.troubles == {}


@pytest.mark.allows_errors
def test_an_observer_that_raises_stops_nothing() -> None:
    clock, done = WallClock(speed=QUICK), asyncio.Event()
    steps: list[float] = []

    def step(now: float) -> float:
        steps.append(now)
        if len(steps) == 3:
            done.set()
        return now

    def observe(_: float) -> None:
        raise ValueError("odd")

    clock.after_each.append(observe)
    clock.drive("step", step)
    asyncio.run(run_until(clock, done))
    assert done.is_set()
    assert clock.troubles["what follows step"] == "ValueError: odd"


def test_what_is_driven_while_the_clock_runs_runs_too_and_each_step_is_observed() -> None:
    clock, done = WallClock(), asyncio.Event()
    observed: list[float] = []
    clock.after_each.append(observed.append)

    def first(_: float) -> None:
        clock.drive("second", lambda _: done.set())

    clock.drive("first", first)
    asyncio.run(run_until(clock, done))
    assert done.is_set() and len(observed) == 2
