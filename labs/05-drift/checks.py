"""What "Drift, and what is not drift" checks and measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitops_lab.labs.checks import Attempt, Result, edge, level
from gitops_lab.labs.fields import ABSENT, managers, value
from gitops_lab.labs.world import declared, get

SHOP = "Deployment/shop"
MINER = "spec.template.spec.containers[miner]"


def _with_miner(attempt: Attempt) -> list[str]:
    return [
        name for name, arm in attempt.world.arms.items() if value(get(arm, SHOP), MINER) != ABSENT
    ]


@level
def miner_runs(attempt: Attempt) -> Iterable[Result]:
    """The miner is in every cluster; each still says that it is in sync, if it does."""
    there = _with_miner(attempt)
    for name in attempt.world.arms:
        yield Result(
            name in there,
            f"{name} has the container miner",
            "a second container, added by hand",
            "it is there" if name in there else "there is none",
            f"kubectl --context {name} get deployment shop -o yaml",
        )


@level
def looked(attempt: Attempt) -> Iterable[Result]:
    """The deployers that heal have worked since the miner came: they had their chance."""
    for name in ("push-on-schedule", "pull+self-heal"):
        found = attempt.entries(since="step", actor=name, event="reported", state="success")
        yield Result(
            bool(found),
            f"{name} has looked since",
            "a report that all is applied and healthy",
            "it reported" if found else "no report yet: the slowest looks every three minutes",
            "gitops-lab logs",
        )


@level
def miner_gone(attempt: Attempt, arms: Sequence[str] = ()) -> Iterable[Result]:
    """The Deployment is there, and the miner is not."""
    for name in arms or attempt.world.arms:
        live = get(attempt.arm(name), SHOP)
        there = value(live, MINER) != ABSENT
        yield Result(
            live is not None and not there,
            f"{name} runs the shop without the miner",
            "one container, the one that Git declares",
            "no Deployment" if live is None else "the miner is there" if there else "one container",
            f"kubectl --context {name} get deployment shop -o yaml",
        )


@edge
def deleted_by_hand(attempt: Attempt) -> Iterable[Result]:
    """The Deployment was gone while Git declared it."""
    for name in attempt.world.arms:
        seen = [
            entry
            for entry in attempt.entries(since="step", actor=name, event="observed")
            if entry.why == "Deployment default/shop: does not exist"
        ]
        yield Result(
            bool(seen),
            f"{name}: you deleted the Deployment",
            "it was gone for a moment",
            "it was" if seen else "it is there",
            f"kubectl --context {name} delete deployment shop",
        )


def undone(attempt: Attempt) -> set[str]:
    """The clusters that have Git's number of replicas again."""
    wanted = value(declared(attempt.world, SHOP), "spec.replicas")
    return {
        name
        for name, arm in attempt.world.arms.items()
        if value(get(arm, SHOP), "spec.replicas") == wanted
    }


def status_with_miner(attempt: Attempt) -> str:
    """What is observed of a cluster that self-heals, while the miner runs in it."""
    seen = attempt.entries(since="step", actor="pull+self-heal", event="observed")
    drifted = any(entry.data["drifted"] for entry in seen)
    return "drifted" if drifted else "in sync, all the time"


def owner_of_the_miner(attempt: Attempt) -> str | None:
    """Who added the container, as the cluster notes it."""
    found = managers(get(attempt.arm("pull+self-heal"), SHOP), f"{MINER}.image")
    return found[0] if found else None


def clusters_without_miner(attempt: Attempt) -> int:
    """In how many clusters the miner is gone."""
    return len(attempt.world.arms) - len(_with_miner(attempt))


def clusters_with_miner(attempt: Attempt) -> int:
    """In how many clusters the miner runs."""
    return len(_with_miner(attempt))


def came_back(attempt: Attempt) -> set[str]:
    """The clusters that have the Deployment."""
    return {name for name, arm in attempt.world.arms.items() if get(arm, SHOP) is not None}
