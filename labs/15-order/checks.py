"""What "Order and partial failure" checks and measures."""

from __future__ import annotations

from collections.abc import Iterable

from gitops_lab.labs.checks import Attempt, Result, level
from gitops_lab.labs.fields import value
from gitops_lab.labs.world import get

ALL = "in all three"


def _with_season(attempt: Attempt, season: str) -> set[str]:
    return {
        name
        for name, arm in attempt.world.arms.items()
        if value(get(arm, "ConfigMap/texts"), "data.season") == season
    }


def _failures(attempt: Attempt, arm: str, why: str) -> int:
    reports = attempt.entries(since="step", actor=arm, event="reported", state="failure")
    return sum(why in entry.why for entry in reports)


@level
def refused(attempt: Attempt) -> Iterable[Result]:
    """Every deployer reported that the Deployment was refused."""
    for name in attempt.world.arms:
        count = _failures(attempt, name, "Deployment default/shop was refused")
        yield Result(
            count > 0,
            f"{name}: the API server refused the Deployment",
            "a reported failure",
            "reported" if count else "nothing reported yet",
            "gitops-lab logs",
        )


@level
def held_back(attempt: Attempt) -> Iterable[Result]:
    """Every deployer met the file that cannot be read, for the second commit as well."""
    tip = attempt.world.repository.tip()
    for name in attempt.world.arms:
        reports = attempt.entries(since="step", actor=name, event="reported", subject=tip)
        found = [entry for entry in reports if "prices.yaml" in entry.why]
        yield Result(
            bool(found),
            f"{name}: the newest commit was held back",
            "a reported failure that names prices.yaml",
            found[-1].why.partition(":")[0] if found else "nothing reported yet",
            "gitops-lab logs",
        )


def with_backup(attempt: Attempt) -> str:
    """Where the custom resource exists."""
    found = {
        name
        for name, arm in attempt.world.arms.items()
        if _exists(attempt, name, "Backup.shop.example/nightly")
    }
    return ALL if len(found) == 3 else "in the two with an agent" if len(found) == 2 else "in none"


def _exists(attempt: Attempt, arm: str, name: str) -> bool:
    return get(attempt.arm(arm), name) is not None


def refused_kind(attempt: Attempt) -> str | None:
    """The kind that the pipeline could not apply."""
    failed = attempt.entries(actor="push+no-order", event="applied", action="failed")
    return failed[0].subject.partition(" ")[0] if failed else None


def with_texts(attempt: Attempt) -> str:
    """Where the new texts are."""
    found = _with_season(attempt, str(attempt.values["texts"]))
    if found == {"push+no-order", "pull"}:
        return "in the two without validation"
    return ALL if len(found) == 3 else ", ".join(sorted(found)) or "in none"


def clusters_with_texts(attempt: Attempt) -> set[str]:
    """The clusters with the new texts."""
    return _with_season(attempt, str(attempt.values["texts"]))


def with_later_texts(attempt: Attempt) -> str:
    """Where the colleague's change is."""
    found = _with_season(attempt, "harvest")
    return ALL if len(found) == 3 else ", ".join(sorted(found)) or "in none"


def clusters_with_harvest(attempt: Attempt) -> int:
    """In how many clusters the colleague's change is."""
    return len(_with_season(attempt, "harvest"))
