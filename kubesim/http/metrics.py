"""What a server counts of the requests that it answers.

Counting is an addition in a dictionary, for it happens at each request; what Prometheus reads is
made of it when Prometheus asks (see `exposition`). Only what the server itself serves becomes a
label: a client cannot make it remember what that client made up.

Source of names, labels and buckets: apiserver `pkg/endpoints/metrics` (Kubernetes 1.37).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, NamedTuple

from kubesim.errors import ApiError
from kubesim.http.bodies import media_of
from kubesim.http.calls import Call
from kubesim.http.routes import Route, is_true
from kubesim.resources import Registry

BUCKETS = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0),
    *(3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0),
)
"""The upper bounds, in seconds, of the classes into which durations are sorted."""

_VERBS = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}
_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_CONNECTS = ("attach", "exec", "portforward", "proxy")
_HEALTH = ("/healthz", "/livez", "/readyz")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric, in the words of Prometheus a family of samples.

    Args:
        name: without the `_total` of a counter.
        type: what its values mean.
        help: what it says, as a sentence.
        samples: what follows the name in a sample's own, its labels, its value.
    """

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    samples: Iterable[tuple[str, Mapping[str, str], float]] = field(default=())


class Question(NamedTuple):
    """What was asked for, as the labels of a metric tell it."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    scope: str = ""
    dry_run: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, and the component, which is always the same."""
        return {**self._asdict(), "component": "apiserver"}

    @property
    def stays(self) -> bool:
        """Whether the answer ends when the client has enough, not when everything is said."""
        return self.verb in ("WATCH", "CONNECT")

    @property
    def kind(self) -> str:
        """`mutating` or `readOnly`, as limits on requests tell them apart."""
        return "readOnly" if self.verb in ("GET", "HEAD", "LIST", "WATCH") else "mutating"


def question(route: Route | None, call: Call, registry: Registry) -> Question:
    """What a request asks for.

    Args:
        route: of its URL; None for one about no resource.
        call: the request.
        registry: what is served, and no more than that becomes a label.
    """
    if route is None:
        verb = call.method if call.method in _METHODS else "other"
        return Question(verb, subresource=call.path if call.path in _HEALTH else "")
    dry_run = "All" if call.query.get("dryRun") == "All" else ""
    verb = _VERBS.get(route.verb, "other")
    if verb == "PATCH" and media_of(call.media) == "application/apply-patch+yaml":
        verb = "APPLY"
    try:
        resource = registry.by_plural(route.group, route.version, route.plural)
    except ApiError:
        return Question(verb, dry_run=dry_run)
    subresource = route.subresource if route.subresource in resource.subresources else ""
    if subresource in _CONNECTS or (subresource == "log" and is_true(call.query.get("follow"))):
        verb = "CONNECT"
    if route.name or verb == "POST":
        scope = "resource"
    else:
        scope = "namespace" if route.namespace else "cluster"
    return Question(
        verb, resource.group, resource.version, resource.plural, subresource, scope, dry_run
    )


class Tally:
    """All requests of a server so far, and those under way.

    Args:
        clock: seconds since whenever; those of the event loop if None.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.clock = clock or _loop_time
        self.requests: Counter[tuple[Question, int]] = Counter()
        self.durations: dict[Question, list[int]] = {}
        self.seconds: defaultdict[Question, float] = defaultdict(float)
        self.under_way: Counter[str] = Counter()
        self.open: Counter[Question] = Counter()

    def request(self, method: str) -> Counted:
        """One request that begins now."""
        return Counted(self, method)

    def families(self) -> Iterable[Family]:
        """What was counted."""
        yield Family(
            "apiserver_request",
            "counter",
            "Counter of apiserver requests broken out for each verb, dry run value, group, "
            "version, resource, scope, component, and HTTP response code.",
            [
                ("_total", {**asked.labels, "code": str(code)}, count)
                for (asked, code), count in self.requests.items()
            ],
        )
        yield Family(
            "apiserver_request_duration_seconds",
            "histogram",
            "Response latency distribution in seconds for each verb, dry run value, group, "
            "version, resource, subresource, scope and component.",
            list(self._histogram()),
        )
        yield Family(
            "apiserver_current_inflight_requests",
            "gauge",
            "Number of requests that are being answered, by request kind.",
            [
                ("", {"request_kind": kind}, self.under_way[kind])
                for kind in ("mutating", "readOnly")
            ],
        )
        yield Family(
            "apiserver_longrunning_requests",
            "gauge",
            "Gauge of all active long-running apiserver requests broken out by verb, group, "
            "version, resource, scope and component.",
            [("", _without_dry_run(asked), count) for asked, count in self.open.items()],
        )

    def _histogram(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        for asked, classes in self.durations.items():
            labels, total = asked.labels, 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), classes, strict=True):
                total += count
                yield "_bucket", {**labels, "le": bound}, total
            yield "_count", labels, total
            yield "_sum", labels, self.seconds[asked]


class Counted:
    """One request, from its head to the end of its answer; a context.

    Args:
        tally: where it is counted.
        method: of the request, until `about` says more.
    """

    __slots__ = ("_began", "_question", "_tally", "code")

    def __init__(self, tally: Tally, method: str) -> None:
        self._tally, self._began = tally, tally.clock()
        self._question = Question(method if method in _METHODS else "other")
        self.code = 0
        """What it was answered; 0 as long as it is not, and if the client left before."""

    def about(self, asked: Question) -> None:
        """Say what is asked for, once that is known."""
        self._leave()
        self._question = asked
        self._enter()

    def __enter__(self) -> Counted:
        self._enter()
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()
        if not self.code:
            return
        tally, asked = self._tally, self._question
        seconds = tally.clock() - self._began
        tally.requests[asked, self.code] += 1
        classes = tally.durations.get(asked)
        if classes is None:
            classes = tally.durations[asked] = [0] * (len(BUCKETS) + 1)
        classes[bisect_left(BUCKETS, seconds)] += 1
        tally.seconds[asked] += seconds

    def _enter(self) -> None:
        if self._question.stays:
            self._tally.open[self._question] += 1
        else:
            self._tally.under_way[self._question.kind] += 1

    def _leave(self) -> None:
        if self._question.stays:
            self._tally.open[self._question] -= 1
        else:
            self._tally.under_way[self._question.kind] -= 1


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _without_dry_run(asked: Question) -> dict[str, str]:
    labels = asked.labels
    del labels["dry_run"]
    return labels
