"""What "Delete, rename, vanish" measures."""

from __future__ import annotations

import re

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import get


def _where(found: set[str]) -> str:
    if len(found) == 2:
        return "in both"
    return f"only in {next(iter(found))}" if found else "in neither"


def cart_gone(attempt: Attempt) -> str:
    """The clusters without the StatefulSet."""
    arms = attempt.world.arms.items()
    return _where({name for name, arm in arms if get(arm, "StatefulSet/cart") is None})


def claim_left(attempt: Attempt) -> str | None:
    """The claim that the StatefulSet left in the cluster `pull`."""
    claims = attempt.arm("pull").cluster.list("", "PersistentVolumeClaim")
    return str(claims[0]["metadata"]["name"]) if claims else None


def both_run(attempt: Attempt) -> str:
    """The clusters in which the old and the new Deployment run."""
    names = ("Deployment/shop", f"Deployment/{attempt.values['new']}")
    arms = attempt.world.arms.items()
    return _where({name for name, arm in arms if all(get(arm, each) for each in names)})


def seconds_without(attempt: Attempt) -> int | None:
    """From the deletion of the old Deployment until all was healthy, in `pull`."""
    deleted = attempt.entries(
        since="step", actor="pull", event="applied", subject="Deployment default/shop"
    )
    if not deleted:
        return None
    healthy = attempt.entries(since="step", actor="pull", event="observed", health="Healthy")
    after = [entry.at for entry in healthy if entry.at >= deleted[-1].at]
    return round(after[0] - deleted[-1].at) if after else None


def _refusals(attempt: Attempt) -> list[str]:
    reports = attempt.entries(since="step", actor="pull", event="reported", state="failure")
    return [entry.why for entry in reports if "refusing to prune" in entry.why]


def what_the_agent_did(attempt: Attempt) -> str:
    """Whether the agent refused."""
    refused = bool(_refusals(attempt))
    return "it deletes nothing and reports a failure" if refused else "something else"


def refused(attempt: Attempt) -> int | None:
    """How many objects the agent would have had to delete."""
    found = [re.search(r"refusing to prune all (\d+)", why) for why in _refusals(attempt)]
    return int(found[-1][1]) if found and found[-1] else None
