"""The push deployer as a whole CI system: pipelines of jobs, on a number of runners.

What it does at a push is described in the repository. With no description it does what
`gitops_lab.deployers.push` does, in the same order and with the same waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import cast

from gitops_lab.deployers.deployer import Context
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.deployers.stages import fetched_note, success
from gitops_lab.engine.render import render
from gitops_lab.engine.sync import Outcome
from gitops_lab.errors import LabError, PipelineError, SourceError
from gitops_lab.forge.source import GitSource
from gitops_lab.model import Artifact, Health, Manifest, ObjectKey, Revision
from gitops_lab.pipeline.actions import ACTIONS
from gitops_lab.pipeline.definition import DEFAULT, PATH, Job, Pipeline, Step, parse
from gitops_lab.pipeline.registry import Registry
from gitops_lab.pipeline.runs import JobRun, Run, Runs, State
from gitops_lab.pipeline.work import Waits, Work
from gitops_lab.ports import Cluster, ForgeEvent

SKIP = ("[skip ci]", "[ci skip]")
"""What in a commit's message keeps it from setting a pipeline off, as on GitHub and GitLab."""

RUNNERS = 8
"""How many runners there are where jobs need not queue for one."""


@dataclass
class Active:
    """A job on a runner.

    Args:
        work: what it is handed.
        steps: the rest of its steps.
        due: when it goes on, in seconds since the Unix epoch.
        deadline: when it has taken too long.
    """

    work: Work
    steps: Waits
    due: float
    deadline: float


class PipelineDeployer(PushDeployer):
    """Runs the jobs of pipelines: those of a push, and those of a pull request.

    Args:
        context: everything that it may touch. Its source is a folder of a repository at hand.
    """

    @property
    def runners(self) -> int:
        """How many jobs run at once. With several, a later run can overtake an earlier one."""
        return RUNNERS if self.policy.concurrency == "parallel" else 1

    @property
    def is_at_work(self) -> bool:  # type: ignore[override]
        """Whether a job is queued, or on a runner."""
        states = [job.state for run in self._pending.values() for job in run.jobs.values()]
        return bool(self._events) or any(state in ("queued", "running") for state in states)

    def hurry(self, now: float) -> None:
        """A person asks for the next piece of work now: a job that waits, else a look at Git."""
        if not self._active:
            self.next_look = min(self.next_look, now)
        for active in self._active:
            active.due = min(active.due, now)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        source = cast(GitSource, context.source)  # CI runs beside the forge
        self.repository = source.repository
        self.branch = source.branch
        self.history = Runs(self.repository.records)
        self.registry = Registry(self.repository.records)
        self._events: deque[tuple[str, str, str, int, str]] = deque()
        self._pending: dict[int, Run] = {}
        self._pipelines: dict[int, Pipeline] = {}
        self._active: list[Active] = []
        self._over: dict[int, Run] = {}
        self._dirty: dict[int, str] = {}
        self._resumed = False
        self.applied = context.storage.get("revision", "")

    # -- Trigger: a push, a pull request, or a person ---------------------------------------------

    def notify(self, revision: Revision) -> bool:
        """A branch was pushed: a run for the commit, if the policy listens to events."""
        if self.policy.on_event:
            self._events.append(("push", revision.branch, revision.commit, 0, ""))
        return self.policy.on_event

    def forge_changed(self, event: ForgeEvent) -> bool:
        """A pull request was opened or moved, a person asks for something, or sets a secret."""
        if event.name in ("opened", "moved") and self.policy.on_event:
            pull = self.repository.pulls.get(event.data["number"])
            self._events.append(("pull_request", pull.target, pull.head, pull.number, pull.author))
            return True
        if event.name == "secret":  # only in memory: never in Git
            key = f"secret/{event.data['name']}"
            if event.data["value"]:
                self.context.storage[key] = event.data["value"]
            else:
                self.context.storage.pop(key, None)
        return event.name == "requested"

    # -- Step: give queued jobs to runners, and let each job take its next step -------------------

    def step(self, now: float) -> float | None:
        """Do what is due in every run."""
        if self.note_suspended():
            return None
        if not self._resumed:
            self._resume(now)
        for request in self.history.taken():
            self._obey(request, now)
        while self._events:
            self._begin_run(*self._events.popleft(), now)
        if now >= self.next_look:
            self.next_look = self.policy.next_look(now, self.random)
            head = self.source.head()
            self._begin_run("push", head.branch, head.commit, 0, "", now)
        self._go_on(now)
        for number, text in self._dirty.items():
            self.history.save(self._pending.get(number) or self._over[number], text)
        self._dirty.clear()
        self._over.clear()
        return min((each.due for each in self._active), default=self.next_look)

    def _go_on(self, now: float) -> None:
        """Let each active job go on that is due, and start the jobs that may start, in turn."""
        while True:
            self._start_jobs(now)
            due = [each for each in self._active if each.due <= now]
            if not due:
                return
            for each in due:
                if each in self._active:  # not ended by another one meanwhile
                    self._advance(each, now)

    def _advance(self, active: Active, now: float) -> None:
        """Let one job take its next step."""
        active.work.now = now
        try:
            if now >= active.deadline:
                active.deadline = float("inf")
                late = PipelineError(f"it took longer than {active.work.job.timeout:g} s")
                wait = active.steps.throw(late)
            else:
                wait = next(active.steps)
            active.due = min(now + wait, max(active.deadline, now))
        except StopIteration:
            self._end_job(active, "success", "", now)
        except LabError as error:
            self._end_job(active, "failure", str(error), now)

    # -- Report: commit statuses, the runs in Git, the journal ------------------------------------

    def report_job(self, run: Run, name: str) -> None:
        """A job's state is a commit status, whose context is the job's name."""
        job = run.jobs[name]
        states = {"success": "success", "failure": "failure", "cancelled": "error",
                  "error": "error", "skipped": "error"}  # fmt: skip
        state = states.get(job.state, "pending")
        words = job.why or job.state
        self.repository.statuses.set(
            run.commit, name, state, words, f"pipeline run {run.number}", by="ci"
        )

    # -- runs -------------------------------------------------------------------------------------

    def _begin_run(
        self, event: str, branch: str, commit: str, pull: int, by: str, now: float
    ) -> None:
        """Make a run of the pipeline that the commit describes, unless no job is for it."""
        number = max((self.history.last(), *self._pending)) + 1  # pending ones may not be saved yet
        run = Run(number, event, branch, commit, by, now, pull)
        revision = run.revision
        try:
            message = self.repository.message(commit)
            if any(word in message for word in SKIP):
                return
            pipeline = self._pipeline(revision)
            jobs = pipeline.chosen(event, branch)
        except LabError as error:
            run.state, run.why = "error", str(error)
            run.log.append(str(error))
            self.repository.statuses.set(commit, "pipeline", "error", str(error), by="ci")
            self.journal.record("triggered", revision, "a pipeline starts", run=run.number)
            self.journal.record(
                "reported", revision, run.why, state="failure", exit_code=1, run=run.number
            )
            self.history.save(run, f"pipeline run {run.number}: error")
            return
        if not jobs:
            return
        run.jobs = {job.name: JobRun() for job in jobs}
        self._pending[run.number], self._pipelines[run.number] = run, pipeline
        why = "a pipeline starts" if event == "push" else f"a pipeline for pull request {pull}"
        self.journal.record("triggered", revision, why, run=run.number)
        for job in jobs:
            self.report_job(run, job.name)
        self._note(run, "queued")

    def _pipeline(self, revision: Revision) -> Pipeline:
        """What the commit's own file says, or else the default.

        Raises:
            LabError: the file is not a pipeline.
        """
        try:
            folder, _, name = PATH.rpartition("/")
            source = GitSource(self.repository, revision.branch, folder)
            content = source.fetch(revision).files[name]
        except (SourceError, KeyError):
            return parse(DEFAULT.encode())
        return parse(content)

    def _resume(self, now: float) -> None:
        """Go on with runs that an older process left: what ran then was lost with its runner."""
        self._resumed = True
        for run in self.history.unfinished():
            try:
                self._pipelines[run.number] = self._pipeline(run.revision)
            except LabError as error:
                run.state, run.why = "error", str(error)
                self.history.save(run, f"pipeline run {run.number}: error")
                continue
            self._pending[run.number] = run
            for name, job in run.jobs.items():
                if job.state == "running":
                    job.state, job.why = "failure", f"its runner was lost in {job.step or 'start'}"
                    job.ended = now
                    self.report_job(run, name)
                    self._note(run, f"job {name}: {job.why}")
            self._end_run_if_over(run, now)

    def _obey(self, request: object, now: float) -> None:
        """Do what a person asked for."""
        asked = cast("dict[str, str]", request)
        number, action, by = int(asked["run"]), asked["action"], asked["by"]
        run = self._pending.get(number)
        if action == "rerun":
            old = self.history.get(number)
            self._begin_run(old.event, old.branch, old.commit, old.pull, by, now)
        elif run is None:
            return  # over meanwhile
        elif action == "cancel":
            for name in run.jobs:
                self._cancel(run, name, f"cancelled by {by}", now)
            self._end_run_if_over(run, now)
        elif run.jobs[asked["job"]].state == "waiting":
            job = run.jobs[asked["job"]]
            allowed = self._pipelines[number].jobs[asked["job"]].environment.approvers
            if allowed and by not in allowed:
                self._note(run, f"{by} may not approve {asked['job']}: {' or '.join(allowed)} may")
                run.log.append(self._dirty[number])
                return
            job.state, job.approved_by = "queued", by
            run.log.append(f"{asked['job']}: approved by {by}")
            self._note(run, f"{by} approves {asked['job']}")

    def _cancel(self, run: Run, name: str, why: str, now: float) -> None:
        job = run.jobs[name]
        for active in [a for a in self._active if a.work.state is job]:
            active.steps.close()
            self._active.remove(active)
        if job.state in ("queued", "waiting", "running"):
            job.state, job.why, job.ended = "cancelled", why, now
            run.log.append(f"{name}: {why}")
            self.report_job(run, name)
            self._note(run, f"job {name}: {why}")

    # -- jobs -------------------------------------------------------------------------------------

    def _start_jobs(self, now: float) -> None:
        """Give jobs to free runners, those of the oldest run first."""
        for run in [*self._pending.values()]:
            for name, state in run.jobs.items():
                if state.state != "queued":
                    continue
                job = self._pipelines[run.number].jobs[name]
                states = [run.jobs[need].state for need in job.needs]
                if any(each in ("failure", "cancelled", "skipped") for each in states):
                    state.state, state.why, state.ended = "skipped", "a job it needs failed", now
                    self.report_job(run, name)
                    self._note(run, f"job {name} is skipped")
                elif any(each != "success" for each in states):
                    continue
                elif job.approval and not state.approved_by:
                    state.state, state.why = "waiting", "waits for an approval"
                    self.report_job(run, name)
                    self._note(run, f"job {name} waits for an approval")
                elif self._may_run(run, job, now) and len(self._active) < self.runners:
                    self._start(run, job, now)
            self._end_run_if_over(run, now)

    def _may_run(self, run: Run, job: Job, now: float) -> bool:
        """Whether no other job of its group runs, or waits with an older run."""
        if not job.group:
            return True
        for other in [*self._pending.values()]:
            for name, state in other.jobs.items():
                same = self._pipelines[other.number].jobs[name].group == job.group
                if not same or state is run.jobs[job.name]:
                    continue
                if job.cancel and other.number < run.number:
                    if state.state in ("queued", "waiting", "running"):
                        why = f"run {run.number} of the group {job.group} is newer"
                        self._cancel(other, name, why, now)
                        self._end_run_if_over(other, now)
                elif state.state == "running" or (
                    state.state == "queued" and other.number < run.number
                ):
                    return False
        return True

    def _start(self, run: Run, job: Job, now: float) -> None:
        state = run.jobs[job.name]
        state.state, state.started, state.why = "running", now, ""
        secrets = {name: self.context.storage.get(f"secret/{name}", "") for name in job.secrets}
        work = Work(
            run=run,
            job=job,
            environments=self._pipelines[run.number].environments,
            state=state,
            owner=self.name,
            clusters={"": self.cluster, **self.context.clusters},
            repository=self.repository,
            registry=self.registry,
            policy=self.policy,
            journal=self.journal,
            storage=self.context.storage,
            secrets=secrets if run.event == "push" else {},
            note=lambda news: self._note_news(run, job, news),
            now=now,
        )
        self._active.append(Active(work, self._script(work), now, now + self._limit(job)))
        run.state = "running"
        self.report_job(run, job.name)
        self._note(run, f"job {job.name} starts")

    def _limit(self, job: Job) -> float:
        """How long a job may take; its runner's start does not count."""
        return job.timeout + self.policy.start

    def _script(self, work: Work) -> Waits:
        """All that one attempt at a job consists of."""
        work.state.step = "start"
        yield self.policy.next_start(self.random)
        self._check(work)
        work.log("a runner starts" + (f", attempt {work.state.attempt}" * (work.state.attempt > 1)))
        if all(j.ended == 0 for j in work.run.jobs.values() if j is not work.state):
            self.journal.record("fetched", work.run.revision, fetched_note(work.artifact()))
        yield self.policy.fetch
        try:
            yield from self._take(work, work.job.steps)
        except LabError as error:
            work.log(f"{work.state.step} failed: {error}")
            failed = work.state.step
            yield from self._take(work, work.job.on_failure)
            work.state.step = failed
            raise

    def _take(self, work: Work, steps: tuple[Step, ...]) -> Waits:
        for step in steps:
            work.state.step = step.action
            work.log(f"step {step.action}")
            self._note(work.run, f"job {work.job.name}: {step.action}")
            yield from ACTIONS[step.action](work, step.options)

    def _check(self, work: Work) -> None:
        """See that the job has the secrets that it names.

        Raises:
            PipelineError: one is missing.
        """
        missing = [name for name, value in work.secrets.items() if not value]
        if missing:
            raise PipelineError(
                f"there is no secret {missing[0]!r}",
                fix=f"gitops-lab secrets set {missing[0]}",
            )

    def _end_job(self, active: Active, outcome: State, why: str, now: float) -> None:
        self._active.remove(active)
        work = active.work
        run, state = work.run, work.state
        if outcome == "failure" and state.attempt <= work.job.retries:
            work.log(f"attempt {state.attempt} failed: {why}")
            state.state, state.attempt = "queued", state.attempt + 1
            self._note(run, f"job {work.job.name} is tried again")
            return
        state.state, state.why, state.ended = outcome, why, now
        work.log(outcome + (f": {why}" if why else ""))
        self.report_job(run, work.job.name)
        self._note(run, f"job {work.job.name}: {outcome}")

    def _end_run_if_over(self, run: Run, now: float) -> None:
        states = [job.state for job in run.jobs.values()]
        if any(state in ("queued", "running") for state in states):
            return
        if "waiting" in states:
            run.state = "waiting"
            return
        if self._pending.pop(run.number, None) is None:
            return
        self._over[run.number] = run
        failed = next((n for n, j in run.jobs.items() if j.state == "failure"), "")
        cancelled = next((n for n, j in run.jobs.items() if j.state == "cancelled"), "")
        run.state = "failure" if failed else "cancelled" if cancelled else "success"
        if failed or cancelled:
            name = failed or cancelled
            run.why = f"{name}: " * (len(run.jobs) > 1) + run.jobs[name].why
        self._note(run, run.state)
        fine = success(self.outcome) if self.outcome else "applied and healthy"
        why = run.why or (f"pull request {run.pull} is checked" if run.pull else fine)
        state, code = ("success", 0) if run.state == "success" else ("failure", 1)
        self.journal.record(
            "reported", run.revision, why, state=state, exit_code=code, run=run.number
        )

    def _note(self, run: Run, text: str) -> None:
        self._dirty[run.number] = f"pipeline run {run.number} ({run.title}): {text}"

    def _note_news(self, run: Run, job: Job, news: Outcome | Health) -> None:
        """Keep what the last sync found, and write it down; as the push deployer does."""
        if isinstance(news, Health):
            self.note_health(news)
            return
        others = [
            run.jobs[each.name].state
            for each in self._pipelines[run.number].chosen(run.event, run.branch)
            if each.name != job.name and any(step.action == "apply" for step in each.steps)
        ]
        if news.succeeded and all(state == "success" for state in others):
            self.applied = self.context.storage["revision"] = str(news.revision)
        self.note_sync(news)
        self.note_health(news.health)

    # -- what the watcher asks --------------------------------------------------------------------

    def desired(self, artifact: Artifact, cluster: Cluster) -> tuple[Manifest, ...]:
        """The objects of all environments that the pipeline deploys to this cluster.

        Raises:
            LabError: the files are not a pipeline, or not a set of Kubernetes objects.
        """
        pipeline = self._pipeline(artifact.revision)
        places = {
            job.environment
            for job in pipeline.jobs.values()
            if job.is_for("push", self.branch)
            and not job.environment.cluster
            and any(step.action == "apply" for step in job.steps)
        }
        whole = GitSource(self.repository, self.branch).fetch(artifact.revision)
        found: dict[ObjectKey, Manifest] = {}
        for place in sorted(places, key=lambda each: each.name):
            for manifest in render(
                whole,
                place.path or self.policy.path,
                namespace=place.namespace or self.policy.namespace,
                is_namespaced=cluster.is_namespaced,
                release=self.name,
            ):
                found[manifest.key] = manifest
        return tuple(found[key] for key in sorted(found))
