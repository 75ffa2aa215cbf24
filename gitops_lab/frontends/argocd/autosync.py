"""Automated sync: whether an Application that is out of sync is synced now, later, or not at all.

A pure function of what a comparison found. A commit is tried once (with its retries): after that
only another commit, another source or a person starts the next sync. Drift at a commit that was
synced well is healed at once, then after 2, 6, 18 … seconds.

Source: Argo CD 3.5, `controller/appcontroller.go` autoSync, alreadyAttemptedSync, shouldSelfHeal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_lab.frontends.argocd.app import (
    automated,
    has_many_sources,
    seconds,
    sources,
)
from gitops_lab.frontends.argocd.names import Settings
from gitops_lab.model import Object

DEFAULT_RETRY = {"limit": 5}
"""For an automated sync of an Application that says nothing about retries."""


@dataclass(frozen=True)
class Decision:
    """What to do.

    Args:
        operation: the operation to start; None for none.
        error: the message of a SyncError; empty if there is none.
        wait: seconds until to look again; None if nothing is waited for.
    """

    operation: Mapping[str, Any] | None = None
    error: str = ""
    wait: float | None = None


NOTHING = Decision()


def decide(
    app: Object,
    status: str,
    revisions: Sequence[str],
    resources: Sequence[Mapping[str, Any]],
    now: float,
    settings: Settings,
) -> Decision:
    """Whether to sync.

    Args:
        app: the Application, with the status of before this comparison.
        status: its sync status now.
        revisions: the commits it was compared with.
        resources: the entries of `status.resources`.
        now: the present instant, in seconds since the Unix epoch.
        settings: the waits between self-heals.
    """
    spec = app["spec"]
    policy = automated(spec)
    if (
        policy is None
        or app.get("operation")
        or app["metadata"].get("deletionTimestamp")
        or status != "OutOfSync"
    ):
        return NOTHING
    differing = [each for each in resources if each.get("status") == "OutOfSync"]
    prune = bool(policy.get("prune"))
    if not prune and all(each.get("requiresPruning") for each in differing):
        return NOTHING
    sync: dict[str, Any] = {"prune": prune} if prune else {}
    if has_many_sources(spec):
        sync |= {"revisions": list(revisions), "sources": list(sources(spec))}
    else:
        sync |= {"revision": revisions[0] if revisions else ""}
    if options := (spec.get("syncPolicy") or {}).get("syncOptions"):
        sync["syncOptions"] = list(options)
    state = (app.get("status") or {}).get("operationState")
    named = ",".join(revisions)
    if state and was_attempted(state, spec, revisions):
        if state["phase"] != "Succeeded":
            message = f"Failed last sync attempt to [{named}]: {state.get('message', '')}"
            return Decision(error=message)
        if not policy.get("selfHeal"):
            return NOTHING
        attempts = state["operation"].get("sync", {}).get("autoHealAttemptsCount", 0)
        ended = seconds(state["finishedAt"]) if state.get("finishedAt") else now
        left = ended + heal_wait(attempts, settings) - now
        if left > 0:
            return Decision(wait=left)
        sync["autoHealAttemptsCount"] = attempts + 1
        sync["resources"] = [
            {name: each[name] for name in ("group", "kind", "namespace", "name") if name in each}
            for each in differing
            if prune or not each.get("requiresPruning")
        ]
    if (
        prune
        and not policy.get("allowEmpty")
        and resources
        and all(each.get("requiresPruning") for each in resources if not each.get("hook"))
    ):
        message = f"Skipping sync attempt to [{named}]: auto-sync will wipe out all resources"
        return Decision(error=message)
    retry = (spec.get("syncPolicy") or {}).get("retry")
    return Decision(
        {
            "sync": sync,
            "initiatedBy": {"automated": True},
            "retry": dict(DEFAULT_RETRY if retry is None else retry),
        }
    )


def was_attempted(
    state: Mapping[str, Any], spec: Mapping[str, Any], revisions: Sequence[str]
) -> bool:
    """Whether the last operation synced these commits of these sources."""
    result = state.get("syncResult") or {}
    if has_many_sources(spec):
        return bool(
            list(result.get("revisions") or ()) == list(revisions)
            and list(result.get("sources") or ()) == list(spec["sources"])
        )
    return bool(
        [result.get("revision")] == list(revisions) and result.get("source") == spec.get("source")
    )


def heal_wait(attempts: int, settings: Settings) -> float:
    """Seconds to wait before the next self-heal, after so many in a row."""
    if attempts == 0:
        return 0.0
    wait = settings.heal_timeout * settings.heal_factor ** (attempts - 1)
    return min(wait, settings.heal_cap)
