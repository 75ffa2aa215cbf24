"""What a deployer is allowed to do, and when: the same dials for push and for pull."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Self

from gitops_lab.engine.fields import Ignore
from gitops_lab.engine.plan import ORDERS, SyncPolicy
from gitops_lab.errors import UsageError

CONCURRENCY = ("queue", "parallel", "cancel")


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
        path: the folder of the repository to deploy; the root if empty. Files outside it may be
            used, such as the base of an overlay.
        take_over: also remove what kubectl added to objects that Git declares, as Flux does.
        validate_first: write nothing of a set if one of its objects would be refused.
        order: what a sync applies first: none, kinds, stages or waves.
        ignore: fields that are no drift.
        respect_ignore: leave these fields alone when applying, too.
        suspend: do nothing at all until it is turned off.
        depends_on: names of agents in the same cluster that must be ready at the same revision.
        concurrency: how a pipeline that is triggered while another runs behaves: `queue` waits,
            `parallel` starts at once, `cancel` ends the other.
        retry: time until a failed sync is tried again; None leaves it to the next trigger.
        backoff: by how much the next retry takes longer than the one before.
        retry_limit: how long a retry takes at most.
        start: time until a triggered deployer begins (a CI runner has to be found; an agent runs).
        start_spread: share of `start` by which it may take less or more, as runners are busy.
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
    path: str = ""
    take_over: bool = False
    validate_first: bool = False
    order: str = "stages"
    ignore: tuple[Ignore, ...] = ()
    respect_ignore: bool = False
    suspend: bool = False
    depends_on: tuple[str, ...] = ()
    concurrency: str = "queue"
    retry: float | None = None
    backoff: float = 1.0
    retry_limit: float = 900.0
    start: float = 0.0
    start_spread: float = 0.0
    fetch: float = 2.0
    poll: float = 5.0
    timeout: float = 300.0

    def __post_init__(self) -> None:
        for dial, value, values in (
            ("order", self.order, ORDERS),
            ("concurrency", self.concurrency, CONCURRENCY),
        ):
            if value not in values:
                raise UsageError(
                    f"{dial} cannot be {value!r}", fix=f"choose from {', '.join(values)}"
                )

    def rule(self, *, is_orphan: bool) -> str:
        """What these dials say about an object that is not as Git has it."""
        if is_orphan:
            return "it is deleted (prune is on)" if self.prune else "it stays (prune is off)"
        if self.interval is None:
            return "differences stay until the next commit: no interval, so it does not look"
        if not self.self_heal:
            return "differences stay until the next commit (self_heal is off)"
        extra = "removed, too" if self.take_over else "left"
        return (
            f"differences are undone at the next look (self_heal is on); fields that kubectl added "
            f"are {extra} (take_over is {'on' if self.take_over else 'off'})"
        )

    def sync(self, owner: str) -> SyncPolicy:
        """The part of this policy that a single sync needs."""
        return SyncPolicy(
            owner=owner,
            namespace=self.namespace,
            prune=self.prune,
            force=self.force,
            allow_empty=self.allow_empty,
            path=self.path,
            take_over=self.take_over,
            validate_first=self.validate_first,
            order=self.order,
            ignore=self.ignore,
            respect_ignore=self.respect_ignore,
        )

    def faster(self, pace: float) -> Self:
        """This policy with every span of time so many times as short; the pace is above zero."""
        return replace(
            self,
            interval=None if self.interval is None else self.interval / pace,
            retry=None if self.retry is None else self.retry / pace,
            retry_limit=self.retry_limit / pace,
            start=self.start / pace,
            fetch=self.fetch / pace,
            poll=self.poll / pace,
            timeout=self.timeout / pace,
        )

    def next_start(self, random: Random) -> float:
        """Time until a triggered run begins, in seconds."""
        spread = random.uniform(-self.start_spread, self.start_spread) if self.start_spread else 0
        return self.start * (1 + spread)

    def next_retry(self, failures: int, random: Random) -> float | None:
        """Time until the next try.

        Args:
            failures: how many tries have failed in a row.
            random: draws the jitter.

        Returns:
            Seconds; None if a failure is left to the next trigger.
        """
        if self.retry is None:
            return None
        span = min(self.retry * self.backoff ** max(failures - 1, 0), self.retry_limit)
        return span * (1 + random.uniform(-self.jitter, self.jitter)) if self.backoff > 1 else span

    def next_look(self, now: float, random: Random) -> float:
        """When to look at Git unasked next; infinitely late if never."""
        if self.interval is None:
            return float("inf")
        return now + self.interval * (1 + random.uniform(-self.jitter, self.jitter))
