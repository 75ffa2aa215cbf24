"""The runs of pipelines: what each did, kept in Git among the forge's records.

People ask for something (`approve`, `cancel`, `rerun`) by leaving a request there; the runner takes
it when it steps next. So nothing is lost while no runner works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gitops_lab.errors import ForgeError, UsageError
from gitops_lab.forge.people import require
from gitops_lab.forge.records import Records
from gitops_lab.model import Revision

State = Literal[
    "queued", "waiting", "running", "success", "failure", "cancelled", "skipped", "error"
]
"""The states of a run and of its jobs. `waiting` is for an approval; `error` is a pipeline file
that cannot be read; a job is `skipped` if one that it needs did not succeed."""

OVER = ("success", "failure", "cancelled", "skipped", "error")

Request = Literal["approve", "cancel", "rerun"]

UNFINISHED = "unfinished.json"
"""The document that names the runs that are not over: looking for them reads no others."""

LINES = 2_000
"""How many lines of a run's log are kept."""


@dataclass
class JobRun:
    """What became of one job.

    Args:
        state: one of `State`.
        attempt: which attempt it is at, from 1.
        started: when a runner took it, in seconds since the Unix epoch; 0 if none did.
        ended: when it was over; 0 if it is not.
        step: the action that it is at, or was at last.
        why: the reason of its state, in one sentence.
        approved_by: the account that approved it.
    """

    state: State = "queued"
    attempt: int = 1
    started: float = 0.0
    ended: float = 0.0
    step: str = ""
    why: str = ""
    approved_by: str = ""


@dataclass
class Run:
    """One run of a pipeline.

    Args:
        number: names it in its repository.
        event: `push` or `pull_request`.
        branch: the branch that was pushed to, or the pull request's target.
        commit: what it is for.
        by: the account that set it off.
        created: when, in seconds since the Unix epoch.
        pull: the pull request's number; 0 if it is for none.
        state: one of `State`.
        why: the reason of its state, in one sentence.
        jobs: by name, in the order in which they may start.
        artifacts: what its steps left for later ones, by name.
        log: what happened, line by line.
    """

    number: int
    event: str
    branch: str
    commit: str
    by: str
    created: float
    pull: int = 0
    state: State = "queued"
    why: str = ""
    jobs: dict[str, JobRun] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in OVER

    @property
    def revision(self) -> Revision:
        """What it is for; a pull request's commits are on no branch that is deployed."""
        return Revision(f"pull/{self.pull}" if self.pull else self.branch, self.commit)

    @property
    def title(self) -> str:
        """What it is for, in a few words."""
        what = f"pull request {self.pull}" if self.pull else self.branch
        return f"{what} at {self.commit[:7]}"

    def to_json(self) -> dict[str, Any]:
        """This run as JSON values, without its log."""
        return {name: value for name, value in asdict(self).items() if name != "log"}


class Runs:
    """The runs of one repository.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def get(self, number: int) -> Run:
        """The run of this number, with its log.

        Raises:
            UsageError: there is none.
        """
        raw = self._records.read(f"runs/{number}.json")
        if raw is None:
            last = self.last()
            raise UsageError(
                f"there is no pipeline run {number}",
                fix=f"there are 1 to {last}" if last else "push a commit: there is none yet",
            )
        log = (self._records.content(f"logs/{number}.log") or b"").decode()
        return _run(raw, log.splitlines())

    def all(self, *, limit: int = 50) -> tuple[Run, ...]:
        """The newest runs, the newest first."""
        last = self.last()
        return tuple(self.get(number) for number in range(last, max(last - limit, 0), -1))

    def unfinished(self) -> tuple[Run, ...]:
        """The runs that are not over, the oldest first."""
        return tuple(self.get(number) for number in self._records.read(UNFINISHED) or ())

    def last(self) -> int:
        """The number of the newest run; 0 if there is none."""
        names = self._records.names("runs")
        return max((int(name.removesuffix(".json")) for name in names), default=0)

    def save(self, run: Run, text: str) -> None:
        """Keep a run as it is now.

        Args:
            run: the run.
            text: what has happened, in one sentence.
        """
        with self._records.locked():
            open_runs = {*(self._records.read(UNFINISHED) or ())} - {run.number}
            if not run.is_over:
                open_runs.add(run.number)
            changes = {
                f"runs/{run.number}.json": run.to_json(),
                f"logs/{run.number}.log": "".join(f"{x}\n" for x in run.log[-LINES:]).encode(),
                UNFINISHED: sorted(open_runs),
            }
            self._records.write("ci", "pipeline", text, changes, run=run.number, state=run.state)

    def request(self, number: int, action: Request, *, by: str, job: str = "") -> None:
        """Ask the runner for something.

        Args:
            number: of which run.
            action: `approve` a job that waits, `cancel` the run, or `rerun` it.
            by: the account that asks.
            job: which job to approve; the only one that waits if empty.

        Raises:
            UsageError: there is no such run or job.
            ForgeError: the account may not, or the run is in another state.
        """
        right: Literal["review", "push"] = "review" if action == "approve" else "push"
        require(by, right, f"{action} pipeline runs")
        run = self.get(number)
        if action == "approve":
            job = _waiting(run, job)
        elif (action == "cancel") is run.is_over:
            over = "over" if run.is_over else "not over yet"
            raise ForgeError(f"pipeline run {number} is {over}: {run.state}")
        with self._records.locked():
            count = len(self._records.names("requests")) + 1
            self._records.write(
                by,
                "requested",
                f"{by} asks to {action} pipeline run {number}" + (f", job {job}" if job else ""),
                {f"requests/{count:04}.json": {"run": number, "action": action, "by": by,
                                               "job": job}},
                run=number,
            )  # fmt: skip

    def taken(self) -> tuple[Mapping[str, Any], ...]:
        """The requests that were not taken yet, the oldest first; now they are."""
        names = self._records.names("requests")
        if not names:
            return ()
        with self._records.locked():
            names = self._records.names("requests")
            found = tuple(self._records.read(f"requests/{name}") for name in names)
            gone = {f"requests/{name}": None for name in names}
            self._records.write("ci", "taken", "the runner takes requests", gone)
        return found


def _waiting(run: Run, job: str) -> str:
    waiting = [name for name, each in run.jobs.items() if each.state == "waiting"]
    if not waiting:
        raise ForgeError(f"no job of pipeline run {run.number} waits for an approval")
    if not job and len(waiting) > 1:
        raise UsageError("which job?", fix=f"waiting: {', '.join(waiting)}")
    if job and job not in waiting:
        raise ForgeError(f"the job {job!r} does not wait", fix=f"waiting: {', '.join(waiting)}")
    return job or waiting[0]


def _run(raw: Mapping[str, Any], log: list[str]) -> Run:
    jobs = {name: JobRun(**each) for name, each in raw["jobs"].items()}
    return Run(**{**raw, "jobs": jobs, "log": log})
