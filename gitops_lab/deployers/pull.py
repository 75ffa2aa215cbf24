"""The pull deployer: an agent in the cluster that keeps comparing it with Git.

Read it beside `push.py`: the same headings in the same order, so that only differences differ.
"""

from __future__ import annotations

from dataclasses import replace

from gitops_lab.deployers.deployer import Needs, Site
from gitops_lab.deployers.set_up import granted
from gitops_lab.deployers.stages import Applied, Fetched, Memory, Run, Staged, fetched_note, success
from gitops_lab.deployers.workload import NAMESPACE, agent
from gitops_lab.engine.health import survey
from gitops_lab.engine.inventory import dump, load
from gitops_lab.engine.sync import Outcome
from gitops_lab.errors import ApiError, ClusterUnreachable, LabError, NoCommits
from gitops_lab.model import Artifact, HealthStatus, ObjectKey, Revision, SyncStatus, named
from gitops_lab.ports import Credentials


class PullDeployer(Staged):
    """Compares at each interval: level-triggered, for every cause of a difference."""

    # -- Trigger: an interval with jitter; optionally a webhook ---------------------------------

    def notify(self, revision: Revision) -> bool:
        """Look at Git at once, if the policy listens to events."""
        if self.policy.on_event:
            self.next_look = float("-inf")
        return self.policy.on_event

    def trigger(self, now: float) -> Run | None:
        """A look at the branch, if it is time; a run that only waits for health makes way."""
        if now < self.next_look or self.is_busy:
            return None
        self.next_look = self.policy.next_look(now, self.random)
        self.runs = ()
        revision = self.source.head()
        if self.artifact is not None and self.artifact.revision == revision:
            return Run(revision, now, Fetched(self.artifact))
        why = "the branch moved" if self.artifact else "the first look of this agent"
        self.journal.record("triggered", revision, why)
        return Run(revision, now + self.policy.next_start(self.random))

    def next_step(self, now: float) -> float:
        """When the next stage of a run, or the next look, is due."""
        look = float("inf") if self.is_busy else self.next_look
        return min(look, *(run.at for run in self.runs), float("inf"))

    @property
    def is_busy(self) -> bool:
        """Whether a run has not applied its revision yet."""
        return any(not isinstance(run.state, Applied) for run in self.runs)

    # -- Credentials: a ServiceAccount's, inside the cluster ------------------------------------

    credentials = Credentials(f"system:serviceaccount:{NAMESPACE}:agent", inside=True)

    @classmethod
    def needs(cls, site: Site) -> Needs:
        """A namespace, an account with rights, and one pod that the agent runs in."""
        home = site.namespace or NAMESPACE
        return Needs(
            objects=granted(site, memory=home),
            workload=agent(site),
            controllers=(site.name,),
            home=home,
        )

    # -- Memory: an inventory stored in the cluster ---------------------------------------------

    def recall(self) -> Memory:
        """What the last sync left in its ConfigMap; an agent may be killed and replaced."""
        stored = self.cluster.get(
            ObjectKey("", "ConfigMap", self.context.home, f"{self.name}-inventory")
        )
        if stored is None:
            return Memory()
        data = stored.get("data") or {}
        return Memory(data.get("revision", ""), load(data.get("inventory", "")))

    def remember(self, memory: Memory) -> None:
        """Keep it in its ConfigMap."""
        self.store("inventory", {"revision": memory.revision, "inventory": dump(memory.inventory)})

    # -- Step: fetch; sync if the revision moved, or if live drifted and the policy self-heals --

    artifact: Artifact | None = None

    def fetch(self, run: Run, now: float) -> Run | None:
        """Fetch the revision that the branch was at."""
        self.artifact = self.source.fetch(run.revision)
        self.journal.record("fetched", run.revision, fetched_note(self.artifact))
        return replace(run, at=now + self.policy.fetch, state=Fetched(self.artifact))

    def deploy(self, run: Run, artifact: Artifact, now: float) -> Run | None:
        """Render, plan and, if the policy lets it, apply."""
        outcome = self.run_sync(artifact)
        self.failures = 0
        if outcome.waiting:
            self.next_look = min(self.next_look, now + self.policy.poll)
            return None
        if self.deadline == float("-inf") or (outcome.acted and outcome.done.writes):
            self.deadline = now + self.policy.timeout
        return self.rollout(run, outcome, now)

    deadline = float("-inf")
    """Until when the newest changes may take to become healthy."""

    def rollout(self, run: Run, outcome: Outcome, now: float) -> Run | None:
        """Watch health until it settles or it is time to look at Git again."""
        self.note_health(survey(self.cluster, outcome.desired))
        if self.health.status is HealthStatus.PROGRESSING and now < self.deadline:
            return replace(run, at=now + self.policy.poll, state=Applied(outcome))
        if self.sync_status is not SyncStatus.SYNCED:
            why = f"out of sync: {len(outcome.plan.writes)} objects differ"
            self.report(run.revision, "failure", why)
        elif self.health.is_healthy:
            self.report(run.revision, "success", success(outcome))
        else:
            self.report(run.revision, "failure", self.health.message)
        return None

    def gives_up(self, run: Run) -> float:
        """Until when a run waits for its rollout."""
        return self.deadline

    failures = 0

    def fail(self, run: Run | None, error: LabError, now: float) -> Run | None:
        """A stage failed; the next look tries again, or an earlier retry."""
        revision = run.revision if run else None
        is_empty = isinstance(error, NoCommits) and self.artifact is None
        if is_empty:
            self.report(revision, "waiting", error.what)
        else:
            self.report(revision, "failure", str(error))
        self.failures += 1
        wait = self.policy.next_retry(self.failures, self.random)
        if wait is not None:
            self.next_look = min(self.next_look, now + wait)
        return None

    # -- Report: readiness in the cluster, and commit status ------------------------------------

    reported: tuple[str, str, str] = ("", "", "")

    def report(self, revision: Revision | None, state: str, why: str) -> None:
        """Say whether it is ready, in the cluster, and what became of the commit."""
        news = (str(revision or ""), state, why)
        if news == self.reported:
            return
        self.reported = news
        self.journal.record("reported", revision or "", why, state=state)
        self.set_status(revision, state, why)
        ready = "True" if state == "success" else "False"
        try:
            self.store("status", {"ready": ready, "message": why, "revision": news[0]})
        except (ApiError, ClusterUnreachable):
            self.reported = ("", "", "")  # it is not in the cluster yet: say it again

    def store(self, what: str, data: dict[str, str]) -> None:
        """Write one of the agent's own ConfigMaps."""
        stored = named("v1", "ConfigMap", f"{self.name}-{what}", self.context.home, data=data)
        self.cluster.apply(stored, manager=self.name)
