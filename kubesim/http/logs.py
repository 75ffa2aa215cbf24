"""What `kubectl logs` shows of a container that no process runs in.

A simulated container writes a line for each request that it answers. Besides, when it started and
how it ended is told as a log would tell it, so that one sees restarts where one would look for
them.

Source: core/v1 PodLogOptions with its validation, and kubelet `pkg/kubelet/kuberuntime/logs`
(Kubernetes 1.37).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubesim import refusals
from kubesim.applications.lines import Lines
from kubesim.clock import timestamp
from kubesim.http import containers
from kubesim.http.queries import Query
from kubesim.http.watches import Alarm
from kubesim.model import Object

IDLE = 4 * 3600.0
"""Seconds of real time after which a log is followed no more that nothing is added to. Source:
kubelet `--streaming-connection-idle-timeout`."""


@dataclass(frozen=True)
class LogOptions:
    """Which part of a log is asked for.

    Args:
        tail: how many of the last lines; None for all.
        since: from which instant on, in seconds since the Unix epoch.
        limit: how many bytes at most; None for all.
        stamped: whether each line begins with its time.
    """

    tail: int | None = None
    since: float = 0.0
    limit: int | None = None
    stamped: bool = False

    @classmethod
    def of(cls, pod: str, query: Query, now: float) -> LogOptions:
        """The options in a query.

        Raises:
            ApiError: 400 BadRequest, 422 Invalid.
        """
        tail, limit = query.integer("tailLines"), query.integer("limitBytes")
        seconds, time = query.integer("sinceSeconds"), query.get("sinceTime")
        faults = [
            ("FieldValueInvalid", f"Invalid value: {value}: must be greater than {least}", field)
            for field, value, least, is_wrong in (
                ("tailLines", tail, "or equal to 0", (tail or 0) < 0),
                ("limitBytes", limit, "0", limit is not None and limit < 1),
                ("sinceSeconds", seconds, "0", seconds is not None and seconds < 1),
            )
            if is_wrong
        ]
        if seconds is not None and time:
            why = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            faults.append(("FieldValueForbidden", why, ""))
        if faults:
            raise refusals.invalid("", "PodLogOptions", pod, faults)
        since = now - seconds if seconds is not None else _instant(time) if time else 0.0
        return cls(tail, since, limit, query.yes("timestamps"))


class Reading:
    """The log of one run of one container, read from its beginning to its end.

    Args:
        find: the pod as it is now; None once it is gone.
        lines: what applications wrote.
        query: PodLogOptions.
        now: the time, in seconds since the Unix epoch.

    Raises:
        ApiError: 400 BadRequest: there is no such container, or it has not started; 422 Invalid.
    """

    def __init__(
        self, find: Callable[[], Object | None], lines: Lines, query: Query, now: float
    ) -> None:
        self.lines, self._find = lines, find
        pod = find() or {}
        self._uid: str = pod["metadata"]["uid"]
        self._container = containers.chosen(pod, query.get("container", ""))
        self._options = LogOptions.of(pod["metadata"]["name"], query, now)
        self._run = _run(pod, self._container, previous=query.yes("previous"))
        self._next = 0
        self._has_begun = self.is_over = False
        self._left = self._options.limit

    def more(self) -> bytes:
        """What was added since the last call; at the first one, everything that is asked for."""
        lines = list(self._added())
        if not self._has_begun:
            lines = [each for each in lines if each[0] >= self._options.since]
            if self._options.tail is not None:
                lines = lines[-self._options.tail :] if self._options.tail else []
            self._has_begun = True
        content = "".join(self._shown(*each) for each in lines).encode("utf-8", "replace")
        if self._left is not None:
            content = content[: self._left]
            self._left -= len(content)
            self.is_over = self.is_over or not self._left
        return content

    def _shown(self, at: float, text: str) -> str:
        return f"{timestamp(at)} {text}\n" if self._options.stamped else f"{text}\n"

    def _added(self) -> Iterator[tuple[float, str]]:
        pod = self._find()
        status, run = {}, None
        if pod is not None and pod["metadata"]["uid"] == self._uid:
            status = containers.status(pod, self._container)
            run = next((each for each in _runs(status) if each["containerID"] == self._run), None)
        if run is None:
            self.is_over = True
        elif not self._has_begun:
            image = status.get("image", "")
            yield _instant(run["startedAt"]), f"{image} started (simulated: nothing runs in it)"
        for line in self.lines.of(self._run, since=self._next):
            self._next = line.number + 1
            yield line.at, line.text
        if run is not None and "exitCode" in run:
            self.is_over = True
            said = run.get("message") or f"ended with exit code {run['exitCode']}"
            for text in said.splitlines():
                yield _instant(run["finishedAt"]), text


@dataclass(frozen=True)
class Following:
    """A log that is told on, as it grows."""

    reading: Reading


async def stream(
    following: Following, alarm: Alarm, goes_on: Callable[[], bool]
) -> AsyncGenerator[bytes, None]:
    """A log as it is, and then as it grows, until the container ends.

    Args:
        following: what is followed.
        alarm: tells when pods change.
        goes_on: whether the server still serves.
    """
    reading = following.reading
    bell, leave = alarm.join(("", "pods"))
    be_quiet = reading.lines.subscribe(bell.set)
    try:
        while goes_on():
            bell.clear()
            if added := reading.more():
                yield added
            if reading.is_over:
                return
            async with asyncio.timeout(IDLE):
                await bell.wait()
    finally:
        leave()
        be_quiet()


def _run(pod: Object, container: str, *, previous: bool) -> str:
    """The id of the run whose log is asked for.

    Raises:
        ApiError: 400 BadRequest: there was none yet.
    """
    name, status = pod["metadata"]["name"], containers.status(pod, container)
    runs = _runs(status)
    if previous:
        runs = [each for each in runs if each is (status.get("lastState") or {}).get("terminated")]
        if not runs:
            raise refusals.bad_request(
                f'previous terminated container "{container}" in pod "{name}" not found'
            )
    if not runs:
        waiting = (status.get("state") or {}).get("waiting") or {}
        why = waiting.get("reason", "ContainerCreating")
        raise refusals.bad_request(
            f'container "{container}" in pod "{name}" is waiting to start: {why}'
        )
    found: str = runs[0]["containerID"]
    return found


def _runs(status: Any) -> list[dict[str, Any]]:
    """The runs that a container's status tells of, the present one first, each with its id."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    present = {"containerID": status.get("containerID", "")}
    runs = [
        {**present, **state["running"]} if "running" in state else state.get("terminated"),
        last.get("terminated"),
    ]
    return [each for each in runs if each]


def _instant(text: str) -> float:
    """Raises: ApiError 400 BadRequest for what is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise refusals.bad_request(f'parsing time "{text}" as RFC 3339') from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
