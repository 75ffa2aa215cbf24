"""Virtual time: the only loop that drives deployers, clusters and observers.

A driven thing is a step function: it does one bounded piece of work at a given instant and says
when it wants to be called again. The clock jumps from one such instant to the next, so an hour
of polling takes as long as the work in it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

from gitops_lab.errors import UsageError

Step = Callable[[float], float | None]
"""Work at `now`; returns the next instant it wants, or None to sleep until it is woken."""

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


def timestamp(now: float) -> str:
    """An instant as Kubernetes writes it (RFC 3339, whole seconds, UTC)."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
