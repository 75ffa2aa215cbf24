"""Watches as streams: one JSON event after the other, for as long as the client listens.

A watch asks the store what has happened since it last asked, so what it has not sent yet is kept
in the store's history and nowhere else. A client that reads too slowly falls behind the history
and is told 410, after which it lists again: no client can make the server hold more for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kubesim.api import Watch
from kubesim.errors import ApiError
from kubesim.http.answers import Shaper, encoded
from kubesim.http.queries import ListOptions
from kubesim.store import Event, Store

BOOKMARK_EVERY = 60.0
"""Seconds of real time between bookmarks. Source: `bookmarkFrequency` of the watch cache."""

LONGEST = 3600.0
"""Seconds of real time after which the server ends a watch that names no time itself."""

_SLICE = 256 * 1024
"""After how many bytes other clients get their turn."""


class Alarm:
    """Wakes those who wait for changes of a resource. One per server."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], list[asyncio.Event]] = {}
        self._unsubscribe: Callable[[], None] = lambda: None

    def open(self, store: Store) -> None:
        """Listen to a store's changes."""
        self._unsubscribe = store.subscribe(self._tell)

    def close(self) -> None:
        """Listen to the store no more."""
        self._unsubscribe()

    def _tell(self, event: Event) -> None:
        for each in self._waiting.get(event.key[:2], ()):
            each.set()

    def join(self, resource: tuple[str, str]) -> tuple[asyncio.Event, Callable[[], None]]:
        """What is set when the resource changes, and what ends that."""
        bell = asyncio.Event()
        waiting = self._waiting.setdefault(resource, [])
        waiting.append(bell)
        return bell, lambda: waiting.remove(bell)

    def ring(self) -> None:
        """Wake everyone, as when the server stops."""
        for waiting in self._waiting.values():
            for each in waiting:
                each.set()


@dataclass(frozen=True)
class Watching:
    """A watch that was granted, and what it takes to stream it.

    Args:
        watch: what is told.
        options: of the request.
        shaper: gives the objects the form the client asked for.
    """

    watch: Watch
    options: ListOptions
    shaper: Shaper


async def stream(
    granted: Watching, alarm: Alarm, goes_on: Callable[[], bool]
) -> AsyncGenerator[bytes, None]:
    """The events of a watch as lines of JSON, until its time is over.

    Args:
        granted: the watch.
        alarm: tells when there may be something new.
        goes_on: whether the server still serves.
    """
    watch, options, shaper = granted.watch, granted.options, granted.shaper
    loop = asyncio.get_running_loop()
    bell, leave = alarm.join(watch.resource)
    end = loop.time() + (options.timeout or LONGEST)
    bookmark = loop.time() + BOOKMARK_EVERY
    begins = options.initial is True
    try:
        while goes_on():
            bell.clear()
            lines: list[bytes] = []
            size = 0
            try:
                events = watch.poll()
            except ApiError as error:
                yield _line({"type": "ERROR", "object": error.status}, shaper)
                return
            for event in events:
                lines.append(_line(event, shaper))
                size += len(lines[-1])
                if size > _SLICE:
                    yield b"".join(lines)
                    lines, size = [], 0
            if begins:
                begins = False
                if options.bookmarks:
                    lines.append(_line(watch.bookmark(ends_initial_events=True), shaper))
            now = loop.time()
            if options.bookmarks and now >= min(bookmark, end):
                lines.append(_line(watch.bookmark(), shaper))
                bookmark = now + BOOKMARK_EVERY
            if lines:
                yield b"".join(lines)
            if loop.time() >= end:
                return
            wait = min(bookmark, end) if options.bookmarks else end
            try:
                async with asyncio.timeout(max(wait - loop.time(), 0)):
                    await bell.wait()
            except TimeoutError:
                pass
    finally:
        leave()


def _line(event: Mapping[str, Any], shaper: Shaper) -> bytes:
    return encoded(shaper.event(event)) + b"\n"
