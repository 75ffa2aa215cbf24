"""What must hold for the statuses that controllers write: numbers that can be.

Source: `ValidateDeploymentStatus` and its kin in pkg/apis/apps/validation and
pkg/apis/core/validation (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Callable

from kubesim.admission.validation.field import Errors, at_least, invalid
from kubesim.model import Object

_MORE = "cannot be greater than status.replicas"


def _counts(*fields: str) -> Callable[[Object, Object | None], Errors]:
    """The rule for a status: no number is negative, and no part is larger than the whole.

    Args:
        fields: the numbers; those that are parts of `replicas` end in `<`.
    """

    def rule(obj: Object, _: Object | None) -> Errors:
        status = obj.get("status") or {}
        for field in fields:
            name = field.rstrip("<")
            yield from at_least(f"status.{name}", status.get(name))
        replicas = status.get("replicas", 0)
        for field in fields:
            name = field.rstrip("<")
            if field.endswith("<") and status.get(name, 0) > replicas:
                yield invalid(f"status.{name}", status.get(name, 0), _MORE)
        available = status.get("availableReplicas", 0)
        if "replicas" in fields and available > status.get("readyReplicas", 0):
            detail = "cannot be greater than readyReplicas"
            yield invalid("status.availableReplicas", available, detail)

    return rule


deployment = _counts(
    "observedGeneration",
    "replicas",
    "updatedReplicas<",
    "readyReplicas<",
    "availableReplicas<",
    "unavailableReplicas",
)
replica_set = _counts(
    "replicas",
    "fullyLabeledReplicas<",
    "readyReplicas<",
    "availableReplicas<",
    "observedGeneration",
)
stateful_set = _counts(
    "replicas",
    "readyReplicas<",
    "currentReplicas<",
    "updatedReplicas<",
    "availableReplicas<",
    "observedGeneration",
    "collisionCount",
)
daemon_set = _counts(
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)
