"""The push deployer: a CI pipeline outside the cluster that applies what was merged.

Read it beside `pull.py`: the same headings in the same order, so that only differences differ.
"""

from __future__ import annotations

from gitops_lab.deployers.deployer import Needs, Site
from gitops_lab.deployers.set_up import granted
from gitops_lab.deployers.stages import Memory, Staged
from gitops_lab.engine.health import survey
from gitops_lab.engine.inventory import dump, load
from gitops_lab.errors import LabError, SyncError
from gitops_lab.model import HealthStatus, Revision
from gitops_lab.ports import Credentials


class PushDeployer(Staged):
    """Runs one pipeline for each event: edge-triggered, and blind in between."""

    # -- Trigger: the forge's hook, once a merge; optionally a schedule -------------------------

    queue: tuple[Revision, ...] = ()

    def notify(self, revision: Revision) -> bool:
        """Queue a pipeline for a merged revision, if the policy listens to events."""
        if self.policy.on_event:
            self.queue = (*self.queue, revision)
        return self.policy.on_event

    def due(self, now: float) -> Revision | None:
        """The revision that the next pipeline is for; None if none is to run now."""
        if self.queue:
            revision, *later = self.queue
            self.queue = tuple(later)
            return revision
        if now >= self.next_look:
            self.next_look = self.policy.next_look(now, self.random)
            return self.source.head()
        return None

    # -- Credentials: held by CI, outside the cluster -------------------------------------------

    credentials = Credentials("ci", inside=False)

    @classmethod
    def needs(cls, site: Site) -> Needs:
        """Rights for CI's user; where the cluster knows no certificates, an account as well."""
        return Needs(objects=granted(site))

    # -- Memory: what CI keeps between pipelines; an inventory only if the policy prunes --------

    def recall(self) -> Memory:
        """What the last pipeline left in CI's storage."""
        stored = self.context.storage
        return Memory(stored.get("revision", ""), load(stored.get("inventory", "[]")))

    def remember(self, memory: Memory) -> None:
        """Keep it in CI's storage."""
        inventory = memory.inventory if self.policy.prune else {}
        self.context.storage.update(inventory=dump(inventory), revision=memory.revision)

    # -- Step: run the pipeline's next stage ----------------------------------------------------

    def begin(self, now: float) -> float | None:
        """Have a runner take the next pipeline, if one is due."""
        revision = self.due(now)
        if revision is None:
            return self.next_look
        self.revision = revision
        self.journal.record("triggered", self.revision, "a pipeline starts")
        self.stage = self.fetch
        return now + self.policy.start

    def fetch(self, now: float) -> float | None:
        """Check out the pipeline's own revision, even if the branch is further by now."""
        assert self.revision is not None
        self.artifact = self.source.fetch(self.revision)
        self.journal.record("fetched", self.revision)
        self.stage, self.deadline = self.deploy, now + self.policy.timeout
        return now + self.policy.fetch

    def deploy(self, now: float) -> float | None:
        """Render, plan and apply."""
        outcome = self.run_sync()
        if outcome.waiting and now >= self.deadline:
            raise SyncError(outcome.waiting)
        if outcome.waiting:
            return now + self.policy.poll
        self.stage, self.deadline = self.rollout, now + self.policy.timeout
        return self.rollout(now)

    def rollout(self, now: float) -> float | None:
        """Wait for health, as `kubectl rollout status` does, and then look away."""
        assert self.outcome is not None
        self.note_health(survey(self.cluster, self.outcome.desired))
        if self.health.is_healthy:
            self.report("success", "applied and healthy")
        elif self.health.status is HealthStatus.DEGRADED or now >= self.deadline:
            self.report("failure", self.health.message)
        else:
            return now + self.policy.poll
        return self.rest(now)

    def fail(self, error: LabError, now: float) -> float | None:
        """A stage failed, so the pipeline did; a retry is a new pipeline for the same revision."""
        self.report("failure", str(error))
        if self.policy.retry is not None and self.revision is not None:
            self.queue, self.stage = (self.revision, *self.queue), self.begin
            return now + self.policy.retry
        return self.rest(now)

    def rest(self, now: float) -> float | None:
        """Until the next pipeline."""
        self.stage = self.begin
        return now if self.queue else self.next_look

    # -- Report: exit code and commit status, in the journal ------------------------------------

    def report(self, state: str, why: str) -> None:
        """Tell the person who merged, at once: the pipeline's exit code is the commit's status."""
        code = 0 if state == "success" else 1
        subject = self.revision or ""
        self.journal.record("reported", subject, why, state=state, exit_code=code)
