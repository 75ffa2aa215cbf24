"""What applications write to their logs: a line for each request that they were sent."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from kubesim.applications.exchange import Request, Response

MOST_LINES, MOST_CONTAINERS, LONGEST_LINE = 1_000, 200, 1_024
"""What is kept: lines of a container, containers, characters of a line. The oldest go first."""


class Line(NamedTuple):
    """One line of a container's log.

    Args:
        number: how many lines the container had written before.
        at: when, in seconds since the Unix epoch.
        text: what it says.
    """

    number: int
    at: float
    text: str


class Lines:
    """The lines that containers wrote, each run of a container by its id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, deque[Line]] = OrderedDict()
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call a listener after each line; what ends that is returned."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def write(self, container_id: str, at: float, text: str) -> None:
        """Add a line to a container's log."""
        lines = self._kept.setdefault(container_id, deque(maxlen=MOST_LINES))
        self._kept.move_to_end(container_id)
        if len(self._kept) > MOST_CONTAINERS:
            self._kept.popitem(last=False)
        printable = "".join(each if each.isprintable() else "?" for each in text[:LONGEST_LINE])
        lines.append(Line(lines[-1].number + 1 if lines else 0, at, printable))
        for listener in self._listeners:
            listener()

    def of(self, container_id: str, *, since: int = 0) -> list[Line]:
        """The lines of a container, from one with a number on."""
        return [each for each in self._kept.get(container_id, ()) if each.number >= since]


def access(client: str, request: Request, response: Response, at: float) -> str:
    """A request as a web server's access log shows it.

    Source: the "combined" format of the Apache HTTP server, that most web servers know.
    """
    when = datetime.fromtimestamp(at, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    headers = request.headers
    return (
        f'{client} - - [{when}] "{request.line}" {response.code} {len(response.body)} '
        f'"{headers.get("Referer", "-")}" "{headers.get("User-Agent", "-")}"'
    )
