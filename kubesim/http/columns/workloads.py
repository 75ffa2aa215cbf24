"""The columns of what makes pods, and of what goes with it.

Source: pkg/printers/internalversion (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubesim.http.columns.column import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Column,
    at,
    condition,
    field,
    human_duration,
    instant,
    integer,
    labels,
    since,
    template_columns,
)
from kubesim.model import Object


def _ready(obj: Object, now: float) -> str:
    return f"{at(obj, 'status.readyReplicas') or 0}/{at(obj, 'spec.replicas') or 0}"


REPLICAS = (
    NAME,
    integer("Desired", "spec.replicas"),
    integer("Current", "status.replicas"),
    integer("Ready", "status.readyReplicas"),
    AGE,
    *template_columns(),
)
"""ReplicaSets and ReplicationControllers."""

DEPLOYMENTS = (
    NAME,
    Column("Ready", _ready),
    field("Up-to-date", "status.updatedReplicas", 0),
    field("Available", "status.availableReplicas", 0),
    AGE,
    *template_columns(),
)

STATEFUL_SETS = (NAME, Column("Ready", _ready), AGE, *template_columns(select=""))

DAEMON_SETS = (
    NAME,
    integer("Desired", "status.desiredNumberScheduled"),
    integer("Current", "status.currentNumberScheduled"),
    integer("Ready", "status.numberReady"),
    integer("Up-to-date", "status.updatedNumberScheduled"),
    integer("Available", "status.numberAvailable"),
    Column("Node Selector", lambda obj, now: labels(at(obj, "spec.template.spec.nodeSelector"))),
    AGE,
    *template_columns(),
)


def _controller(obj: Object, now: float) -> str:
    for owner in at(obj, "metadata.ownerReferences") or ():
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            kind = owner["kind"].lower()
            return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
    return NONE


CONTROLLER_REVISIONS = (
    NAME,
    Column("Controller", _controller),
    field("Revision", "revision", 0),
    AGE,
)


def _job_status(job: Object, now: float) -> str:
    def has(type_: str) -> bool:
        return condition(job, type_).get("status") == "True"

    for type_ in ("Complete", "Failed"):
        if has(type_):
            return type_
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    return next((type_ for type_ in ("Suspended", "FailureTarget") if has(type_)), "Running")


def _completions(job: Object, now: float) -> str:
    done, wanted = at(job, "status.succeeded") or 0, at(job, "spec.completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = at(job, "spec.parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(job: Object, now: float) -> str:
    start, end = at(job, "status.startTime"), at(job, "status.completionTime")
    if not start:
        return ""
    return human_duration((instant(end) if end else now) - instant(start))


JOBS = (
    NAME,
    Column("Status", _job_status),
    Column("Completions", _completions),
    Column("Duration", _job_duration),
    AGE,
    *template_columns(),
)


def _last_schedule(obj: Object, now: float) -> str:
    last = at(obj, "status.lastScheduleTime")
    return since(last, now) if last else NONE


CRON_JOBS = (
    NAME,
    field("Schedule", "spec.schedule"),
    field("Timezone", "spec.timeZone", NONE),
    Column(
        "Suspend",
        lambda obj, now: {True: "True", False: "False"}.get(at(obj, "spec.suspend"), UNSET),
        type="boolean",
    ),
    Column("Active", lambda obj, now: len(at(obj, "status.active") or ()), type="integer"),
    Column("Last Schedule", _last_schedule),
    AGE,
    *template_columns("spec.jobTemplate.spec.template", "spec.jobTemplate.spec.selector"),
)

POD_TEMPLATES = (
    NAME,
    *(Column(each.name, each.cell) for each in template_columns("template", select="")),
    Column("Pod Labels", lambda obj, now: labels(at(obj, "template.metadata.labels"))),
)

POD_DISRUPTION_BUDGETS = (
    NAME,
    Column("Min Available", lambda obj, now: _or_not(at(obj, "spec.minAvailable"))),
    Column("Max Unavailable", lambda obj, now: _or_not(at(obj, "spec.maxUnavailable"))),
    integer("Allowed Disruptions", "status.disruptionsAllowed"),
    AGE,
)


def _or_not(value: int | str | None) -> str:
    return "N/A" if value is None else str(value)


def _metrics(obj: Object, now: float) -> str:
    """What an autoscaler watches, and what that should be: cpu: 20%/80%."""
    if obj["apiVersion"] == "autoscaling/v1":  # the older version knows nothing but the CPU
        wanted = at(obj, "spec.targetCPUUtilizationPercentage")
        current = at(obj, "status.currentCPUUtilizationPercentage")
        return f"cpu: {_percent(current)}/{_percent(wanted)}" if wanted else NONE
    current = at(obj, "status.currentMetrics") or ()
    texts = [
        _metric(each, current[index] if index < len(current) else {})
        for index, each in enumerate(at(obj, "spec.metrics") or ())
    ]
    more = f" + {len(texts) - 2} more..." if len(texts) > 2 else ""
    return (", ".join(texts[:2]) + more) or NONE


def _metric(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    type_ = spec["type"]
    key = type_[:1].lower() + type_[1:]
    wanted, current = at(spec, f"{key}.target") or {}, at(status, f"{key}.current") or {}
    average = wanted.get("averageValue")
    if type_ in ("Resource", "ContainerResource"):
        name = spec[key]["name"]
        if average is not None:
            return f"{name}: {current.get('averageValue', UNKNOWN)}/{average}"
        utilization = _percent(current.get("averageUtilization"))
        return f"{name}: {utilization}/{_percent(wanted.get('averageUtilization'), '<auto>')}"
    if average is None:
        return f"{current.get('value', UNKNOWN)}/{wanted.get('value')}"
    note = "" if type_ == "Pods" else " (avg)"
    return f"{current.get('averageValue', UNKNOWN)}/{average}{note}"


def _percent(value: int | None, absent: str = UNKNOWN) -> str:
    return absent if value is None else f"{value}%"


def _reference(obj: Object, now: float) -> str:
    reference = obj["spec"]["scaleTargetRef"]
    return f"{reference['kind']}/{reference['name']}"


AUTOSCALERS = (
    NAME,
    Column("Reference", _reference),
    Column("Targets", _metrics),
    Column("MinPods", lambda obj, now: str(at(obj, "spec.minReplicas") or UNSET)),
    field("MaxPods", "spec.maxReplicas", 0),
    field("Replicas", "status.currentReplicas", 0),
    AGE,
)

SCALES = (
    NAME,
    integer("Desired", "spec.replicas"),
    integer("Available", "status.replicas"),
    AGE,
)

RESOURCE_CLAIMS = (
    NAME,
    Column("State", lambda obj, now: _claim_state(obj)),
    AGE,
)


def _claim_state(claim: Object) -> str:
    words = [
        word
        for word, holds in (
            ("deleted", "deletionTimestamp" in claim["metadata"]),
            ("allocated", at(claim, "status.allocation")),
            ("reserved", at(claim, "status.reservedFor")),
        )
        if holds
    ]
    return ",".join(words if "allocated" in words else [*words, "pending"])
