"""The pull deployer: an agent in the cluster that keeps comparing it with Git.

Read it beside `push.py`: the same headings in the same order, so that only differences differ.
"""

from __future__ import annotations

from gitops_lab.deployers.deployer import Needs, Site
from gitops_lab.deployers.set_up import granted
from gitops_lab.deployers.stages import Memory, Staged
from gitops_lab.deployers.workload import NAMESPACE, agent
from gitops_lab.engine.health import survey
from gitops_lab.engine.inventory import dump, load
from gitops_lab.errors import ApiError, ClusterUnreachable, LabError, NoCommits
from gitops_lab.model import HealthStatus, ObjectKey, Revision, SyncStatus, named
from gitops_lab.ports import Credentials


class PullDeployer(Staged):
    """Looks again and again: level-triggered, whatever caused the difference."""

    # -- Trigger: an interval with jitter; optionally a webhook ---------------------------------

    def notify(self, revision: Revision) -> bool:
        """Look at Git at once, if the policy listens to events."""
        if self.policy.on_event:
            self.next_look = float("-inf")
        return self.policy.on_event

    def due(self, now: float) -> Revision | None:
        """The branch's newest revision; None if it is not yet time to look."""
        if now >= self.next_look:
            self.next_look = self.policy.next_look(now, self.random)
            return self.source.head()
        return None

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

    def begin(self, now: float) -> float | None:
        """Look where the branch is, if it is time."""
        revision = self.due(now)
        if revision is None:
            return self.next_look
        self.revision = revision
        if self.artifact is not None and self.artifact.revision == self.revision:
            return self.deploy(now)
        self.journal.record("triggered", self.revision, "the branch moved")
        self.stage = self.fetch
        return now + self.policy.start

    def fetch(self, now: float) -> float | None:
        """Fetch the revision that the branch was at."""
        assert self.revision is not None
        self.artifact = self.source.fetch(self.revision)
        self.journal.record("fetched", self.revision)
        self.stage = self.deploy
        return now + self.policy.fetch

    def deploy(self, now: float) -> float | None:
        """Render, plan and, if the policy lets it, apply."""
        outcome = self.run_sync()
        if outcome.waiting:
            self.next_look = min(self.next_look, now + self.policy.poll)
            return self.rest(now)
        if outcome.acted and outcome.done.writes:
            self.deadline = now + self.policy.timeout
        return self.rollout(now)

    def rollout(self, now: float) -> float | None:
        """Watch health until it settles or it is time to look at Git again."""
        assert self.outcome is not None
        if now >= self.next_look:
            return self.begin(now)
        self.note_health(survey(self.cluster, self.outcome.desired))
        if self.health.status is HealthStatus.PROGRESSING and now < self.deadline:
            self.stage = self.rollout
            return min(now + self.policy.poll, self.next_look)
        if self.sync_status is not SyncStatus.SYNCED:
            self.report("failure", f"out of sync: {len(self.outcome.plan.writes)} objects differ")
        elif self.health.is_healthy:
            self.report("success", "applied and healthy")
        else:
            self.report("failure", self.health.message)
        return self.rest(now)

    def fail(self, error: LabError, now: float) -> float | None:
        """A stage failed; the next look tries again, or an earlier retry."""
        if isinstance(error, NoCommits) and self.revision is None:
            self.report("waiting", error.what)
        else:
            self.report("failure", str(error))
        if self.policy.retry is not None:
            self.next_look = min(self.next_look, now + self.policy.retry)
        return self.rest(now)

    def rest(self, now: float) -> float | None:
        """Until the next look."""
        self.stage = self.begin
        return self.next_look

    # -- Report: readiness in the cluster, commit status in the journal -------------------------

    reported: tuple[str, str, str] = ("", "", "")

    def report(self, state: str, why: str) -> None:
        """Tell whoever looks: whether it is ready, in the cluster, and the commit's status."""
        news = (str(self.revision or ""), state, why)
        if news == self.reported:
            return
        self.reported = news
        self.journal.record("reported", self.revision or "", why, state=state)
        ready = "True" if state == "success" else "False"
        try:
            self.store("status", {"ready": ready, "message": why, "revision": news[0]})
        except (ApiError, ClusterUnreachable):
            self.reported = ("", "", "")  # could not be told in the cluster: tell it again

    def store(self, what: str, data: dict[str, str]) -> None:
        """Write one of the agent's own ConfigMaps."""
        stored = named("v1", "ConfigMap", f"{self.name}-{what}", self.context.home, data=data)
        self.cluster.apply(stored, manager=self.name)
