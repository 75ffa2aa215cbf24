"""Health: does a live object work? What Git says of it does not count.

A pure function of one object. The rules are those of kstatus (see `kstatus.py`), which Flux uses;
the words are Argo CD's, since they are the ones that people see. Where kstatus calls an object
Current that does nothing, or has failed, we say so. Argo CD's rules are in `argo_health.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gitops_lab.engine.inventory import Inventory
from gitops_lab.engine.kstatus import Status, conditions_of, is_true, kstatus, text_of
from gitops_lab.model import Health, HealthStatus, Object, ObjectKey, split_api_version
from gitops_lab.ports import Cluster

HEALTHY = Health(HealthStatus.HEALTHY)

WORDS = {
    Status.CURRENT: HealthStatus.HEALTHY,
    Status.IN_PROGRESS: HealthStatus.PROGRESSING,
    Status.FAILED: HealthStatus.DEGRADED,
    Status.TERMINATING: HealthStatus.PROGRESSING,
    Status.NOT_FOUND: HealthStatus.MISSING,
    Status.UNKNOWN: HealthStatus.UNKNOWN,
}

Rules = Callable[[Object | None], Health]
"""A set of rules: from a live object to its health."""


def assess(obj: Object | None) -> Health:
    """The health of one live object; an object that does not exist is Missing."""
    status, message = kstatus(obj)
    if obj is not None and status in (Status.CURRENT, Status.IN_PROGRESS):
        group, _ = split_api_version(obj["apiVersion"])
        own = OWN.get((group, obj["kind"]))
        if own is not None and (health := own(obj)) is not None:
            return health
    return HEALTHY if status is Status.CURRENT else Health(WORDS[status], message)


def overall(objects: Iterable[tuple[ObjectKey, Object | None]], rules: Rules = assess) -> Health:
    """The health of a whole: its worst object's, in Argo CD's order (3.5), and which that is."""
    healths = ((key, rules(obj)) for key, obj in objects)
    key, worst = max(healths, key=lambda pair: SEVERITY[pair[1].status], default=(None, HEALTHY))
    return worst if worst.is_healthy else Health(worst.status, f"{key}: {worst.message}")


def survey(cluster: Cluster, inventory: Inventory) -> Health:
    """The health of all that a deployer answers for, read from the cluster now."""
    return overall((key, cluster.get(key, version=v)) for key, v in inventory.items())


SEVERITY = {status: position for position, status in enumerate(HealthStatus)}


def _pod(obj: Object) -> Health | None:
    status = obj.get("status") or {}
    if status.get("phase") != "Failed":
        return None
    return Health(HealthStatus.DEGRADED, str(status.get("message") or "the pod failed"))


def _replica_set(obj: Object) -> Health | None:
    conditions = conditions_of(obj.get("status") or {})
    if not is_true(conditions, "ReplicaFailure"):
        return None
    return Health(HealthStatus.DEGRADED, text_of(conditions["ReplicaFailure"]))


def _suspended(obj: Object) -> Health | None:
    is_suspended = (obj.get("spec") or {}).get("suspend")
    return Health(HealthStatus.SUSPENDED, "suspended") if is_suspended else None


OWN: dict[tuple[str, str], Callable[[Object], Health | None]] = {
    ("", "Pod"): _pod,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "CronJob"): _suspended,
    ("batch", "Job"): _suspended,
}
"""Where we say more than kstatus does."""
