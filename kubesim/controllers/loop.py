"""Control loops: what a controller is, and the one step function that runs all of a cluster's.

A controller is level-triggered: an event only says *which* object to look at again. What is to
be done follows from how things stand when it looks, not from what the event said, so a missed or
repeated event does no harm. Names and rules follow client-go's workqueue (v0.37).
"""

from __future__ import annotations

import heapq
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from kubesim.api import Api
from kubesim.controllers.index import Indexes, existing
from kubesim.errors import ApiError, LabError
from kubesim.store import Event

Item = tuple[str, str]
"""What a work queue holds: namespace and name of an object to reconcile."""

MANAGER = "kube-controller-manager"
"""The field manager under which the controllers write."""

BACKOFF_BASE, BACKOFF_MAX = 0.005, 1000.0  # client-go's default rate limiter, in seconds

MOST_RECONCILES = 10_000
"""How often one object may be reconciled within one step, before it counts as never quiet."""


class Controller(ABC):
    """One control loop.

    Args:
        api: the verbs, the only way in which a controller changes anything.
        indexes: the cluster's indexes, to find what belongs to an object.
    """

    name: ClassVar[str]
    """The source of its Events, such as `replicaset-controller`."""

    watches: ClassVar[tuple[tuple[str, str], ...] | None]
    """Group and plural of the resources whose events it is told; None for all of them."""

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

    Args:
        api: the verbs; its store's events fill the controllers' queues as they happen.
        controllers: in the order in which they take turns.
    """

    def __init__(self, api: Api, controllers: Sequence[Controller]) -> None:
        self.controllers = tuple(controllers)
        self._queues: list[dict[Item, None]] = [{} for _ in self.controllers]
        self._told: dict[tuple[str, str], list[int]] = {}
        self._due: dict[tuple[int, Item], float] = {}
        self._heap: list[tuple[float, int, int, Item]] = []
        self._sequence = itertools.count()
        self._failures: dict[tuple[int, Item], int] = {}
        self._is_busy = False
        for group, plural in dict.fromkeys((r.group, r.plural) for r in api.registry.all()):
            for event in existing(api.store, group, plural):
                self._see(event)
        api.store.subscribe(self._see)

    def step(self, now: float) -> float | None:
        """Reconcile until every queue is empty.

        Returns:
            The next instant at which anything is due, in seconds since the Unix epoch; None if
            only an event can bring new work.

        Raises:
            LabError: a controller keeps calling itself to work and never gets quiet.
        """
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, place, item = heapq.heappop(heap)
            if self._due.get((place, item)) == due:
                del self._due[place, item]
                self._enqueue(place, item)
        if self._is_busy:
            self._work(now)
        while heap and self._due.get(heap[0][2:]) != heap[0][0]:
            heapq.heappop(heap)  # replaced since by another instant
        return heap[0][0] if heap else None

    def look_again(self, controller: Controller, items: Iterable[Item]) -> None:
        """Call a controller to reconcile objects, though no event has told of them."""
        for item in items:
            self._enqueue(self.controllers.index(controller), item)

    def _see(self, event: Event) -> None:
        for place in self._listeners(event.key[:2]):
            for item in self.controllers[place].keys(event):
                self._enqueue(place, item)

    def _enqueue(self, place: int, item: Item) -> None:
        self._queues[place][item] = None
        self._is_busy = True

    def _listeners(self, resource: tuple[str, str]) -> list[int]:
        places = self._told.get(resource)
        if places is None:
            places = self._told[resource] = [
                place
                for place, controller in enumerate(self.controllers)
                if controller.watches is None or resource in controller.watches
            ]
        return places

    def _work(self, now: float) -> None:
        times: dict[tuple[int, Item], int] = {}
        while self._is_busy:
            self._is_busy = False
            for place in range(len(self.controllers)):
                batch, self._queues[place] = self._queues[place], {}
                for item in batch:
                    work = place, item
                    times[work] = times.get(work, 0) + 1
                    if times[work] > MOST_RECONCILES:
                        raise self._restless(place, item)
                    self._reconcile(place, item, now)

    def _reconcile(self, place: int, item: Item, now: float) -> None:
        work = place, item
        try:
            again = self.controllers[place].reconcile(*item, now)
        except ApiError as refusal:
            if refusal.reason == "Conflict":
                self._enqueue(place, item)
                return
            failures = self._failures[work] = self._failures.get(work, -1) + 1
            again = now + min(BACKOFF_BASE * 2.0 ** min(failures, 20), BACKOFF_MAX)
        else:
            self._failures.pop(work, None)
        if again is None:
            self._due.pop(work, None)
        elif again <= now:
            self._enqueue(place, item)
        elif self._due.get(work) != again:
            self._due[work] = again
            heapq.heappush(self._heap, (again, next(self._sequence), place, item))

    def _restless(self, place: int, item: Item) -> LabError:
        return LabError(
            f"the {self.controllers[place].name} never gets quiet: "
            f"{MOST_RECONCILES} reconciles at one instant",
            where="/".join(part for part in item if part),
            fix="look for two writers that undo each other's change to this object",
        )
