"""What a deployer is allowed to do, and when: the same dials for push and for pull."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Self

from gitops_lab.engine.plan import SyncPolicy


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The dials of a deployer. An experiment turns one of them and leaves the rest.

    Times are in seconds. The spans that a real system would take (`start`, `fetch`) are
    assumptions of the simulation, not measurements.

    Args:
        on_event: a merge in Git triggers the deployer (a pipeline, or a webhook to the agent).
        interval: time from one look at Git to the next; None means never unasked.
        jitter: share of the interval by which a look may come earlier or later.
        self_heal: write also when the revision did not move, if live state drifted.
        prune: delete objects that Git dropped; needs an inventory.
        force: take fields over that another field manager changed.
        allow_empty: prune even if Git holds no object at all any more.
        namespace: where objects go that do not say so themselves.
        retry: time until a failed sync is tried again; None leaves it to the next trigger.
        start: time until a triggered deployer begins (a CI runner has to be found; an agent runs).
        fetch: time that fetching a revision takes.
        poll: time between two looks at health while objects are still progressing.
        timeout: longest time to wait for health.
    """

    on_event: bool = False
    interval: float | None = None
    jitter: float = 0.05
    self_heal: bool = False
    prune: bool = True
    force: bool = True
    allow_empty: bool = False
    namespace: str = "default"
    retry: float | None = None
    start: float = 0.0
    fetch: float = 2.0
    poll: float = 5.0
    timeout: float = 300.0

    def sync(self, owner: str) -> SyncPolicy:
        """The part of this policy that a single sync needs."""
        return SyncPolicy(
            owner=owner,
            namespace=self.namespace,
            prune=self.prune,
            force=self.force,
            allow_empty=self.allow_empty,
        )

    def faster(self, pace: float) -> Self:
        """This policy with every span of time so many times as short; the pace is above zero."""
        return replace(
            self,
            interval=None if self.interval is None else self.interval / pace,
            retry=None if self.retry is None else self.retry / pace,
            start=self.start / pace,
            fetch=self.fetch / pace,
            poll=self.poll / pace,
            timeout=self.timeout / pace,
        )

    def next_look(self, now: float, random: Random) -> float:
        """When to look at Git unasked next; infinitely late if never."""
        if self.interval is None:
            return float("inf")
        return now + self.interval * (1 + random.uniform(-self.jitter, self.jitter))
