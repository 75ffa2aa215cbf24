"""Garbage collections that do not stop a server.

Python's full collections look at every object that is alive. With ten thousand pods that takes half
a second, in which nothing else happens. Stored objects hold no cycles, so looking at them again and
again finds nothing: once a collection has taken too long, what it left is frozen (`gc.freeze`).
Frozen objects still go when their last reference goes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONGEST = 0.05
"""Seconds of real time that a full collection may take before what it left is frozen."""


@contextmanager
def brief_collections(stopwatch: Callable[[], float]) -> Iterator[None]:
    """Keep full collections brief for as long as the block lasts.

    Args:
        stopwatch: seconds of real time since some instant.
    """
    began = 0.0

    def measure(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = stopwatch()
        elif info["generation"] == 2 and stopwatch() - began > LONGEST:
            gc.freeze()

    gc.callbacks.append(measure)
    try:
        yield
    finally:
        gc.callbacks.remove(measure)
        gc.unfreeze()
