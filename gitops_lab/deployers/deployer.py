"""What both deployers are handed, and what both write down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from gitops_lab.deployers.policy import Policy
from gitops_lab.engine.inventory import Inventory
from gitops_lab.engine.sync import NOTHING, Outcome, sync
from gitops_lab.errors import LabError, SyncError
from gitops_lab.journal import Pen
from gitops_lab.model import Artifact, Health, HealthStatus, Object, Revision, SyncStatus
from gitops_lab.ports import Cluster, Credentials, Source

Stage = Callable[[float], float | None]
"""One bounded piece of work at `now`; answers when to go on, in seconds since the Unix epoch."""


@dataclass(frozen=True)
class Memory:
    """What a deployer must know of its last success.

    Args:
        revision: the revision that was applied in full; empty if none was.
        inventory: the objects it answers for.
    """

    revision: str = ""
    inventory: Inventory = field(default_factory=dict)


class Deployer(ABC):
    """A step function that brings one source to one cluster.

    Args:
        name: its name in the cluster: field manager and owner label.
        source: the branch and folder to deploy.
        cluster: the API server, reached with this deployer's credentials.
        policy: what it may do, and when.
        journal: what it writes down in: what it does, and why.
        random: draws the jitter.
    """

    credentials: ClassVar[Credentials]
    prerequisites: ClassVar[tuple[Object, ...]] = ()
    """Objects that somebody with more rights creates before this deployer can work."""

    def __init__(
        self,
        name: str,
        *,
        source: Source,
        cluster: Cluster,
        policy: Policy,
        journal: Pen,
        random: Random,
    ) -> None:
        self.name, self.source, self.cluster = name, source, cluster
        self.policy, self.journal, self.random = policy, journal, random
        self.storage: MutableMapping[str, str] = {}
        """What CI keeps between two pipelines. An agent keeps its memory in the cluster."""
        self.stage: Stage = self.begin
        self.next_look = float("inf") if policy.interval is None else float("-inf")
        self.deadline = float("-inf")
        self.revision: Revision | None = None
        self.artifact: Artifact | None = None
        self.outcome: Outcome | None = None
        self.applied = ""
        self.sync_status = SyncStatus.UNKNOWN
        self.health = Health(HealthStatus.UNKNOWN, "not looked yet")

    # What push.py and pull.py fill in, each in its own way and in this order.

    @abstractmethod
    def notify(self, revision: Revision) -> bool:
        """A branch moved in Git. Whether this deployer listens; if so, call `step` next."""

    @abstractmethod
    def recall(self) -> Memory:
        """What this deployer remembers of its last success."""

    @abstractmethod
    def remember(self, memory: Memory) -> None:
        """Keep it until the next run."""

    @abstractmethod
    def begin(self, now: float) -> float | None:
        """The first stage of a run, if one is due."""

    @abstractmethod
    def fail(self, error: LabError, now: float) -> float | None:
        """End a run that went wrong."""

    # What both do alike.

    def step(self, now: float) -> float | None:
        """Do the next bounded piece of work.

        Args:
            now: the present instant, in seconds since the Unix epoch.

        Returns:
            When to be called again; infinity or None to sleep until the next event.
        """
        try:
            return self.stage(now)
        except LabError as error:
            return self.fail(error, now)

    def run_sync(self) -> Outcome:
        """Sync the fetched revision: write if it moved, or if the policy heals whatever drifted.

        Raises:
            LabError: the revision cannot be applied, or not all of it was.
        """
        assert self.artifact is not None
        memory, known = self.recall(), self.outcome.plan if self.outcome else NOTHING
        outcome = sync(
            self.artifact,
            self.cluster,
            memory.inventory,
            self.policy.sync(self.name),
            self.journal,
            act=str(self.artifact.revision) != memory.revision or self.policy.self_heal,
            known=known,
            intend=lambda inventory: self.remember(Memory(memory.revision, inventory)),
        )
        if outcome.acted:
            applied = str(outcome.revision) if outcome.succeeded else memory.revision
            memory = Memory(applied, outcome.inventory)
            self.remember(memory)
        self.applied = memory.revision
        self.note_sync(outcome)
        self.note_health(outcome.health)
        if outcome.done.failures:
            refused = outcome.done.failures
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            raise SyncError(f"{refused[0].key} was refused: {refused[0].why}{more}")
        return outcome

    def note_sync(self, outcome: Outcome) -> None:
        """Write a comparison down if it acted or told something new."""
        news = outcome.sync != self.sync_status or (outcome.acted and bool(outcome.done.writes))
        self.outcome, self.sync_status = outcome, outcome.sync
        if news:
            self.journal.record("synced", outcome.revision,
                sync=outcome.sync, acted=outcome.acted, applied=self.applied,
                written=len(outcome.done.writes), failed=len(outcome.done.failures),
            )  # fmt: skip

    def note_health(self, health: Health) -> None:
        """Write health down if it changed."""
        if health != self.health:
            self.health = health
            self.journal.record("health", "", health.message, status=health.status)
