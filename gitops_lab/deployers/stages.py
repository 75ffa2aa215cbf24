"""What the push and the pull deployer do alike: runs of three stages, and their journal.

A run goes through fetch → deploy → rollout. What a stage needs is in the state that the stage
before has left.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field, replace

from gitops_lab.deployers.deployer import Activity, Context, Deployer
from gitops_lab.deployers.workload import NAMESPACE
from gitops_lab.engine.inventory import Inventory
from gitops_lab.engine.sync import (
    NOTHING,
    Outcome,
    carry_out,
    compare,
    compared,
    journal_decisions,
)
from gitops_lab.errors import ForgeError, LabError, SyncError
from gitops_lab.model import Artifact, Health, HealthStatus, ObjectKey, Revision, SyncStatus
from gitops_lab.ports import CommitState

SHOWN = 3
"""Extra fields that a report names; it counts the others."""


@dataclass(frozen=True)
class Memory:
    """What a deployer must know of its last success.

    Args:
        revision: the revision that was applied in full; empty if none was.
        inventory: the objects it answers for.
    """

    revision: str = ""
    inventory: Inventory = field(default_factory=dict)


@dataclass(frozen=True)
class Triggered:
    """A run that has to fetch its revision."""


@dataclass(frozen=True)
class Fetched:
    """A run that has to deploy what it fetched."""

    artifact: Artifact


@dataclass(frozen=True)
class Applied:
    """A run that waits until what it applied is healthy."""

    outcome: Outcome


@dataclass(frozen=True)
class Run:
    """One run of a deployer.

    Args:
        revision: what it deploys.
        at: when its next stage is due, in seconds since the Unix epoch.
        state: what its stages have left so far.
        deadline: until when the stage may wait for something.
        failures: how many runs for this revision have failed before.
    """

    revision: Revision
    at: float
    state: Triggered | Fetched | Applied = Triggered()
    deadline: float = float("inf")
    failures: int = 0


class Staged(Deployer):
    """A deployer that brings one source to one cluster, stage by stage.

    Args:
        context: everything that it may touch.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.runs: tuple[Run, ...] = ()
        self.next_look = float("inf") if self.policy.interval is None else float("-inf")
        self.outcome: Outcome | None = None
        self.sync_status = SyncStatus.UNKNOWN
        self.health = Health(HealthStatus.UNKNOWN, "not looked yet")
        self.is_suspended = False

    # What push.py and pull.py fill in, each in its own way and in this order.

    @abstractmethod
    def trigger(self, now: float) -> Run | None:
        """The next run, if one is due."""

    @abstractmethod
    def next_step(self, now: float) -> float:
        """When the next stage of a run, or the next run, is due."""

    @abstractmethod
    def recall(self) -> Memory:
        """What this deployer remembers of its last success."""

    @abstractmethod
    def remember(self, memory: Memory) -> None:
        """Keep it until the next run."""

    @abstractmethod
    def fetch(self, run: Run, now: float) -> Run | None:
        """The first stage."""

    @abstractmethod
    def deploy(self, run: Run, artifact: Artifact, now: float) -> Run | None:
        """The second stage."""

    @abstractmethod
    def rollout(self, run: Run, outcome: Outcome, now: float) -> Run | None:
        """The third stage."""

    @abstractmethod
    def fail(self, run: Run | None, error: LabError, now: float) -> Run | None:
        """What comes after a run that went wrong; None if it could not even be triggered."""

    @abstractmethod
    def report(self, revision: Revision | None, state: str, why: str) -> None:
        """Say how a run ended, where this deployer says it."""

    # What both do alike.

    def step(self, now: float) -> float | None:
        """Begin the run that is due; otherwise, take each run through its next stage."""
        if self.note_suspended():
            return None
        run = self.triggered(now)
        if run is None or not isinstance(run.state, Triggered):
            due = [run for run in self.runs if run.at <= now]
            for run in due:
                following = self.advance(run, now)
                others = [other for other in self.runs if other is not run]
                self.runs = (*others, following) if following else tuple(others)
        return self.next_step(now)

    def triggered(self, now: float) -> Run | None:
        """Begin the run that is due, if one is; None if none is."""
        try:
            run = self.trigger(now)
        except LabError as error:
            run = self.fail(None, error, now)
        if run is not None:
            self.runs = (*self.runs, run)
        return run

    def advance(self, run: Run, now: float) -> Run | None:
        """Take a run through its next stage: the run as it goes on, None if it is over."""
        try:
            match run.state:
                case Triggered():
                    return self.fetch(run, now)
                case Fetched(artifact):
                    if missing := self.missing_dependency(run.revision):
                        self.report(run.revision, "waiting", missing)
                        return replace(run, at=now + self.policy.poll)
                    return self.deploy(run, artifact, now)
                case Applied(outcome):
                    return self.rollout(run, outcome, now)
        except LabError as error:
            return self.fail(run, error, now)

    def rule(self, *, is_orphan: bool) -> str:
        """What its policy says about an object that is not as Git has it."""
        return self.policy.rule(is_orphan=is_orphan)

    def hurry(self, now: float) -> None:
        """A person asks for the next piece of work now: a run that goes on, else a look at Git."""
        if self.runs:
            self.runs = tuple(replace(run, at=min(run.at, now)) for run in self.runs)
        else:
            super().hurry(now)

    @property
    def settled(self) -> bool:
        """Whether the last sync applied its revision in full: only then can live state drift."""
        return self.outcome is not None and str(self.outcome.revision) == self.applied

    @property
    def is_at_work(self) -> bool:  # type: ignore[override]
        """Whether a run has begun and not ended."""
        return bool(self.runs)

    def activity(self, now: float) -> Activity:
        """What the newest run does, and when this deployer looks at Git next."""
        if not self.runs:
            return Activity(next_look=self.next_look)
        run = self.runs[-1]
        short = run.revision.short
        match run.state:
            case Triggered():
                return Activity(f"is about to fetch {short}", next_look=self.next_look)
            case Fetched():
                why = self.outcome.waiting if self.outcome else ""
                doing = f"waits with {short}: {why}" if why else f"is about to deploy {short}"
                until = run.deadline if why else None
            case Applied():
                why = f" ({self.health.message})" if self.health.message else ""
                doing, until = f"waits for the rollout of {short}{why}", self.gives_up(run)
        until = None if until == float("inf") else until
        return Activity(doing, until, self.next_look)

    def gives_up(self, run: Run) -> float:
        """Until when a run waits for its rollout."""
        return run.deadline

    def run_sync(self, artifact: Artifact) -> Outcome:
        """Compare, and carry out if the revision moved or the policy undoes drift.

        Raises:
            LabError: the revision cannot be applied, or not all of it was.
        """
        memory, revision = self.recall(), artifact.revision
        policy, moved = self.policy.sync(self.name), str(artifact.revision) != memory.revision
        planned = compare(artifact, self.cluster, memory.inventory, policy, run_hooks=moved)
        acts = moved or self.policy.self_heal
        known = self.outcome.plan if self.outcome else NOTHING
        journal_decisions(self.journal, planned, known, acts=acts)
        if acts:
            outcome = carry_out(
                revision, planned, self.cluster, memory.inventory, policy, self.journal,
                intend=lambda inventory: self.remember(Memory(memory.revision, inventory)),
            )  # fmt: skip
            applied = str(revision) if outcome.succeeded else memory.revision
            memory = Memory(applied, outcome.inventory)
            self.remember(memory)
        else:
            outcome = compared(revision, planned, memory.inventory)
        self.applied = memory.revision
        self.note_sync(outcome)
        self.note_health(outcome.health)
        if outcome.done.failures:
            refused = outcome.done.failures
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            raise SyncError(f"{refused[0].key} was refused: {refused[0].why}{more}")
        return outcome

    def missing_dependency(self, revision: Revision) -> str:
        """Why this deployer must wait for another one; empty if it need not."""
        for name in self.policy.depends_on:
            home = self.context.home or NAMESPACE
            status = self.cluster.get(ObjectKey("", "ConfigMap", home, f"{name}-status")) or {}
            data = status.get("data") or {}
            if (data.get("ready"), data.get("revision")) != ("True", str(revision)):
                return f"depends on {name}, which is not ready at this revision"
        return ""

    def note_suspended(self) -> bool:
        """Whether this deployer is suspended; written down when that changes."""
        if self.policy.suspend != self.is_suspended:
            self.is_suspended = self.policy.suspend
            self.journal.record("suspended" if self.is_suspended else "resumed", self.name)
        return self.is_suspended

    def note_sync(self, outcome: Outcome) -> None:
        """Write a comparison down if it acted or found something new."""
        news = outcome.sync != self.sync_status or (outcome.acted and bool(outcome.done.writes))
        self.outcome, self.sync_status = outcome, outcome.sync
        if news:
            self.journal.record("synced", outcome.revision,
                sync=outcome.sync, acted=outcome.acted, applied=self.applied,
                written=len(outcome.done.writes), failed=len(outcome.done.failures),
            )  # fmt: skip

    def set_status(self, revision: Revision | None, state: str, why: str) -> None:
        """Set the commit's status, under this deployer's name; if that fails, the run goes on."""
        states: dict[str, CommitState] = {"success": "success", "failure": "failure"}
        if revision is not None:
            with suppress(ForgeError):
                commit, known = revision.commit, states.get(state, "pending")
                self.context.statuses.set(commit, f"deploy/{self.name}", known, why)

    def note_health(self, health: Health) -> None:
        """Write health down if it changed."""
        if health != self.health:
            self.health = health
            self.journal.record("health", "", health.message, status=health.status)


def fetched_note(artifact: Artifact) -> str:
    """What a person should know of a fetched artifact; empty if nothing."""
    if not artifact.submodules:
        return ""
    return f"left out: the submodule {', '.join(artifact.submodules)} is another repository"


def success(outcome: Outcome) -> str:
    """What a run that succeeded has to say, and what it does not govern."""
    extra = outcome.extra
    if not extra:
        return "applied and healthy"
    shown = ", ".join(extra[:SHOWN]) + (", …" if len(extra) > SHOWN else "")
    fields = "1 extra field" if len(extra) == 1 else f"{len(extra)} extra fields"
    return f"applied and healthy; {fields} that Git does not declare: {shown}"
