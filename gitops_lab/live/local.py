"""A deployer in a thread of this process: a pipeline's runner, or an agent beside its cluster.

On a simulated cluster an agent may have a pod nevertheless: it works while that pod runs, and not
otherwise. Another pod is another agent, which knows only what the cluster remembers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from gitops_lab.deployers.deployer import Deployer
from gitops_lab.journal import ActorJournal
from gitops_lab.model import ObjectKey, Revision
from kubesim.clock import WallClock


class Local:
    """Steps a deployer, in a thread of its own: it waits for a cluster's answers.

    Args:
        name: of the arm.
        make: makes the deployer.
        clock: says when to step it.
        journal: the arm's.
        pod: the uid of the pod that it works for, empty if there is none just now; None if it
            needs none.
        scale: has its Deployment run so many pods, if it has one.
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
        self.deployer, self.paused, self.down = make(), False, False
        self._make, self._clock, self._journal, self._pod = make, clock, journal, pod
        self._scale = scale
        self._serves = None if pod is None else ""
        self._told: deque[Revision] = deque()
        self._changed: deque[ObjectKey] = deque()
        self._due = float("-inf")
        self._by_hand: asyncio.Future[None] | None = None
        self._task = clock.drive(f"{name}/deployer", self._step, apart=True)

    @property
    def is_busy(self) -> bool:
        """Whether it is at work just now."""
        return self._task.running

    @property
    def was_told(self) -> bool:
        """Whether there is word for the deployer that it has not heard yet."""
        return bool(self._told)

    def notify(self, revision: Revision) -> None:
        """Tell the deployer that the branch moved.

        While it is paused, the word waits for it; if it is down, nobody hears.
        """
        if self.down:
            if self.deployer.policy.on_event:
                self._journal.record(
                    "missed", revision, "the event came while the deployer was down"
                )
            return
        self._told.append(revision)
        self.wake()

    def changed(self, key: ObjectKey) -> None:
        """A live object changed that the deployer watches."""
        if not self.down:
            self._changed.append(key)
            self.wake()

    def wake(self) -> None:
        """Have it step now, if it would anyway."""
        self._clock.wake(self._task)

    def pause(self) -> None:
        """Have the deployer do nothing more, unless it is stepped by hand."""
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
        """Take the deployer down, and its pod if it has one."""
        self.down = True
        self._told.clear()
        self._journal.record("outage", "deployer")
        self._scale(0)

    def start(self) -> None:
        """Bring the deployer back. What it missed, nobody tells it."""
        self.down = False
        self._journal.record("restored", "deployer")
        self._scale(1)
        self.wake()

    async def step(self) -> None:
        """Have the deployer do its next bounded piece of work now.

        If it looks at Git at intervals, it does not wait for the end of this one.
        """
        asked = self._by_hand = self._by_hand or asyncio.get_running_loop().create_future()
        self.wake()
        await asked

    def _step(self, now: float) -> float | None:
        """Step the deployer; nothing else touches it while it steps."""
        by_hand = self._by_hand
        try:
            if not self._is_there() or (self._waits and by_hand is None):
                return None
            wanted = [self.deployer.notify(self._told.popleft()) for _ in range(len(self._told))]
            wanted += [
                self.deployer.changed(self._changed.popleft()) for _ in range(len(self._changed))
            ]
            if wanted and not any(wanted) and by_hand is None and now < self._due:
                return self._due
            if by_hand is not None and self.deployer.policy.interval is not None:
                self.deployer.next_look = min(self.deployer.next_look, now)
            again = self.deployer.step(now)
            self._due = now if again is None else again
            return None if self._waits else again
        finally:
            if by_hand is not None:
                self._by_hand = None
                by_hand.get_loop().call_soon_threadsafe(by_hand.set_result, None)

    @property
    def _waits(self) -> bool:
        """Whether it does nothing, unless it is stepped by hand."""
        return self.paused or self.down

    def _is_there(self) -> bool:
        """Whether the deployer has what it runs in; in a new pod, it is a new one."""
        if self._pod is None:
            return True
        pod = self._pod()
        if pod != self._serves:
            if pod:
                self.deployer, self._due = self._make(), float("-inf")
                self._journal.record("restored", "agent", "its pod runs")
            else:
                self._journal.record("outage", "agent", "it has no pod that runs")
            self._serves = pod
        return bool(pod)
