"""Control loops: what a controller is, and the one step function that runs all of a cluster's.

A controller is level-triggered: an event only says *which* object to look at again. What is to
be done follows from how things stand when it looks, not from what the event said, so a missed or
repeated event does no harm. Names and rules follow client-go's workqueue (v0.37).
"""

from __future__ import annotations

import heapq
import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar

from kubesim.api import Api
from kubesim.controllers.index import Indexes, existing
from kubesim.errors import ApiError
from kubesim.store import Event

Item = tuple[str, str]
"""What a work queue holds: namespace and name of an object to reconcile."""

MANAGER = "kube-controller-manager"
"""The field manager under which the controllers write."""

BACKOFF_BASE, BACKOFF_MAX = 0.005, 1000.0  # client-go's default rate limiter, in seconds

MOST_RECONCILES = 1_000
"""How often one object may be reconciled before all queues are empty again. One that is reconciled
more often is put aside for a while: two writers undo each other's change."""

HOLD_BASE, HOLD_MAX = 1.0, 300.0
"""How long such an object is put aside, in seconds: 1, 2, 4 … 300."""

SLICE = 0.05
"""How many seconds of real time one step may take where others wait for their turn."""

_log = logging.getLogger(__name__)

Work = tuple[int, Item]
"""A controller, by its place among the others, and an object that it is to reconcile."""


class Controller(ABC):
    """One control loop.

    Args:
        api: the verbs, the only way in which a controller changes anything.
        indexes: the cluster's indexes, to find what belongs to an object.
    """

    name: ClassVar[str]
    """The source of its Events, such as `replicaset-controller`."""

    watches: ClassVar[tuple[tuple[str, str], ...] | None]
    """Group and plural of the resources whose events it gets; None for all of them."""

    def __init__(self, api: Api, indexes: Indexes) -> None:
        self.api, self.indexes = api, indexes

    @abstractmethod
    def keys(self, event: Event) -> Iterable[Item]:
        """Which objects an event calls to reconcile; called amid a write, so it only reads."""

    @abstractmethod
    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Bring one object closer to what its spec asks for.

        Returns:
            The instant to look again, in seconds since the Unix epoch, if nothing happens before;
            None to wait for the next event. It replaces what an earlier reconcile answered.

        Raises:
            ApiError: it is tried again, at once after a conflict, else with exponential backoff.
        """


class Loop:
    """Several controllers on one store, as one step function.

    Nothing that a controller raises leaves the loop: the object is tried again later, and
    `troubles` says what went wrong until it goes well.

    Args:
        api: the verbs; its store's events fill the controllers' queues as they happen.
        controllers: in the order in which they take turns.
        stopwatch: seconds of real time since some instant. With it, a step ends after `SLICE`
            seconds even if there is more to do, and wants to be called again at once. Without it,
            as in virtual time, a step always does all that is due.
    """

    def __init__(
        self,
        api: Api,
        controllers: Sequence[Controller],
        *,
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        self.controllers = tuple(controllers)
        self._stopwatch = stopwatch
        self._queues: list[dict[Item, None]] = [{} for _ in self.controllers]
        self._watchers: dict[tuple[str, str], list[int]] = {}
        self._due: dict[Work, float] = {}
        self._heap: list[tuple[float, int, int, Item]] = []
        self._sequence = itertools.count()
        self._failures: dict[Work, int] = {}
        self._times: dict[Work, int] = {}
        self._held: dict[Work, tuple[float, float]] = {}
        self._troubles: dict[Work, str] = {}
        self._is_busy = False
        self._turns: Iterator[Work] | None = None
        for group, plural in dict.fromkeys((r.group, r.plural) for r in api.registry.all()):
            for event in existing(api.store, group, plural):
                self._see(event)
        api.store.subscribe(self._see)

    def step(self, now: float) -> float | None:
        """Reconcile until every queue is empty, or the time for one step is over.

        Returns:
            The next instant at which anything is due, in seconds since the Unix epoch; None if
            only an event can bring new work.
        """
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, place, item = heapq.heappop(heap)
            if self._due.get((place, item)) == due:
                del self._due[place, item]
                self._enqueue(place, item)
        if self._is_busy or self._turns is not None:
            if not self._work(now):
                return now
            self._calm(now)
        while heap and self._due.get(heap[0][2:]) != heap[0][0]:
            heapq.heappop(heap)  # replaced since by another instant
        return heap[0][0] if heap else None

    @property
    def troubles(self) -> list[str]:
        """What controllers fail at now, one sentence for each object."""
        return [
            f"the {self.controllers[place].name} fails at {'/'.join(filter(None, item))}: {why}"
            for (place, item), why in self._troubles.items()
        ]

    def look_again(self, controller: Controller, items: Iterable[Item]) -> None:
        """Call a controller to reconcile objects without an event."""
        for item in items:
            self._enqueue(self.controllers.index(controller), item)

    def _see(self, event: Event) -> None:
        for place in self._watching(event.key[:2]):
            event_work = place, (event.key.plural, "/".join(event.key[2:]))
            try:
                for item in self.controllers[place].keys(event):
                    self._enqueue(place, item)
            except Exception as error:
                self._note(event_work, f"{type(error).__name__}: {error}", error)
            else:
                if self._troubles:
                    self._troubles.pop(event_work, None)

    def _enqueue(self, place: int, item: Item) -> None:
        self._queues[place][item] = None
        self._is_busy = True

    def _watching(self, resource: tuple[str, str]) -> list[int]:
        places = self._watchers.get(resource)
        if places is None:
            places = self._watchers[resource] = [
                place
                for place, controller in enumerate(self.controllers)
                if controller.watches is None or resource in controller.watches
            ]
        return places

    def _work(self, now: float) -> bool:
        """Reconcile what is queued; whether it is all done."""
        began = self._stopwatch() if self._stopwatch else 0.0
        while self._is_busy or self._turns is not None:
            if self._turns is None:
                self._turns = self._rounds()
            for place, item in self._turns:
                self._take(place, item, now)
                if self._stopwatch and self._stopwatch() - began > SLICE:
                    return False
            self._turns = None
        return True

    def _rounds(self) -> Iterator[Work]:
        """Each controller's queue in turn, until all are empty; it may be left and gone on with."""
        while self._is_busy:
            self._is_busy = False
            for place in range(len(self.controllers)):
                batch, self._queues[place] = self._queues[place], {}
                for item in batch:
                    yield place, item

    def _take(self, place: int, item: Item, now: float) -> None:
        """Reconcile an object unless that happens too often."""
        work = place, item
        until, seconds = self._held.get(work, (0.0, 0.0))
        if now < until:
            self._look_at(work, until)
            return
        times = self._times[work] = self._times.get(work, 0) + 1
        if times <= MOST_RECONCILES:
            self._reconcile(place, item, now)
            return
        seconds = min(2 * seconds, HOLD_MAX) if seconds else HOLD_BASE
        self._times[work], self._held[work] = 0, (now + seconds, seconds)
        self._look_at(work, now + seconds)
        self._note(
            work,
            f"never quiet: {times - 1} reconciles in a row; look for two writers that "
            "undo each other's change",
        )

    def _calm(self, now: float) -> None:
        """All queues are empty: forget how often objects were reconciled, and which were held."""
        self._times.clear()
        for work in [work for work, (until, _) in self._held.items() if until <= now]:
            del self._held[work]
            self._troubles.pop(work, None)

    def _reconcile(self, place: int, item: Item, now: float) -> None:
        work = place, item
        try:
            again = self.controllers[place].reconcile(*item, now)
        except Exception as error:
            if isinstance(error, ApiError):
                if error.reason == "Conflict":
                    self._enqueue(place, item)
                    return
            else:
                self._note(work, f"{type(error).__name__}: {error}", error)
            failures = self._failures[work] = self._failures.get(work, -1) + 1
            again = now + min(BACKOFF_BASE * 2.0 ** min(failures, 20), BACKOFF_MAX)
        else:
            self._failures.pop(work, None)
            if work not in self._held:
                self._troubles.pop(work, None)
        if again is None:
            self._due.pop(work, None)
        elif again <= now:
            self._enqueue(place, item)
        else:
            self._look_at(work, again)

    def _look_at(self, work: Work, instant: float) -> None:
        """Have an object be reconciled at an instant, if nothing happens before."""
        if self._due.get(work) != instant:
            self._due[work] = instant
            heapq.heappush(self._heap, (instant, next(self._sequence), *work))

    def _note(self, work: Work, why: str, error: Exception | None = None) -> None:
        """Say once what went wrong: in `troubles` until it goes well, and in the log."""
        if self._troubles.get(work) != why:
            self._troubles[work] = why
            name, item = self.controllers[work[0]].name, "/".join(filter(None, work[1]))
            _log.error("the %s fails at %s: %s", name, item, why, exc_info=error)
