"""What "Going back" checks and measures."""

from __future__ import annotations

from collections.abc import Iterable

from gitops_lab.labs.checks import Attempt, Result, edge, level
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get

SHOP = "Deployment/shop"
IMAGE = "spec.template.spec.containers[shop].image"
HEALING = "pull+self-heal"


def _version(attempt: Attempt, arm: str) -> str:
    return str(value(get(attempt.arm(arm), SHOP), IMAGE)).rpartition(":")[2]


def _is_paused(attempt: Attempt) -> bool:
    entries = attempt.entries(actor=HEALING, subject="deployer")
    found = [entry.event for entry in entries if entry.event in ("outage", "restored")]
    return bool(found) and found[-1] == "outage"


@edge
def paused(attempt: Attempt) -> Result:
    """The agent that heals is paused."""
    stopped = _is_paused(attempt)
    return Result(
        stopped,
        f"the agent of {HEALING} is paused",
        "paused",
        "paused" if stopped else "it works",
        f"gitops-lab pause {HEALING}",
    )


@edge
def resumed(attempt: Attempt) -> Result:
    """The agent that heals works again."""
    stopped = _is_paused(attempt)
    return Result(
        not stopped,
        f"the agent of {HEALING} works again",
        "resumed",
        "paused" if stopped else "it works",
        f"gitops-lab resume {HEALING}",
    )


@level
def never_bad_again(attempt: Attempt) -> Iterable[Result]:
    """No deployer applied the Deployment with the bad version since the step began."""
    for name in attempt.world.arms:
        writes = attempt.entries(
            since="step", actor=name, event="applied", subject="Deployment default/shop"
        )
        bad = [
            entry
            for entry in writes
            if entry.why.endswith(f"Git wants gitops-lab/shop:{attempt.values['bad']}")
        ]
        yield Result(
            not bad,
            f"{name}: the bad version did not come back",
            "no deployer wrote it after the glass was broken",
            "one did" if bad else "none did",
            "gitops-lab logs; reset this step, and mind the order",
        )


def undo_lasts(attempt: Attempt) -> str:
    """Where the good version runs."""
    good = {
        name for name in attempt.world.arms if _version(attempt, name) == attempt.values["good"]
    }
    if len(good) == 2:
        return "in both"
    return f"only in {next(iter(good))}" if good else "in neither"


def seconds_undone(attempt: Attempt) -> int | None:
    """From the undo until the agent applied Git's version again."""
    drifted = attempt.entries(since="step", actor=HEALING, event="observed", drifted=True)
    drifted = [entry for entry in drifted if "image" in entry.why]
    if not drifted:
        return None
    applied = attempt.entries(
        since="step", actor=HEALING, event="applied", subject="Deployment default/shop"
    )
    after = [entry.at for entry in applied if entry.at >= drifted[0].at]
    return round(after[0] - drifted[0].at) if after else None


def version_in_push(attempt: Attempt) -> str:
    """What runs in the cluster of the pipeline."""
    return _version(attempt, "push-on-commit")


def status_after_glass(attempt: Attempt) -> str:
    """How the cluster whose agent is paused is seen."""
    seen = attempt.arm(HEALING).observed()
    sync = "in sync" if seen.in_sync else "drifted"
    return f"{sync}, {'Healthy' if seen.health == 'Healthy' else 'not healthy'}"


def broken_by_resume(attempt: Attempt) -> str | None:
    """The cluster in which live state differs and the deployer heals."""
    return HEALING if not attempt.arm(HEALING).observed().in_sync else None


def commits(attempt: Attempt) -> int:
    """How many commits the branch has."""
    return len(attempt.world.repository.log())
