"""What "Controllers that fight" checks and measures."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from gitops_lab.labs.checks import Attempt, Result, level
from gitops_lab.labs.fields import ABSENT, managers, value
from gitops_lab.labs.world import get

ARM = "pull+self-heal"
_SCALED = re.compile(r"Scaled (?:up|down) replica set (\w+)-\w+ from (\d+) to (\d+)")


class Scaling(NamedTuple):
    """One change of a Deployment's size, as the Deployment's controller reports it in an event."""

    at: float
    before: int
    after: int


def _scalings(attempt: Attempt, name: str) -> list[Scaling]:
    """The changes of a Deployment's size since the step began, in order."""
    began = attempt.world.entries(max(attempt.step_began - 1, 0))
    since = int(began[0].at) if began else 0
    found = []
    for event in attempt.arm(ARM).cluster.list("", "Event", namespace="default"):
        match = _SCALED.match(str(event.get("message")))
        if match is None or match[1] != name:
            continue
        at = datetime.fromisoformat(str(event["lastTimestamp"])).timestamp()
        if at >= since:
            found.append(Scaling(at, int(match[2]), int(match[3])))
    return sorted(found)


def _writes(attempt: Attempt, name: str) -> int:
    subject = f"Deployment default/{name}"
    return len(attempt.entries(since="step", actor=ARM, event="applied", subject=subject))


@level
def wrote_again(attempt: Attempt) -> Result:
    """The agent set the number back three times."""
    count = max(_writes(attempt, "shop") - 1, 0)  # the first write brought the new load
    return Result(
        count >= 3,
        "the agent set the number back, at least three times",
        "3 writes that no commit asked for",
        f"{count} so far",
        "gitops-lab logs",
    )


@level
def dropped(attempt: Attempt) -> Result:
    """The shop went down to one replica."""
    fewest = min((each.after for each in _scalings(attempt, "shop")), default=None)
    return Result(
        fewest == 1,
        "the shop fell to one replica",
        "an event: scaled down to 1",
        f"at least {fewest}" if fewest else "it kept its size",
        "kubectl get events",
    )


@level
def scaled_back(attempt: Attempt) -> Result:
    """The autoscaler brought it back to four."""
    ready = value(get(attempt.arm(ARM), "Deployment/shop"), "status.readyReplicas")
    return Result(
        ready == 4 and bool(_scalings(attempt, "shop")),
        "the autoscaler brought the shop back to four",
        "4 ready",
        f"{ready} ready",
        "kubectl get deployment shop",
    )


@level
def kept(attempt: Attempt) -> Result:
    """The cart lost no replica."""
    lost = [each for each in _scalings(attempt, "cart") if each.after < each.before]
    return Result(
        not lost,
        "the cart lost no replica",
        "no event that scales it down",
        f"down to {min(each.after for each in lost)}" if lost else "none",
        "kubectl get events; reset this step to try again",
    )


@level
def given_up(attempt: Attempt) -> Result:
    """The number has an owner besides the agent."""
    found = _others(attempt)
    return Result(
        bool(found),
        "the number has an owner besides the agent",
        f"a field manager of spec.replicas that is not {attempt.arm(ARM).owner}",
        ", ".join(found) or "there is none",
        "kubectl get deployment cart -o yaml --show-managed-fields",
    )


def winner(attempt: Attempt) -> str:
    """Neither, if both wrote again and again."""
    sizes = {each.after for each in _scalings(attempt, "shop")}
    return "neither" if len(sizes) > 1 else "one of them"


def wanted(attempt: Attempt) -> int | None:
    """What the autoscaler wants."""
    scaler = get(attempt.arm(ARM), "HorizontalPodAutoscaler/shop")
    found = value(scaler, "status.desiredReplicas")
    return None if found == ABSENT else int(found)


def fewest(attempt: Attempt) -> str:
    """The fewest replicas that the shop had."""
    return str(min((each.after for each in _scalings(attempt, "shop")), default=4))


def fewest_of_cart(attempt: Attempt) -> str:
    """The fewest replicas that the cart had."""
    return str(min((each.after for each in _scalings(attempt, "cart")), default=3))


def seconds_below(attempt: Attempt) -> int | None:
    """From the fall to one replica until the autoscaler asked for four."""
    scalings = _scalings(attempt, "shop")
    fell = next((each.at for each in scalings if each.after == 1), None)
    if fell is None:
        return None
    back = next((each.at for each in scalings if each.at > fell and each.after >= 4), None)
    return None if back is None else round(back - fell)


def owner_of_replicas(attempt: Attempt) -> str | None:
    """Who owns the cart's number, besides the agent."""
    found = _others(attempt)
    return found[0] if found else None


def _others(attempt: Attempt) -> list[str]:
    found = managers(get(attempt.arm(ARM), "Deployment/cart"), "spec.replicas")
    return [name for name in found if name != attempt.arm(ARM).owner]
