"""A controller: a queue of objects to look at, and one generator for each that is being looked at.

A reconcile reads from top to bottom. Where it says `now = yield seconds`, it waits that long in
the cluster's time; `yield 0` lets others have their turn. At each of these places it may be
killed: everything it must know the next time is in the cluster.

Source: controller-runtime (v0.24): a key that is changed while it is being worked on is queued
once more; a reconcile that fails with an error is retried with an exponential backoff.
"""

from __future__ import annotations

import heapq
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from typing import ClassVar

from gitops_lab.errors import ApiError, ClusterUnreachable, LabError
from gitops_lab.model import Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster

Reconcile = Generator[float, float, float | None]
"""Yields how many seconds to wait, is sent the time, and returns in how many seconds to look
again; None to wait for a change."""

Fingerprint = tuple[object, ...]


class Controller(ABC):
    """A step function that reconciles the objects of one kind.

    Args:
        cluster: reached with the controller's own credentials.
    """

    kind: ClassVar[str]
    api_version: ClassVar[str]
    workers: ClassVar[int] = 4
    """How many objects it works on at once."""
    first_retry: ClassVar[float] = 0.75
    last_retry: ClassVar[float] = 900.0
    """The shortest and the longest wait after an error, in seconds."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.group, self.version = split_api_version(self.api_version)
        self.now = float("-inf")
        """The instant of the step that goes on."""
        self.on_error: Callable[[ObjectKey, LabError], None] = lambda key, error: None
        """Is told of each run that an error of the API server ended."""
        self.failures: dict[ObjectKey, int] = {}
        """Errors in a row, by object."""
        self._running: dict[ObjectKey, Reconcile] = {}
        self._waits: list[tuple[float, int, ObjectKey]] = []
        """A heap of when each of those that run goes on."""
        self._due: dict[ObjectKey, float] = {}
        self._queue: list[tuple[float, int, ObjectKey]] = []
        """A heap of when others are due; an entry that `_due` does not confirm is stale."""
        self._again: dict[ObjectKey, float] = {}
        """Those that run and became due meanwhile."""
        self._order = itertools.count()
        self._touched: dict[ObjectKey, None] = {}
        self._seen: dict[ObjectKey, Fingerprint] = {}
        self._started = False

    @abstractmethod
    def reconcile(self, key: ObjectKey, now: float) -> Reconcile:
        """Bring one object nearer to what it asks for; the object may be gone."""

    def fingerprint(self, obj: Object) -> Fingerprint:
        """What of an object must change to have it looked at: not its status."""
        metadata = obj["metadata"]
        return (metadata["uid"], metadata.get("generation"), "deletionTimestamp" in metadata)

    def triggered_by(self, key: ObjectKey) -> Iterable[ObjectKey]:
        """The objects of the controller's kind that a change of another object concerns."""
        return ()

    def changed(self, key: ObjectKey) -> None:
        """An object of any kind changed in the cluster."""
        self._touched[key] = None

    def queue(self, key: ObjectKey, at: float = float("-inf")) -> None:
        """Have an object looked at, at an instant or as soon as possible."""
        if key in self._running:
            self._again[key] = min(at, self._again.get(key, at))
        elif at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._queue, (at, next(self._order), key))

    @property
    def is_at_work(self) -> bool:
        """Whether a run has begun and not ended."""
        return bool(self._running)

    def step(self, now: float) -> float | None:
        """Do the next bounded piece of work.

        Args:
            now: the present instant, in seconds since the Unix epoch.

        Returns:
            When to be called again; None to sleep until something changes.
        """
        self.now = now
        if not self._started:
            self._touched |= {ObjectKey.of(o): None for o in self.list()}
            self._started = True
        self._look_at_changes()
        if self._waits and self._waits[0][0] <= now:
            _, _, key = heapq.heappop(self._waits)
            self._go_on(key, now)
        elif (first := self._first_due()) is not None and first <= now:
            _, _, key = heapq.heappop(self._queue)
            del self._due[key]
            self._running[key] = self.reconcile(key, now)
            self._go_on(key)
        following = self._following()
        return None if following is None else max(following, now)

    def list(self) -> list[Object]:
        """All objects of the controller's kind; none while the kind is not defined."""
        try:
            return self.cluster.list(self.group, self.kind)
        except ApiError as error:
            if error.code != 404:
                raise
            return []

    def get(self, key: ObjectKey) -> Object | None:
        """An object of the controller's kind; None if it is gone."""
        return self.cluster.get(key, version=self.version)

    # -- how it is done -------------------------------------------------------------------------

    def _look_at_changes(self) -> None:
        """Queue what changed; what cannot be read stays to be looked at."""
        while self._touched:
            key = next(iter(self._touched))
            if (key.group, key.kind) != (self.group, self.kind):
                concerned = list(self.triggered_by(key))
            else:
                concerned = [key] if self._is_news(key) else []
            del self._touched[key]
            for each in concerned:
                self.queue(each)

    def _is_news(self, key: ObjectKey) -> bool:
        """Whether an object of the controller's kind changed in a way that matters."""
        obj = self.get(key)
        if obj is None:
            self._seen.pop(key, None)
            self._due.pop(key, None)
            return False
        found = self.fingerprint(obj)
        if self._seen.get(key) == found:
            return False
        self._seen[key] = found
        return True

    def _go_on(self, key: ObjectKey, now: float | None = None) -> None:
        """Have a run go on until it waits or ends; without `now`, begin it."""
        run = self._running[key]
        try:
            wait = next(run) if now is None else run.send(now)
        except StopIteration as end:
            self._end(key, end.value)
        except (ApiError, ClusterUnreachable) as error:
            self.on_error(key, error)
            self._end(key, self.backoff(key))
        else:
            heapq.heappush(self._waits, (self.now + wait, next(self._order), key))

    def _end(self, key: ObjectKey, again: float | None) -> None:
        del self._running[key]
        if key in self._again:
            self.queue(key, self._again.pop(key))
        if again is not None:
            self.queue(key, self.now + again)

    def backoff(self, key: ObjectKey) -> float:
        """How long to wait after one more error in a row, in seconds."""
        count = self.failures.get(key, 0)
        self.failures[key] = count + 1
        return float(min(self.first_retry * 2 ** min(count, 30), self.last_retry))

    def _first_due(self) -> float | None:
        """When the first of the queue is due; None if all workers are busy, or nothing waits."""
        if len(self._running) >= self.workers:
            return None
        while self._queue:
            at, _, key = self._queue[0]
            if self._due.get(key) == at:
                return at
            heapq.heappop(self._queue)
        return None

    def _following(self) -> float | None:
        """When there is something to do next; None if only a change can bring that about."""
        if self._touched:
            return float("-inf")
        times = [at for at, _, _ in self._waits[:1]]
        if (first := self._first_due()) is not None:
            times.append(first)
        return min(times, default=None)
