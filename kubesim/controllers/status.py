"""Status: what a controller reports of an object, and the conditions in it.

Source: Kubernetes API conventions, "Spec and Status" and "Typical status properties".
"""

from __future__ import annotations

from typing import Any

from kubesim.api import Api, Options
from kubesim.clock import timestamp
from kubesim.controllers.loop import MANAGER
from kubesim.model import Object
from kubesim.resources import Resource

Condition = dict[str, Any]


def write_status(
    api: Api, resource: Resource, obj: Object, status: dict[str, Any], *, manager: str = MANAGER
) -> Object:
    """Write an object's status if it differs from what stands there.

    Args:
        obj: the object as the controller read it; its resourceVersion guards the write.
        status: the whole new status.
        manager: the field manager to write under.

    Returns:
        The object as it now is.

    Raises:
        ApiError: 409 if the object was changed since it was read, 404 if it is gone.
    """
    if status == obj.get("status", {}):
        return obj
    return api.update(
        resource,
        obj["metadata"]["name"],
        {**obj, "status": status},
        namespace=obj["metadata"].get("namespace", ""),
        subresource="status",
        options=Options(field_manager=manager),
    )


def counters(**counts: int | None) -> dict[str, int]:
    """The counts that Kubernetes writes down: those that are not zero (Go's `omitempty`)."""
    return {name: count for name, count in counts.items() if count}


def condition(status: dict[str, Any] | None, kind: str) -> Condition | None:
    """The condition of a type in a status, if it is there."""
    for each in (status or {}).get("conditions") or ():
        if each.get("type") == kind:
            found: Condition = each
            return found
    return None


def since(known: Condition | None, now: float) -> str:
    """From when a condition has its status; from now on if it is new or does not say."""
    at: str = (known or {}).get("lastTransitionTime") or timestamp(now)
    return at


def is_true(status: dict[str, Any] | None, kind: str) -> bool:
    """Whether a status has a condition of this type that holds."""
    found = condition(status, kind)
    return found is not None and found.get("status") == "True"
