"""What the push and the pull deployer do alike: runs of several stages, and their journal."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from gitops_lab.deployers.deployer import Context, Deployer
from gitops_lab.engine.inventory import Inventory
from gitops_lab.engine.sync import NOTHING, Outcome, sync
from gitops_lab.errors import LabError, SyncError
from gitops_lab.model import Artifact, Health, HealthStatus, Revision, SyncStatus

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


class Staged(Deployer):
    """A deployer that brings one source to one cluster, stage by stage.

    Args:
        context: everything that it may touch.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.stage: Stage = self.begin
        self.next_look = float("inf") if self.policy.interval is None else float("-inf")
        self.deadline = float("-inf")
        self.revision: Revision | None = None
        self.artifact: Artifact | None = None
        self.outcome: Outcome | None = None
        self.sync_status = SyncStatus.UNKNOWN
        self.health = Health(HealthStatus.UNKNOWN, "not looked yet")

    # What push.py and pull.py fill in, each in its own way and in this order.

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
        """Run the stage that is next; a stage that raises an error ends the run."""
        try:
            return self.stage(now)
        except LabError as error:
            return self.fail(error, now)

    @property
    def settled(self) -> bool:
        """Whether the last sync applied its revision in full: only then can live state drift."""
        return self.outcome is not None and str(self.outcome.revision) == self.applied

    @property
    def is_at_work(self) -> bool:  # type: ignore[override]
        """Whether a run has begun and not ended."""
        return self.stage != self.begin

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
