"""What "Argo CD: from OutOfSync to Synced" checks and measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitops_lab.labs.checks import Attempt, Result, edge, level
from gitops_lab.labs.fields import ABSENT, value
from gitops_lab.labs.world import declared, get

APPLICATION = "Application.argoproj.io/argocd/app"
SHOP = "Deployment/shop"
MINER = "spec.template.spec.containers[miner]"
LOOK = "gitops-lab argocd app get app --refresh"


def _application(attempt: Attempt) -> Mapping[str, Any]:
    return get(attempt.arm("argocd"), APPLICATION) or {"spec": {}, "status": {}}


def _status(attempt: Attempt) -> Mapping[str, Any]:
    return _application(attempt).get("status") or {}


def _word(attempt: Attempt, name: str) -> str:
    return str(_status(attempt).get(name, {}).get("status", "Unknown"))


def _history(attempt: Attempt) -> list[Mapping[str, Any]]:
    return list(_status(attempt).get("history") or ())


@level
def application(
    attempt: Attempt,
    sync: str,
    automated: bool,
    health: str = "",
    self_heal: bool = False,
) -> Iterable[Result]:
    """The Application has these words in its status, and this policy; all of it at once."""
    policy = (_application(attempt)["spec"].get("syncPolicy") or {}).get("automated")
    wanted = f"automation {_on(automated)}" + (" with self-heal" if self_heal else "")
    heals = bool((policy or {}).get("selfHeal"))
    fits = (policy is not None) == automated and (heals or not self_heal)
    found = [_word(attempt, "sync"), *([_word(attempt, "health")] if health else [])]
    expected = [sync, *([health] if health else [])]
    yield Result(
        fits and found == expected,
        f"the Application is {' and '.join(expected)}, with {wanted}",
        f"{', '.join(expected)}; {wanted}",
        f"{', '.join(found)}; automation {_on(policy is not None)}"
        + (" with self-heal" if heals else ""),
        LOOK,
    )


def _on(is_on: bool) -> str:
    return "on" if is_on else "off"


@level
def resources(attempt: Attempt, count: int) -> Result:
    """So many objects are OutOfSync."""
    found = out_of_sync(attempt)
    return Result(found == count, f"{count} objects are OutOfSync", f"{count}", f"{found}", LOOK)


@level
def synced_by_hand(attempt: Attempt, count: int) -> Result:
    """The history has so many syncs that a person started."""
    found = [e for e in _history(attempt) if not (e.get("initiatedBy") or {}).get("automated")]
    return Result(
        len(found) >= count,
        f"you synced by hand {count} times",
        f"{count} such entries in the history",
        f"{len(found)}",
        "gitops-lab argocd app history app",
    )


@edge
def healed(attempt: Attempt) -> Result:
    """A partial sync of the Deployment undid an edit."""
    found = bool(_heals(attempt))
    return Result(
        found,
        "Argo CD undid your edit",
        "an automated partial sync of Application app",
        "there was one" if found else "none yet",
        "gitops-lab logs | tail",
    )


def _heals(attempt: Attempt) -> list[float]:
    found = attempt.entries(since="step", actor="argocd", event="triggered")
    return [e.at for e in found if e.why == "automated partial sync of Application app"]


@edge
def miner_by_hand(attempt: Attempt) -> Result:
    """The container is there, and Git does not declare it."""
    is_there = value(get(attempt.arm("argocd"), SHOP), MINER) != ABSENT
    is_declared = value(declared(attempt.world, SHOP), MINER) != ABSENT
    where = "Git declares it" if is_declared else "it is there" if is_there else "there is none"
    return Result(
        is_there and not is_declared,
        "a second container, miner, was added by hand",
        "it is in the cluster, and not in Git",
        where,
        "kubectl --context argocd get deployment shop -o yaml",
    )


@level
def rolled_back(attempt: Attempt) -> Result:
    """The newest sync was one to an older revision."""
    commits = [str(entry.get("revision", "")) for entry in _history(attempt)]
    tip = attempt.world.repository.tip()
    fits = tip in commits[:-1] and commits[-1] != tip
    return Result(
        fits,
        "you rolled back with Argo CD",
        "the newest commit was deployed, and after it an older one",
        "so it was" if fits else f"deployed last: {commits[-1][:7] if commits else 'nothing'}",
        "gitops-lab argocd app history app",
    )


@level
def one_container(attempt: Attempt) -> Result:
    """The Deployment has the container that Git declares, and no other."""
    found = containers(attempt)
    return Result(
        found == 1,
        "the shop has one container",
        "the one that Git declares",
        f"{found}",
        "kubectl --context argocd get deployment shop -o wide",
    )


def status(attempt: Attempt) -> str:
    """Sync status and health of the Application."""
    return f"{_word(attempt, 'sync')}, {_word(attempt, 'health')}"


def sync_status(attempt: Attempt) -> str:
    """Sync status of the Application."""
    return _word(attempt, "sync")


def out_of_sync(attempt: Attempt) -> int:
    """How many objects are OutOfSync."""
    found = _status(attempt).get("resources") or ()
    return sum(each.get("status") == "OutOfSync" for each in found)


def health_when_synced(attempt: Attempt) -> str:
    """What the health became right after the first sync was reported."""
    reported = attempt.entries(since="step", actor="argocd", event="reported", state="success")
    found = attempt.entries(since="step", actor="argocd", event="health")
    after = [entry for entry in found if reported and entry.at >= reported[0].at]
    return str(after[0].data["status"]) if after else "Missing"


def newest(attempt: Attempt) -> int | None:
    """The ID of the history's newest entry."""
    found = _history(attempt)
    return int(found[-1]["id"]) if found else None


def healed_after(attempt: Attempt) -> str:
    """How long the edit stayed."""
    seen = attempt.entries(since="step", actor="argocd", event="synced", sync="OutOfSync")
    heals = _heals(attempt)
    if seen and heals and heals[0] - seen[0].at <= 10:
        return "within ten seconds"
    return "at the next look at Git, after up to two minutes" if heals else "with the next commit"


def healed_objects(attempt: Attempt) -> int | None:
    """How many objects the newest sync was about."""
    state = _status(attempt).get("operationState") or {}
    found = (state.get("operation") or {}).get("sync", {}).get("resources")
    return len(found) if found else None


def status_with_miner(attempt: Attempt) -> str:
    """What Argo CD said while the miner was there."""
    found = attempt.entries(since="step", actor="argocd", event="synced", sync="OutOfSync")
    if not found:
        return "Synced, all the time"
    is_there = value(get(attempt.arm("argocd"), SHOP), MINER) != ABSENT
    return "OutOfSync" if is_there else "OutOfSync, and Synced again once it is healed"


def containers(attempt: Attempt) -> int:
    """How many containers the Deployment has."""
    found = value(get(attempt.arm("argocd"), SHOP), "spec.template.spec.containers")
    return len(found) if isinstance(found, list) else 0
