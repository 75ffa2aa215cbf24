"""What "Flux in five objects" checks and measures."""

from __future__ import annotations

import re

from gitops_lab.labs.checks import Attempt, Result, edge, level
from gitops_lab.labs.fields import ABSENT, value
from gitops_lab.labs.world import get

ARM = "flux"
SHOP = "Deployment/shop"
MINER = "spec.template.spec.containers[miner]"
KUSTOMIZATION = "Kustomization.kustomize.toolkit.fluxcd.io/flux-system/app"
SOURCE = "GitRepository.source.toolkit.fluxcd.io/flux-system/app"
LOOK = "gitops-lab flux get ks app"


def _kustomization(attempt: Attempt, path: str) -> str:
    """A field of the Kustomization, as text; nothing if it is not there."""
    found = value(get(attempt.arm(ARM), KUSTOMIZATION), path)
    return "" if found in (ABSENT, None) else str(found)


def _commit(revision: str) -> str:
    """The commit of a revision like `main@sha1:0123…`."""
    return revision.rpartition(":")[2]


@level
def ready(attempt: Attempt) -> Result:
    """The Kustomization is Ready, at Git's newest commit."""
    applied = _commit(_kustomization(attempt, "status.lastAppliedRevision"))
    is_ready = ready_now(attempt)
    return Result(
        is_ready == "True" and applied == attempt.world.repository.tip(),
        "the Kustomization is Ready, at the newest commit",
        f"Ready True, at {attempt.world.repository.tip()[:7]}",
        f"Ready {is_ready}, at {applied[:7] or 'no commit'}",
        LOOK,
    )


@edge
def miner_added(attempt: Attempt) -> Result:
    """A container named miner was seen in the Deployment."""
    seen = [
        entry
        for entry in attempt.entries(since="step", actor=ARM, event="observed")
        if any("containers[miner]" in extra for extra in entry.data.get("extra", ()))
    ]
    return Result(
        bool(seen),
        "you added the container miner by hand",
        "an extra field, seen once",
        "it was seen" if seen else "not seen yet",
        "kubectl get deployment shop -o yaml",
    )


@level
def miner_gone(attempt: Attempt) -> Result:
    """The Deployment is there, without the miner."""
    live = get(attempt.arm(ARM), SHOP)
    there = value(live, MINER) != ABSENT
    return Result(
        live is not None and not there,
        "the shop runs without the miner",
        "one container, the one that Git declares",
        "no Deployment" if live is None else "the miner is there" if there else "one container",
        "kubectl get deployment shop -o yaml",
    )


@level
def asked(attempt: Attempt) -> Result:
    """Flux has done a run that a person asked for."""
    handled = _kustomization(attempt, "status.lastHandledReconcileAt")
    return Result(
        bool(handled),
        "Flux did a run because you asked for it",
        "status.lastHandledReconcileAt is set",
        handled or "it is not set",
        "kubectl get ks app -n flux-system -o yaml",
    )


@level
def suspended(attempt: Attempt) -> Result:
    """The Kustomization is suspended."""
    found = _kustomization(attempt, "spec.suspend") == "True"
    return Result(
        found, "the Kustomization is suspended", "suspend: true", "it is" if found else "no", LOOK
    )


@level
def resumed(attempt: Attempt) -> Result:
    """The Kustomization is not suspended any more."""
    found = _kustomization(attempt, "spec.suspend") != "True"
    return Result(
        found, "the Kustomization runs again", "not suspended", "it does" if found else "no", LOOK
    )


@level
def fetched_only(attempt: Attempt) -> Result:
    """The GitRepository has the newest commit, and the Kustomization has not applied it."""
    fetched = _commit(str(value(get(attempt.arm(ARM), SOURCE), "status.artifact.revision")))
    applied = _commit(_kustomization(attempt, "status.lastAppliedRevision"))
    return Result(
        fetched == attempt.world.repository.tip() != applied,
        "the newest commit is fetched, and not applied",
        "the GitRepository is one commit ahead",
        f"fetched {fetched[:7]}, applied {applied[:7]}",
        "gitops-lab flux get all",
    )


@level
def failed(attempt: Attempt) -> Result:
    """A run failed in this step, since the Deployment was refused."""
    found = _failures(attempt)
    return Result(
        bool(found),
        "a run failed, and the message names your typing error",
        "field not declared in schema",
        "it did" if found else "no such failure yet",
        "gitops-lab flux events",
    )


def _failures(attempt: Attempt) -> list[int]:
    """Where among the step's entries a run is reported that a typing error stopped."""
    return [
        number
        for number, entry in enumerate(attempt.entries(since="step", actor=ARM))
        if entry.data.get("state") == "ReconciliationFailed"
        and "field not declared in schema" in entry.why
    ]


def ready_now(attempt: Attempt) -> str:
    """What the Kustomization's condition Ready says."""
    found = value(get(attempt.arm(ARM), KUSTOMIZATION), "status.conditions")
    conditions = found if isinstance(found, list) else []
    return next((str(each["status"]) for each in conditions if each["type"] == "Ready"), "nothing")


def seconds_until_applied(attempt: Attempt) -> int | None:
    """From the push to the change of the Deployment."""
    pushed = attempt.entries(since="step", actor="forge", event="pushed")
    applied = attempt.entries(
        since="step", actor=ARM, event="applied", subject="Deployment default/shop"
    )
    after = [entry.at for entry in applied if pushed and entry.at >= pushed[0].at]
    return round(after[0] - pushed[0].at) if after else None


def when_applied(attempt: Attempt) -> str:
    """Whether it took the source's interval or the Kustomization's."""
    seconds = seconds_until_applied(attempt)
    return "within about a minute" if seconds is not None and seconds < 90 else "much later"


def fate_of_the_miner(attempt: Attempt) -> str:
    """Whether Flux removed it."""
    return "it is removed" if _taken_over(attempt) else "it stays, as an extra field"


def _taken_over(attempt: Attempt) -> list[str]:
    applied = attempt.entries(
        since="step", actor=ARM, event="applied", subject="Deployment default/shop"
    )
    found = [re.match(r"fields of (\S+) are taken over", entry.why) for entry in applied]
    return [match[1] for match in found if match]


def taken_over_from(attempt: Attempt) -> str | None:
    """The field manager whose fields Flux took over."""
    found = _taken_over(attempt)
    return found[0] if found else None


def applied_commit(attempt: Attempt) -> str:
    """The commit that the Kustomization applied last, as people write it."""
    return _commit(_kustomization(attempt, "status.lastAppliedRevision"))[:7]


def fate_of_the_settings(attempt: Attempt) -> str:
    """Whether the ConfigMap is there."""
    there = get(attempt.arm(ARM), "ConfigMap/settings") is not None
    return "it stays" if there else "it is deleted"


def inventory(attempt: Attempt) -> int:
    """How many objects the Kustomization has in its inventory."""
    found = value(get(attempt.arm(ARM), KUSTOMIZATION), "status.inventory.entries")
    return len(found) if isinstance(found, list) else 0


def arrived(attempt: Attempt) -> str:
    """What was written before the run failed."""
    failures = _failures(attempt)
    entries = attempt.entries(since="step", actor=ARM)[: failures[-1] if failures else None]
    return "something" if any(each.event == "applied" for each in entries) else "nothing"


def reason(attempt: Attempt) -> str | None:
    """The reason of the condition, and of the event."""
    entries, failures = attempt.entries(since="step", actor=ARM), _failures(attempt)
    return str(entries[failures[-1]].data["state"]) if failures else None
