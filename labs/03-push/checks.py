"""What "Push: a pipeline from a merge" checks and measures."""

from __future__ import annotations

from itertools import pairwise

from gitops_lab.errors import LabError
from gitops_lab.labs.checks import Attempt, Result, edge, level
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get
from gitops_lab.pipeline import PATH, Run, Runs, parse
from gitops_lab.pipeline.definition import Job

ARM = "pipeline+parallel"
GREETING, MISTAKE = "Welcome", "Wlecome"


def _runs(attempt: Attempt, since: str = "lab") -> list[Run]:
    """The runs since the lab or the step began, the oldest first."""
    started = {e.data.get("run") for e in attempt.entries(since=since, event="triggered")}
    found = Runs(attempt.world.repository.records).all()
    return [run for run in reversed(found) if run.number in started]


def _job(attempt: Attempt) -> Job | None:
    """The job `deploy` of the pipeline in Git; None if the file is no pipeline with that job."""
    try:
        return parse(attempt.world.repository.read(PATH)).jobs.get("deploy")
    except LabError:
        return None


def _ended(attempt: Attempt, state: str, since: str = "step") -> list[Run]:
    return [run for run in _runs(attempt, since) if run.state == state]


def _said(attempt: Attempt) -> str:
    return ", ".join(f"run {run.number}: {run.state}" for run in _runs(attempt, "step")) or "no run"


@edge
def succeeded(attempt: Attempt) -> Result:
    """A run of this step reported success."""
    return Result(
        bool(_ended(attempt, "success")),
        "a run of the pipeline succeeded",
        "success",
        _said(attempt),
        "gitops-lab pipeline list",
    )


@edge
def failed(attempt: Attempt) -> Result:
    """A run of this step reported a failure."""
    return Result(
        bool(_ended(attempt, "failure")),
        "a run of the pipeline failed",
        "failure",
        _said(attempt),
        "gitops-lab pipeline list",
    )


def _order(attempt: Attempt) -> list[int]:
    """The runs of this step that are over, in the order in which they ended."""
    over = [run for run in _runs(attempt, "step") if run.is_over and "deploy" in run.jobs]
    return [run.number for run in sorted(over, key=lambda run: run.jobs["deploy"].ended)]


@edge
def overtaken(attempt: Attempt) -> Result:
    """A run ended after a younger one had."""
    order = _order(attempt)
    is_so = any(first > second for first, second in pairwise(order))
    return Result(
        is_so,
        "a run was overtaken by a younger one",
        "an older run that ends last",
        f"they ended in the order {', '.join(map(str, order)) or '-'}",
        "gitops-lab pipeline list",
    )


@edge
def in_order(attempt: Attempt) -> Result:
    """The runs of the mistake and of its revert came one after the other."""
    order = _order(attempt)
    return Result(
        len(order) >= 2 and order == sorted(order),
        "the runs ended in the order of their commits",
        "two runs or more, the oldest first",
        f"they ended in the order {', '.join(map(str, order)) or '-'}",
        "gitops-lab pipeline list",
    )


@level
def mistake_is_live(attempt: Attempt) -> Result:
    """Live state is the mistake, though Git took it back."""
    live = _greeting(attempt)
    declared = attempt.world.repository.read("config.yaml").decode()
    return Result(
        live == MISTAKE and MISTAKE not in declared,
        "the cluster is older than Git",
        f"{MISTAKE} in the cluster, {GREETING} in Git",
        f"{live} in the cluster",
        "kubectl get configmap shop -o yaml; cat config.yaml",
    )


@level
def grouped(attempt: Attempt) -> Result:
    """The pipeline file in Git has a concurrency group."""
    job = _job(attempt)
    group = job.group if job else ""
    return Result(
        bool(group),
        "the job has a concurrency group",
        "a group",
        group or "none",
        "cat .gitops-lab/pipeline.yaml",
    )


def seconds_to_applied(attempt: Attempt) -> str:
    """From the first push of this step until its run applied it."""
    pushed = attempt.entries(since="step", event="pushed")
    synced = attempt.entries(since="step", event="synced")
    if not pushed or not synced:
        return ""
    seconds = synced[0].at - pushed[0].at
    return min(("about 15", "about 50", "about 120"), key=lambda w: abs(int(w[6:]) - seconds))


def steps(attempt: Attempt) -> int:
    """How many steps the job has."""
    job = _job(attempt)
    return len(job.steps) if job else 0


def verdict(attempt: Attempt) -> str:
    """What the run of the broken version said, and whether old pods still answered."""
    if not _ended(attempt, "failure"):
        return "success, and the new version"
    return "failure, and the old version still answers"


def _greeting(attempt: Attempt) -> str:
    return str(value(get(attempt.arm(ARM), "ConfigMap/shop"), "data.GREETING"))


def live_greeting(attempt: Attempt) -> str:
    """Which greeting is live."""
    return "the mistake" if _greeting(attempt) == MISTAKE else "the old greeting"


def what_they_say(attempt: Attempt) -> str:
    """The state of the last two runs."""
    return "/".join(sorted({run.state for run in _runs(attempt, "step")[-2:]}))
