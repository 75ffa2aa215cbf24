"""What a step is handed: the run that it is a part of, and all that it may touch."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitops_lab.deployers.policy import Policy
from gitops_lab.engine.inventory import Inventory, dump, load
from gitops_lab.engine.plan import SyncPolicy
from gitops_lab.engine.sync import Outcome
from gitops_lab.errors import PipelineError
from gitops_lab.forge.source import GitSource
from gitops_lab.journal import ActorJournal
from gitops_lab.model import Artifact, Health, Revision
from gitops_lab.pipeline.definition import Environment, Job
from gitops_lab.pipeline.registry import Registry
from gitops_lab.pipeline.runs import JobRun, Run
from gitops_lab.ports import Cluster

if TYPE_CHECKING:
    from gitops_lab.forge import Repository

Waits = Generator[float, None, None]
"""A step at work: it yields how long it waits, in seconds, and ends when it is done."""

MASK = "***"


@dataclass(kw_only=True)
class Work:
    """One attempt at one job.

    Args:
        run: the run that it is a part of.
        job: the job, as the repository describes it.
        environments: all environments of the pipeline, by name.
        state: what becomes of it.
        owner: the deployer's name: field manager and owner label of what it applies.
        clusters: where it may deploy to, with CI's credentials, by name; the runner's own is "".
        repository: the repository, with its pull requests.
        registry: the images that were built.
        policy: the deployer's dials.
        journal: takes down what it does, and why.
        storage: what CI keeps between runs.
        secrets: the secrets of this job, by name.
        note: is called with the outcome of each sync and each change of health.
        now: the present instant, in seconds since the Unix epoch.
    """

    run: Run
    job: Job
    environments: Mapping[str, Environment]
    state: JobRun
    owner: str
    clusters: Mapping[str, Cluster]
    repository: Repository
    registry: Registry
    policy: Policy
    journal: ActorJournal
    storage: MutableMapping[str, str]
    secrets: Mapping[str, str]
    note: Callable[[Outcome | Health], None]
    now: float = 0.0

    def log(self, text: str) -> None:
        """Add lines to the run's log; secrets are masked."""
        for secret in sorted(self.secrets.values(), key=len, reverse=True):
            if secret:
                text = text.replace(secret, MASK)
        time = datetime.fromtimestamp(self.now, UTC).strftime("%H:%M:%S")
        self.run.log += [f"{time} {self.job.name}: {line}" for line in text.splitlines()]

    @property
    def environment(self) -> Environment:
        """Where the job deploys to."""
        return self.job.environment

    @property
    def cluster(self) -> Cluster:
        """The environment's cluster.

        Raises:
            PipelineError: there is none of that name.
        """
        name = self.environment.cluster
        if name not in self.clusters:
            there = ", ".join(filter(None, self.clusters)) or "none but the runner's own"
            raise PipelineError(f"there is no cluster {name!r}", fix=f"clusters: {there}")
        return self.clusters[name]

    def everywhere(self) -> tuple[Work, ...]:
        """This work in its environment; of a job that names none, in each environment."""
        if self.environment.name or not self.environments:
            return (self,)
        return tuple(
            replace(self, job=replace(self.job, environment=each))
            for each in self.environments.values()
        )

    def artifact(self, commit: str = "") -> Artifact:
        """All files at the run's commit, or at another: overlays refer to folders beside them."""
        source = GitSource(self.repository, self.run.branch)
        return source.fetch(replace(self.run.revision, commit=commit or self.run.commit))

    def sync_policy(self, *, prune: bool | None = None) -> SyncPolicy:
        """How a sync of this job may act."""
        place = self.environment
        policy = replace(
            self.policy,
            namespace=place.namespace or self.policy.namespace,
            path=place.path or self.policy.path,
        )
        if prune is not None:
            policy = replace(policy, prune=prune)
        return policy.sync(self.owner)

    def to_write(self) -> None:
        """Check that this run may change anything outside itself.

        Raises:
            PipelineError: it is for a pull request, whose commits are not merged yet.
        """
        if self.run.event == "pull_request":
            raise PipelineError(
                f"the step {self.state.step} writes, and a pull request is not merged yet",
                where=f"jobs.{self.job.name}",
                fix="give the job `when: push`",
            )

    # -- what CI remembers of an environment -----------------------------------------------------

    @property
    def inventory(self) -> Inventory:
        """What was applied to the environment; empty unless the policy prunes."""
        return load(self.storage.get(self._key("inventory"), "[]"))

    def remember(self, inventory: Inventory, commit: str = "", *, prune: bool = False) -> None:
        """Keep what was applied, and the commit if it was applied in full."""
        if self.policy.prune or prune:
            self.storage[self._key("inventory")] = dump(inventory)
        if commit:
            self.storage[self._key("revision")] = str(Revision(self.run.branch, commit))

    @property
    def good(self) -> tuple[str, ...]:
        """The commits that were healthy in the environment, the oldest first."""
        return tuple(json.loads(self.storage.get(self._key("good"), "[]")))

    def remember_good(self, commit: str) -> None:
        """The environment is healthy at this commit."""
        others = [each for each in self.good if each != commit]
        self.storage[self._key("good")] = json.dumps([*others, commit][-20:])

    def _key(self, name: str) -> str:
        place = self.environment.name
        return f"{place}/{name}" if place else name
