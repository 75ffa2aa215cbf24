"""Arms whose clusters do not report their changes: they are looked at again and again."""

from __future__ import annotations

from gitops_lab.errors import LabError
from gitops_lab.worlds.arm import Arm
from gitops_lab.worlds.remote import RemotePod
from kubesim.clock import WallClock

POLL, SHORTEST = 2.0, 0.5
"""Time between two looks, in seconds on the wall: as a rule, and at the least."""


class PolledArm(Arm):
    """An arm with a cluster that is looked at again and again, in a thread of its own."""

    _has_moved = _has_taken_over = False
    _failure = ""

    def poll(self, clock: WallClock, *, pace: float) -> None:
        """Begin to look; the arm is set up.

        Args:
            clock: says when.
            pace: how many times as short spans of time are.
        """
        self._clock, self._pause = clock, max(SHORTEST, POLL / pace) * clock.speed
        self._task = clock.drive(f"{self.name}/watcher", self.step_watcher, apart=True)

    def moved(self) -> None:
        """The branch moved."""
        self._has_moved = True
        self.look_soon()

    def take_over(self) -> None:
        """An older process was here: have the watcher's thread find out what it knew."""
        self._has_taken_over = True
        self.moved()

    def look_soon(self) -> None:
        """Have the watcher's thread look now."""
        self._clock.wake(self._task)

    def look_now(self) -> None:
        """Only the watcher's thread looks."""

    def step_watcher(self, now: float) -> float:
        """Look once; a cluster that does not answer is reported once, and looked at again."""
        try:
            self._look()
            self._failure = ""
        except LabError as error:  # a real cluster may be busy, or not be reached for a moment
            if str(error) != self._failure:
                self._failure = str(error)
                self.journal.record("unseen", "cluster", self._failure)
        return now + self._pause

    def _look(self) -> None:
        """Look once, at all that may have changed."""
        if self._has_taken_over:
            self.watcher.recover()
            self._has_taken_over = False
        if self._has_moved or self.watcher.fault:
            self._has_moved = False
            self.watcher.moved()
        if isinstance(self.host, RemotePod):
            self.host.look()
        self.watcher.deployer = self.watched()
        self.watcher.forget()
        self.watcher.look()
