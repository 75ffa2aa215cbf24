"""What a Deployment reports of its rollout: counts, availability, progress, deadline.

Pure functions. Source: pkg/controller/deployment/progress.go and sync.go of Kubernetes 1.37,
their reasons and messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubesim.clock import timestamp
from kubesim.controllers.pods import instant
from kubesim.controllers.rollout import bounds
from kubesim.controllers.status import Condition, condition, counters, since
from kubesim.model import Object

FOREVER = 2**31 - 1
"""The value of progressDeadlineSeconds and revisionHistoryLimit that means "none"."""

Status = dict[str, Any]


def size(replica_set: Object) -> int:
    """How many pods a ReplicaSet is to have."""
    replicas: int = replica_set["spec"].get("replicas", 1)
    return replicas


def reported(obj: Object, name: str) -> int:
    """A count in an object's status; one that is left out is zero."""
    found: int = (obj.get("status") or {}).get(name, 0)
    return found


def report(deployment: Object, new: Object | None, old: Sequence[Object], now: float) -> Status:
    """A Deployment's status: what its ReplicaSets have, and whether that is enough.

    Args:
        deployment: with its last status, whose conditions are kept.
        new: the ReplicaSet of its present template, if there is one yet.
        old: its other ReplicaSets.
        now: the present instant.
    """
    everything, last = [*old, *([new] if new else [])], deployment.get("status") or {}
    available = sum(reported(each, "availableReplicas") for each in everything)
    status: Status = {
        "observedGeneration": deployment["metadata"]["generation"],
        **counters(
            replicas=sum(reported(each, "replicas") for each in everything),
            updatedReplicas=reported(new, "replicas") if new else 0,
            readyReplicas=sum(reported(each, "readyReplicas") for each in everything),
            availableReplicas=available,
            unavailableReplicas=max(sum(size(each) for each in everything) - available, 0),
        ),
        "terminatingReplicas": sum(reported(each, "terminatingReplicas") for each in everything),
        "conditions": list(last.get("conditions") or ()),
    }
    if "collisionCount" in last:
        status["collisionCount"] = last["collisionCount"]
    spec = deployment["spec"]
    if available >= spec.get("replicas", 1) - bounds(spec).unavailable:
        text = "Deployment has minimum availability."
        return with_condition(
            status, made("Available", "True", "MinimumReplicasAvailable", text, now)
        )
    text = "Deployment does not have minimum availability."
    return with_condition(
        status, made("Available", "False", "MinimumReplicasUnavailable", text, now)
    )


def report_progress(
    deployment: Object, new: Object | None, old: Sequence[Object], now: float
) -> Status:
    """The same, with what the change since the last status says of the progress."""
    before: Status = deployment.get("status") or {}
    status, last = report(deployment, new, old, now), condition(before, "Progressing")
    if not has_deadline(deployment):
        status = without_condition(status, "Progressing")
    elif not _is_settled(status, last):
        subject = f'Deployment "{deployment["metadata"]["name"]}"'
        if new is not None:
            subject = f'ReplicaSet "{new["metadata"]["name"]}"'
        if is_complete(deployment, status):
            text = f"{subject} has successfully progressed."
            status = with_condition(
                status, progressing("True", "NewReplicaSetAvailable", text, now)
            )
        elif _has_moved(before, status):
            moved = progressing("True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
            if last is not None and last.get("status") == "True":
                moved["lastTransitionTime"] = since(last, now)
            status = with_condition(without_condition(status, "Progressing"), moved)
        elif _is_late(deployment, last, now):
            text = f"{subject} has timed out progressing."
            status = with_condition(
                status, progressing("False", "ProgressDeadlineExceeded", text, now)
            )
    return _with_failure(status, [*([new] if new else []), *old])


def report_pause(deployment: Object, now: float) -> Status:
    """The last status, with a note that the rollout was paused or resumed, if it was."""
    status = deployment.get("status") or {}
    last, is_paused = condition(status, "Progressing"), bool(deployment["spec"].get("paused"))
    reason = last.get("reason", "") if last is not None else ""
    is_noted = reason == "DeploymentPaused"
    is_late = reason == "ProgressDeadlineExceeded"  # a pause must not hide that
    if is_noted == is_paused or is_late or not has_deadline(deployment):
        return status
    word = "paused" if is_paused else "resumed"
    note = progressing("Unknown", f"Deployment{word.title()}", f"Deployment is {word}", now)
    return with_condition(status, note)


def is_complete(deployment: Object, status: Mapping[str, Any]) -> bool:
    """Whether all pods that are wanted are there, new and available, and no others."""
    wanted = deployment["spec"].get("replicas", 1)
    names = "updatedReplicas", "replicas", "availableReplicas"
    return [status.get(name, 0) for name in names] == [wanted] * len(names)


def has_deadline(deployment: Object) -> bool:
    """Whether lack of progress is to be told at some time."""
    return bool(deployment["spec"].get("progressDeadlineSeconds", FOREVER) != FOREVER)


def deadline(deployment: Object, status: Status) -> float | None:
    """The instant at which lack of progress is to be told, in seconds since the Unix epoch.

    None if there is nothing to tell, or no more: a rollout that is over does not become late when
    its pods fail afterwards.
    """
    last = condition(status, "Progressing")
    if last is None or not has_deadline(deployment) or is_complete(deployment, status):
        return None
    if last["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    patience: int = deployment["spec"]["progressDeadlineSeconds"]
    return instant(last["lastUpdateTime"]) + patience + 1


def progressing(status: str, reason: str, message: str, now: float) -> Condition:
    """The condition that tells how a rollout goes."""
    return made("Progressing", status, reason, message, now)


def made(kind: str, status: str, reason: str, message: str, now: float) -> Condition:
    """A condition as Deployments have them, with the time of its last update."""
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": timestamp(now),
        "lastTransitionTime": timestamp(now),
        "reason": reason,
        "message": message,
    }


def with_condition(status: Status, new: Condition) -> Status:
    """A status with a condition set; one that says the same already is left as it is."""
    last = condition(status, new["type"])
    if last is not None and last.get("status") == new["status"]:
        if last.get("reason") == new["reason"]:
            return status
        if last.get("lastTransitionTime"):
            new = {**new, "lastTransitionTime": last["lastTransitionTime"]}
    rest = without_condition(status, new["type"])
    return {**rest, "conditions": [*rest["conditions"], new]}


def without_condition(status: Status, kind: str) -> Status:
    """A status without the condition of a type."""
    conditions = [each for each in status.get("conditions") or () if each.get("type") != kind]
    return {**status, "conditions": conditions}


def _is_settled(status: Status, last: Condition | None) -> bool:
    """Whether the rollout was over and all pods are new: then progress is no longer told."""
    is_over = last is not None and last["reason"] == "NewReplicaSetAvailable"
    return is_over and status.get("replicas", 0) == status.get("updatedReplicas", 0)


def _has_moved(before: Status, after: Status) -> bool:
    """Whether more is new, or less is old, or more works than before."""

    def counts(status: Status) -> tuple[int, ...]:
        new = status.get("updatedReplicas", 0)
        outdated = status.get("replicas", 0) - new
        return new, -outdated, status.get("readyReplicas", 0), status.get("availableReplicas", 0)

    return any(now > then for now, then in zip(counts(after), counts(before), strict=True))


def _is_late(deployment: Object, last: Condition | None, now: float) -> bool:
    if last is None or last["reason"] == "NewReplicaSetAvailable":
        return False
    if last["reason"] == "ProgressDeadlineExceeded":
        return True
    patience: int = deployment["spec"]["progressDeadlineSeconds"]
    return instant(last["lastUpdateTime"]) + patience < now


def _with_failure(status: Status, replica_sets: Sequence[Object]) -> Status:
    """A status that repeats what keeps a ReplicaSet from creating pods, the new one's first."""
    failures = (condition(each.get("status"), "ReplicaFailure") for each in replica_sets)
    failure = next((each for each in failures if each is not None), None)
    status = without_condition(status, "ReplicaFailure")
    if failure is None:
        return status
    return with_condition(status, {**failure, "lastUpdateTime": failure.get("lastTransitionTime")})
