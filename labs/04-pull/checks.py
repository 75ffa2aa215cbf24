"""What "Pull: an agent that looks" checks and measures."""

from __future__ import annotations

from gitops_lab.journal import Entry
from gitops_lab.labs.checks import Attempt, Result, edge, level
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get

PARTS = ("triggered", "fetched", "applied")


def _while_paused(attempt: Attempt) -> list[Entry]:
    """What the agent of `pull` did while it was paused: only by hand can it."""
    found, paused = [], False
    for entry in attempt.entries(actor="pull"):
        if entry.event in ("outage", "restored") and entry.subject == "deployer":
            paused = entry.event == "outage"
        elif paused and entry.event in PARTS:
            found.append(entry)
    return found


@edge
def stepped_by_hand(attempt: Attempt) -> Result:
    """The paused agent fetched and applied, step by step."""
    done = {entry.event for entry in _while_paused(attempt)}
    missing = [part for part in PARTS if part not in done]
    return Result(
        not missing,
        "you stepped the paused agent until it applied",
        "triggered, fetched and applied, while it was paused",
        f"still to come: {', '.join(missing)}" if missing else "all three",
        "gitops-lab pause pull; then gitops-lab step pull",
    )


@edge
def resumed(attempt: Attempt) -> Result:
    """The agent works by itself again."""
    entries = attempt.entries(actor="pull", subject="deployer")
    found = [entry for entry in entries if entry.event in ("outage", "restored")]
    runs = not found or found[-1].event == "restored"
    return Result(
        runs,
        "the agent of pull works by itself",
        "resumed",
        "resumed" if runs else "paused",
        "gitops-lab resume pull",
    )


@level
def push_failed(attempt: Attempt) -> Result:
    """The pipeline could not reach its cluster."""
    found = attempt.entries(since="step", actor="push-on-commit", event="reported", state="failure")
    return Result(
        bool(found),
        "the pipeline tried, and failed",
        "push-on-commit reported a failure",
        found[-1].why if found else "no failure yet",
        "gitops-lab logs",
    )


@edge
def reconnected(attempt: Attempt) -> Result:
    """The clusters were cut off, and can be reached again."""
    entries = attempt.entries(since="step", actor="push-on-commit", subject="cluster")
    events = [entry.event for entry in entries if entry.event in ("outage", "restored")]
    return Result(
        "outage" in events and events[-1] == "restored",
        "you cut the clusters off, and connected them again",
        "disconnect, then reconnect",
        ", then ".join(events) or "neither yet",
        "gitops-lab disconnect; gitops-lab reconnect",
    )


def steps_taken(attempt: Attempt) -> str:
    """How many of the agent's parts it took until the commit was applied."""
    parts = [entry.event for entry in _while_paused(attempt)]
    return str(len(dict.fromkeys(parts)))


def _triggered(attempt: Attempt, arm: str) -> int:
    pushes = attempt.entries(since="step", event="pushed")
    began = pushes[0].at if pushes else float("inf")
    found = attempt.entries(since="step", actor=arm, event="triggered")
    return len([entry for entry in found if entry.at >= began])


def deployed_by_pull(attempt: Attempt) -> str:
    """How often the agent fetched a new revision since the first of the five pushes."""
    count = _triggered(attempt, "pull")
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def pipelines(attempt: Attempt) -> int:
    """How many pipelines were started since the first of the five pushes."""
    return _triggered(attempt, "push-on-commit")


def have_it(attempt: Attempt) -> set[str]:
    """The clusters that greet at night."""
    return {
        name
        for name, arm in attempt.world.arms.items()
        if value(get(arm, "ConfigMap/shop"), "data.GREETING") == "Good night"
    }
