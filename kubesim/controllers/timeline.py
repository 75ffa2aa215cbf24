"""A container's life from its start: when it gets ready, when probes fail, when it ends.

Both sides are known in advance, what the image does (its behaviour) and when the kubelet asks
(the probes). So the instants at which anything changes follow by arithmetic, and a healthy
container costs nothing however often it is probed.

Source of the rules: Kubernetes 1.37, pkg/kubelet/prober. One thing differs: a container *without*
a readiness probe is not ready at once, but as soon as its image answers. A real image cannot say
so by itself; a lesson about an image that never gets ready should not need a probe to be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import ceil, inf
from random import Random
from typing import Any

from kubesim.controllers.images import Behaviour


class Turn(IntEnum):
    """What can happen to a running container; at the same instant, in this order."""

    STARTED = 1
    UNHEALTHY = 2
    READY = 3
    UNREADY = 4
    KILLED = 5
    EXITED = 6


@dataclass(frozen=True, order=True, slots=True)
class Moment:
    """One turn in a container's life.

    Args:
        at: when, in seconds since the Unix epoch.
        turn: what happens.
        message: the kubelet's sentence about it.
        exit_code: with what the container exits.
    """

    at: float
    turn: Turn
    message: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of a container, as the instants at which the kubelet asks.

    Args:
        kind: `Startup`, `Readiness` or `Liveness`.
        base: when it asks first.
        period: how long it waits between two questions, in seconds.
        failures: how many failures in a row count.
        successes: how many successes in a row count.
        action: how it asks: `httpGet`, `tcpSocket`, `grpc` or `exec`.
    """

    kind: str
    base: float
    period: float
    failures: int
    successes: int
    action: str

    @classmethod
    def of(cls, kind: str, spec: Mapping[str, Any], earliest: float, start: float) -> Probe:
        """The probe that a container spec describes, not before some instant."""
        actions = ("httpGet", "tcpSocket", "grpc")
        return cls(
            kind,
            max(earliest, start + spec.get("initialDelaySeconds", 0)),
            spec.get("periodSeconds", 10),
            spec.get("failureThreshold", 3),
            spec.get("successThreshold", 1),
            next((action for action in actions if action in spec), "exec"),
        )

    def asks(self, at: float) -> float:
        """The first time that it asks at an instant or after it."""
        if inf in (at, self.base):
            return inf
        return self.base + max(ceil((at - self.base) / self.period), 0) * self.period

    def gives_up(self, silent_from: float, answers_from: float) -> float:
        """When it has failed too often, if silence lasts from one instant to another."""
        last = self.asks(silent_from) + (self.failures - 1) * self.period
        return last if last < answers_from else inf

    @property
    def failure(self) -> str:
        """What the kubelet says of a failed probe."""
        why = {
            "httpGet": "HTTP probe failed with statuscode: 503",
            "tcpSocket": "dial tcp: connect: connection refused",
            "grpc": "service unhealthy (responded with \"NOT_SERVING\")",
            "exec": "command exited with code 1",
        }[self.action]  # fmt: skip
        return f"{self.kind} probe failed: {why}"


def timeline(
    container: Mapping[str, Any],
    behaviour: Behaviour,
    start: float,
    rng: Random,
    *,
    is_task: bool = False,
) -> list[Moment]:
    """What will happen to a container that starts now, in order, until it ends.

    Args:
        container: its spec.
        behaviour: what its image does.
        start: when it starts, in seconds since the Unix epoch.
        rng: varies the time to get ready.
        is_task: whether it is to end by itself (an init container, a pod of a Job).
    """
    silent_again = start + behaviour.fails_after if behaviour.fails_after is not None else inf
    answers = start + behaviour.varied(behaviour.ready_seconds, rng) if behaviour.ready else inf
    if answers >= silent_again:
        answers = inf
    moments: list[Moment] = []
    started = start
    if "startupProbe" in container:
        probe = Probe.of("Startup", container["startupProbe"], start, start)
        started = probe.asks(answers)
        moments += _failing(probe, start, answers, silent_again)
    if started < inf:
        moments.append(Moment(started, Turn.STARTED))
    if "readinessProbe" in container:
        probe = Probe.of("Readiness", container["readinessProbe"], started, start)
        ready = probe.asks(answers) + (probe.successes - 1) * probe.period
        unready = probe.gives_up(max(silent_again, ready), inf)
        moments += _unhealthy(probe, answers, silent_again)
    else:
        ready = started if is_task else max(started, answers)
        unready = max(silent_again, ready)
    if ready < inf:
        moments += [Moment(ready, Turn.READY), Moment(unready, Turn.UNREADY)]
    if "livenessProbe" in container:
        probe = Probe.of("Liveness", container["livenessProbe"], started, start)
        moments += _failing(probe, started, answers, silent_again)
    moments.append(_end(behaviour, start, is_task))
    moments = sorted(moment for moment in moments if moment.at < inf)
    last = next(
        (place for place, moment in enumerate(moments) if moment.turn >= Turn.KILLED), len(moments)
    )
    return moments[: last + 1]


def _end(behaviour: Behaviour, start: float, is_task: bool) -> Moment:
    completes = behaviour.completes_after
    if completes is None and is_task:
        completes = behaviour.task_seconds
    if behaviour.crash_after is not None and behaviour.crash_after <= (
        inf if completes is None else completes
    ):
        at = start + behaviour.crash_after
        return Moment(at, Turn.EXITED, exit_code=behaviour.exit_code)
    return Moment(inf if completes is None else start + completes, Turn.EXITED)


def _unhealthy(probe: Probe, answers: float, silent_again: float) -> list[Moment]:
    """The first failure of each silence; the real kubelet reports each failure."""
    silences = [probe.base] if probe.base < answers else []
    return [
        Moment(at, Turn.UNHEALTHY, probe.failure)
        for at in (*silences, probe.asks(silent_again))
        if at < inf
    ]


def _failing(probe: Probe, since: float, answers: float, silent_again: float) -> list[Moment]:
    """What a probe does that kills the container when it fails."""
    if since == inf:
        return []
    killed = min(probe.gives_up(probe.base, answers), probe.gives_up(silent_again, inf))
    if probe.kind == "Startup" and answers < inf:
        killed = probe.gives_up(probe.base, answers)  # asks no more once it has succeeded
    return [
        *_unhealthy(probe, answers, inf if probe.kind == "Startup" else silent_again),
        Moment(killed, Turn.KILLED, f"failed {probe.kind.lower()} probe"),
    ]
