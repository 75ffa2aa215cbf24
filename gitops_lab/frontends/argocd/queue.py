"""A work queue: each key once, at the earliest instant that was asked for."""

from __future__ import annotations

import heapq
from itertools import count


class Queue:
    """Keys and when each is due, in seconds since the Unix epoch."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._order = count()

    def add(self, key: str, at: float) -> None:
        """Have a key worked on at an instant, unless that is asked for earlier already."""
        if at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))

    def pop(self, now: float) -> str | None:
        """The next key that is due, which leaves the queue; None if there is none."""
        if self.next > now:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._due[key]
        return key

    @property
    def next(self) -> float:
        """When the next key is due; infinity if the queue is empty."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # was asked for earlier since, or is done
        return self._heap[0][0] if self._heap else float("inf")

    def __len__(self) -> int:
        return len(self._due)
