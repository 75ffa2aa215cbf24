"""Hosts: what runs a deployer. It steps the deployer when it is due, or when something happened.

- `InProcess`: on a virtual clock, in the thread of the caller.
- `Worker`: on the clock on the wall, in a thread of its own, since it waits for a cluster's
  answers. In a simulated cluster the deployer may have pods nevertheless: it works while they run.
- `gitops_lab.worlds.remote`: in a pod of a real cluster, where it runs by itself.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from gitops_lab.deployers.deployer import Deployer
from gitops_lab.journal import ActorJournal
from gitops_lab.model import ObjectKey, Revision
from gitops_lab.ports import ForgeEvent
from kubesim.clock import SimClock, WallClock


class Host(ABC):
    """Runs one deployer.

    Args:
        make: makes the deployer.
        journal: the arm's.
    """

    is_busy = False
    """Whether the deployer is at work at this moment."""

    def __init__(self, make: Callable[[], Deployer], journal: ActorJournal) -> None:
        self.deployer = make()
        self.paused = self.down = False
        self._make, self._journal = make, journal
        self._news: deque[Revision] = deque()
        self._changed: deque[ObjectKey] = deque()
        self._events: deque[ForgeEvent] = deque()
        self._due = float("-inf")

    @abstractmethod
    def wake(self) -> None:
        """Have it step now, if it would anyway."""

    def scale(self, replicas: int) -> None:  # noqa: B027 (a deployer need not have any)
        """Have the Deployments that the deployer runs in run so many pods each."""

    @property
    def has_news(self) -> bool:
        """Whether there is a revision that the deployer has not been told of yet."""
        return bool(self._news)

    def notify(self, revision: Revision) -> None:
        """Tell the deployer that the branch moved.

        While it is paused, the message waits; if it is down, the message is lost.
        """
        if not self.down:
            self._news.append(revision)
            self.wake()
        elif self.deployer.policy.on_event:
            self._journal.record("missed", revision, "the event came while the deployer was down")

    def changed(self, key: ObjectKey) -> None:
        """Tell the deployer that a live object changed that it watches."""
        if not self.down:
            self._changed.append(key)
            self.wake()

    def forge_changed(self, event: ForgeEvent) -> None:
        """Tell the deployer what happened at the forge beside pushes."""
        if not self.down:
            self._events.append(event)
            self.wake()

    def pause(self) -> None:
        """Have the deployer do nothing more, except when a person steps it."""
        if not self.paused:
            self.paused = True
            self._journal.record("outage", "deployer", "paused")

    def resume(self) -> None:
        """Have the deployer go on."""
        if self.paused:
            self.paused = False
            self._journal.record("restored", "deployer", "resumed")
            self.wake()

    def stop(self) -> None:
        """Take the deployer down, with its pods if it has any."""
        self.down = True
        self._news.clear()
        self._journal.record("outage", "deployer")
        self.scale(0)

    def start(self) -> None:
        """Bring the deployer back. It does not hear of what it missed."""
        self.down = False
        self._journal.record("restored", "deployer")
        self.scale(1)
        self.wake()

    def _work(self, now: float, *, by_hand: bool = False) -> float | None:
        """Tell the deployer what happened, and step it if that matters to it or if it is due."""
        wanted = [self.deployer.notify(self._news.popleft()) for _ in range(len(self._news))]
        changes = range(len(self._changed))
        wanted += [self.deployer.changed(self._changed.popleft()) for _ in changes]
        wanted += [
            self.deployer.forge_changed(self._events.popleft()) for _ in range(len(self._events))
        ]
        if wanted and not any(wanted) and not by_hand and now < self._due:
            return self._due
        if by_hand:
            self.deployer.hurry(now)
        again = self.deployer.step(now)
        self._due = float("inf") if again is None else again
        return again


class InProcess(Host):
    """Steps a deployer on a virtual clock.

    Args:
        name: of the arm.
        make: makes the deployer.
        clock: says when to step it.
        journal: the arm's.
    """

    def __init__(
        self, name: str, make: Callable[[], Deployer], *, clock: SimClock, journal: ActorJournal
    ) -> None:
        super().__init__(make, journal)
        self._clock = clock
        self._task = clock.drive(f"{name}/deployer", self._step)

    def wake(self) -> None:
        """Have it step at this instant, once the clock runs."""
        self._clock.wake(self._task)

    def step(self) -> float | None:
        """Have the deployer do its next bounded piece of work now; when it wants to go on.

        If it looks at Git at intervals, it does not wait for the end of this one.
        """
        again = self._work(self._clock.now(), by_hand=True)
        if again is not None:
            self._clock.wake(self._task, again)
        return again

    def _step(self, now: float) -> float | None:
        return None if self.down or self.paused else self._work(now)


class Worker(Host):
    """Steps a deployer on the clock on the wall, in a thread of its own.

    Args:
        name: of the arm.
        make: makes the deployer.
        clock: says when to step it.
        journal: the arm's.
        pod: the uid of the pod that it works for, empty if there is none just now; None if it
            needs none. Another pod is a new process: it knows only what the cluster remembers.
        scale: has its Deployments run so many pods each, if it has any.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Deployer],
        *,
        clock: WallClock,
        journal: ActorJournal,
        pod: Callable[[], str] | None = None,
        scale: Callable[[int], None] = lambda replicas: None,
    ) -> None:
        super().__init__(make, journal)
        self._clock, self._pod, self._scale = clock, pod, scale
        self._serves: str | None = None
        self._asked: asyncio.Future[None] | None = None
        self._task = clock.drive(f"{name}/deployer", self._step, apart=True)

    @property
    def is_busy(self) -> bool:  # type: ignore[override]
        """Whether the deployer is at work at this moment."""
        return self._task.running

    def wake(self) -> None:
        """Have it step now."""
        self._clock.wake(self._task)

    def scale(self, replicas: int) -> None:
        """Have the Deployments that the deployer runs in, if any, run so many pods each."""
        self._scale(replicas)

    async def step(self) -> None:
        """Have the deployer do its next bounded piece of work now.

        If it looks at Git at intervals, it does not wait for the end of this one.
        """
        asked = self._asked = self._asked or asyncio.get_running_loop().create_future()
        self.wake()
        await asked

    def _step(self, now: float) -> float | None:
        """Step the deployer; nothing else touches it meanwhile."""
        asked = self._asked
        try:
            waits = self.paused or self.down
            if not self._has_pod() or (waits and asked is None):
                return None
            again = self._work(now, by_hand=asked is not None)
            return None if self.paused or self.down else again
        finally:
            if asked is not None:
                self._asked = None
                asked.get_loop().call_soon_threadsafe(asked.set_result, None)

    def _has_pod(self) -> bool:
        """Whether the deployer has what it runs in; in a new pod, it is a new one."""
        if self._pod is None:
            return True
        pod = self._pod()
        if pod == self._serves:
            return bool(pod)
        if pod:
            self.deployer, self._due = self._make(), float("-inf")
            if self._serves is None:
                self._journal.record("started", "agent", "its pod runs")
            else:
                self._journal.record("restored", "agent", "its pod runs")
        elif self._serves:
            self._journal.record("outage", "agent", "it has no pod that runs")
        self._serves = pod or (None if self._serves is None else "")
        return bool(pod)
