"""The push deployer: a CI pipeline outside the cluster that applies what was merged.

Read it beside `pull.py`: the same headings in the same order, so that only differences differ.
"""

from __future__ import annotations

from dataclasses import replace

from gitops_lab.deployers.deployer import Needs, Site
from gitops_lab.deployers.set_up import granted
from gitops_lab.deployers.stages import Applied, Fetched, Memory, Run, Staged, fetched_note, success
from gitops_lab.engine.health import survey
from gitops_lab.engine.inventory import dump, load
from gitops_lab.engine.sync import Outcome
from gitops_lab.errors import LabError, SyncError
from gitops_lab.model import Artifact, HealthStatus, Revision
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

    def trigger(self, now: float) -> Run | None:
        """The next pipeline of the queue or of the schedule, when a runner takes it."""
        if self.runs and self.policy.concurrency == "queue":
            return None
        if self.queue:
            revision, *later = self.queue
            self.queue = tuple(later)
        elif now >= self.next_look:
            self.next_look = self.policy.next_look(now, self.random)
            revision = self.source.head()
        else:
            return None
        if self.runs and self.policy.concurrency == "cancel":
            self.journal.record("cancelled", self.runs[-1].revision, "a newer pipeline starts")
            self.runs = ()
        self.journal.record("triggered", revision, "a pipeline starts")
        return Run(revision, now + self.policy.next_start(self.random))

    def next_step(self, now: float) -> float:
        """When the next stage of a pipeline, or the next pipeline, is due."""
        begin = now if self.queue else self.next_look
        if self.runs and self.policy.concurrency == "queue":
            begin = float("inf")
        return min(begin, *(run.at for run in self.runs), float("inf"))

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

    def fetch(self, run: Run, now: float) -> Run | None:
        """Check out the pipeline's own revision, even if the branch is further by now."""
        artifact = self.source.fetch(run.revision)
        self.journal.record("fetched", run.revision, fetched_note(artifact))
        deadline = now + self.policy.timeout
        return replace(run, at=now + self.policy.fetch, state=Fetched(artifact), deadline=deadline)

    def deploy(self, run: Run, artifact: Artifact, now: float) -> Run | None:
        """Render, plan and apply."""
        outcome = self.run_sync(artifact)
        if outcome.waiting and now >= run.deadline:
            raise SyncError(outcome.waiting)
        if outcome.waiting:
            return replace(run, at=now + self.policy.poll)
        return self.rollout(replace(run, deadline=now + self.policy.timeout), outcome, now)

    def rollout(self, run: Run, outcome: Outcome, now: float) -> Run | None:
        """Wait for health, as `kubectl rollout status` does, and then look away."""
        self.note_health(survey(self.cluster, outcome.desired))
        if self.health.is_healthy:
            self.report(run.revision, "success", success(outcome))
        elif self.health.status is HealthStatus.DEGRADED or now >= run.deadline:
            self.report(run.revision, "failure", self.health.message)
        else:
            return replace(run, at=now + self.policy.poll, state=Applied(outcome))
        return None

    def fail(self, run: Run | None, error: LabError, now: float) -> Run | None:
        """A stage failed, so the pipeline did; a retry is a new pipeline for the same revision."""
        failures = run.failures + 1 if run else 1
        self.report(run.revision if run else None, "failure", str(error))
        wait = self.policy.next_retry(failures, self.random)
        return Run(run.revision, now + wait, failures=failures) if run and wait else None

    # -- Report: exit code and commit status ----------------------------------------------------

    def report(self, revision: Revision | None, state: str, why: str) -> None:
        """Answer the person who merged, at once: the exit code is the commit's status."""
        code = 0 if state == "success" else 1
        self.journal.record("reported", revision or "", why, state=state, exit_code=code)
        self.set_status(revision, state, why)
