"""The clocks: the only loops that drive deployers, clusters and observers.

A driven thing is a step function: it does one bounded piece of work at a given instant and says
when it wants to be called again. `SimClock` jumps from one such instant to the next, so an hour
of polling takes as long as the work in it. `WallClock` waits for each, for people watch.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from kubesim.collection import brief_collections
from kubesim.errors import UsageError

RETRY_BASE, RETRY_MAX = 0.5, 60.0
"""Seconds on the wall before a step that failed is tried again: 0.5, 1, 2 … 60."""

_log = logging.getLogger(__name__)

Step = Callable[[float], float | None]
"""Work at `now`; returns the next instant it wants, or None to sleep until it is woken."""

FASTEST = 10_000.0
"""How many times as fast as the wall a clock may run: faster, days pass within one request."""

EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC).timestamp()
"""Every virtual world begins on this Monday morning, so that runs can be compared byte by byte."""


class Task:
    """A step function's place in the clock."""

    def __init__(self, name: str, step: Step, order: int) -> None:
        self.name, self.step, self.order = name, step, order
        self.due: float | None = None


class SimClock:
    """A simulated clock. Things due at the same instant run in the order they were added.

    Args:
        start: the first instant, in seconds since the Unix epoch.
    """

    def __init__(self, start: float = EPOCH) -> None:
        self._now = start
        self._tasks: list[Task] = []
        self._heap: list[tuple[float, int, int, Task]] = []
        self._sequence = itertools.count()
        self.after_each: list[Callable[[float], None]] = []

    def now(self) -> float:
        """The present instant, in seconds since the Unix epoch."""
        return self._now

    def drive(self, name: str, step: Step) -> Task:
        """Take a step function in; its first step is due now."""
        task = Task(name, step, len(self._tasks))
        self._tasks.append(task)
        self.wake(task)
        return task

    def wake(self, task: Task, at: float | None = None) -> None:
        """Have a task run at an instant (default: now), unless it is due earlier anyway."""
        due = self._now if at is None else max(at, self._now)
        if task.due is None or due < task.due:
            task.due = due
            heapq.heappush(self._heap, (due, task.order, next(self._sequence), task))

    def run_until(self, end: float) -> None:
        """Run everything that is due up to and including an instant, then stand at it.

        Raises:
            UsageError: the instant lies in the past.
        """
        if end < self._now:
            raise UsageError("time runs forwards only", fix="give an instant that is still to come")
        while self._heap and self._heap[0][0] <= end:
            due, _, _, task = heapq.heappop(self._heap)
            if task.due != due:
                continue  # woken earlier since: this entry is stale
            task.due = None
            self._now = due
            again = task.step(due)
            if again is not None:
                self.wake(task, again)
            for observe in self.after_each:
                observe(self._now)
        self._now = end

    def run(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Run for a span of virtual time."""
        self.run_until(self._now + seconds + 60 * minutes + 3600 * hours)


class WallTask(Task):
    """A step function's place in a wall clock.

    Args:
        apart: whether its steps run in a thread of their own, since they wait for others.
    """

    def __init__(self, name: str, step: Step, order: int, *, apart: bool) -> None:
        super().__init__(name, step, order)
        self.worker = ThreadPoolExecutor(1, thread_name_prefix=name) if apart else None
        self.woken = asyncio.Event()
        self.running = False
        self.last = float("-inf")
        self.failures = 0


class WallClock:
    """The clock on the wall, or one that runs several times as fast.

    A step is told the instant at which it was due, as by `SimClock`, though it may run a little
    later, so that a task of every 15 seconds does not shift a little each time.

    Everything happens on the event loop of `run`, one thing at a time, except for steps that are
    driven `apart`: each such task has one thread, so that it is never stepped twice at once.

    A step that raises is logged and tried again later; `troubles` says so until it succeeds.

    Args:
        speed: how many of its seconds pass in one second of the wall.
        lead: how far it is ahead of the wall to begin with, in seconds.

    Raises:
        UsageError: the speed is not above zero, or above `FASTEST`.
    """

    def __init__(self, *, speed: float = 1.0, lead: float = 0.0) -> None:
        if not 0 < speed <= FASTEST:
            raise UsageError(
                f"time cannot run at {speed:g} times its speed",
                fix=f"try 10, and no more than {FASTEST:g}",
            )
        self.speed = speed
        self._start, self._origin = time.time() + lead, passed()
        self._tasks: list[WallTask] = []
        self._group: asyncio.TaskGroup | None = None
        self.after_each: list[Callable[[float], None]] = []
        self.troubles: dict[str, str] = {}
        """What fails at present: the name of the task, and why."""

    def now(self) -> float:
        """The present instant, in seconds since the Unix epoch; safe to ask from any thread."""
        return self._start + (passed() - self._origin) * self.speed

    def wall(self) -> float:
        """The time that everybody else's clock shows, such as that of who checks a certificate."""
        return time.time()

    def stopwatch(self) -> float:
        """Seconds of real time since some instant, to measure how long something takes."""
        return time.monotonic()

    def lead(self, seconds: float = 0.0) -> float:
        """How far this clock will be ahead of the wall after some seconds of the wall."""
        return self.now() - self.wall() + seconds * (self.speed - 1)

    def drive(self, name: str, step: Step, *, apart: bool = False) -> WallTask:
        """Take a step function in; its first step is due now.

        Args:
            name: what it is called.
            step: the function.
            apart: run its steps in a thread of their own. It may then wait for the network, and
                must touch nothing that the event loop touches.
        """
        task = WallTask(name, step, len(self._tasks), apart=apart)
        self._tasks.append(task)
        self.wake(task)
        if self._group is not None:
            self._group.create_task(self._keep(task))
        return task

    def wake(self, task: WallTask, at: float | None = None) -> None:
        """Have a task run at an instant (default: now), unless it is due earlier anyway.

        A task that is running at that instant runs again when it is done.
        """
        due = self.now() if at is None else max(at, task.last)
        if task.due is None or due < task.due:
            task.due = due
            task.woken.set()

    async def run(self) -> None:
        """Run everything when it is due, until this is cancelled; steps that run apart may end."""
        try:
            with brief_collections(self.stopwatch):
                async with asyncio.TaskGroup() as group:
                    self._group = group
                    for task in self._tasks:
                        group.create_task(self._keep(task))
                    await asyncio.Event().wait()
        finally:
            self._group = None
            for task in self._tasks:
                if task.worker is not None:
                    await asyncio.to_thread(task.worker.shutdown)

    async def _keep(self, task: WallTask) -> None:
        """Step one task again and again."""
        while True:
            due = task.last = await self._until_due(task)
            task.due, task.running = None, True
            again = await self._step(task, due)
            task.running = False
            if again is not None:
                self.wake(task, again)
            for observe in self.after_each:
                try:
                    observe(self.now())
                except Exception as error:
                    self._note(f"what follows {task.name}", error)

    async def _step(self, task: WallTask, due: float) -> float | None:
        """One step; when to step again."""
        try:
            if task.worker is None:
                again = task.step(due)
            else:
                loop = asyncio.get_running_loop()
                again = await loop.run_in_executor(task.worker, task.step, due)
        except Exception as error:
            self._note(task.name, error)
            wait = min(RETRY_BASE * 2.0 ** min(task.failures, 20), RETRY_MAX)
            task.failures += 1
            return self.now() + wait * self.speed
        task.failures = 0
        self.troubles.pop(task.name, None)
        return again

    def _note(self, name: str, error: Exception) -> None:
        """Log a failure with its traceback, but the same one in a row only once."""
        why = f"{type(error).__name__}: {error}"
        if self.troubles.get(name) != why:
            self.troubles[name] = why
            _log.error("%s failed: %s", name, why, exc_info=error)

    async def _until_due(self, task: WallTask) -> float:
        """Wait until a task is due; the instant at which it was."""
        await asyncio.sleep(0)  # however busy a task is, the others have their turn
        while task.due is None or (wait := task.due - self.now()) > 0:
            endless = task.due is None or wait == float("inf")
            task.woken.clear()
            try:
                async with asyncio.timeout(None if endless else wait / self.speed):
                    await task.woken.wait()
            except TimeoutError:
                pass
        return task.due


def passed() -> float:
    """Seconds that go on while the machine sleeps, and never go back (clock_gettime(2))."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def timestamp(now: float) -> str:
    """An instant as Kubernetes writes it (RFC 3339, whole seconds, UTC)."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
