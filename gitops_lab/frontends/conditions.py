"""Conditions: what a controller says of one object, in the object's own status.

Source: Kubernetes, metav1.Condition, and the conventions of Flux's `pkg/runtime/conditions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_lab.model import Object, ObjectKey, copied
from gitops_lab.ports import Cluster
from kubesim.clock import timestamp

FIRST = ("Stalled", "Reconciling", "Ready")
"""The conditions that come first in a status; the others follow by name."""

MAX_MESSAGE = 32_768
"""Characters in a message."""


def find(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """A condition of an object, by its type; None if it has none of that type."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), None)


def is_true(obj: Mapping[str, Any], kind: str) -> bool:
    """Whether an object has a condition and its status is True."""
    condition = find(obj, kind)
    return condition is not None and condition["status"] == "True"


class Status:
    """The status of one object while a controller works on the object.

    Changes stay here until `save` writes them to the cluster: a person who watches the object
    sees only what was saved.

    Args:
        cluster: where the object lives.
        obj: the object, as it was read.
        manager: the field manager that writes the status.
    """

    def __init__(self, cluster: Cluster, obj: Object, manager: str) -> None:
        self._cluster, self._manager = cluster, manager
        self.key = ObjectKey.of(obj)
        self.generation: int = obj["metadata"].get("generation", 0)
        self.fields: dict[str, Any] = copied(obj.get("status") or {})
        self._saved: dict[str, Any] = copied(self.fields)

    def find(self, kind: str) -> dict[str, Any] | None:
        """A condition, by its type; None if there is none."""
        conditions: list[dict[str, Any]] = self.fields.get("conditions") or []
        return next((each for each in conditions if each["type"] == kind), None)

    def is_true(self, kind: str) -> bool:
        """Whether there is such a condition and its status is True."""
        condition = self.find(kind)
        return condition is not None and condition["status"] == "True"

    def set(self, kind: str, status: str, reason: str, message: str, now: float) -> None:
        """Set a condition. Its transition time moves if its status, reason or message does."""
        message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "..."
        reported = {"status": status, "reason": reason, "message": message}
        old = self.find(kind)
        unmoved = old is not None and all(old[name] == value for name, value in reported.items())
        condition = {
            "type": kind,
            **reported,
            "lastTransitionTime": old["lastTransitionTime"] if old and unmoved else timestamp(now),
            "observedGeneration": self.generation,
        }
        others = [each for each in self.fields.get("conditions") or () if each["type"] != kind]
        self.fields["conditions"] = sorted([*others, condition], key=_order)

    def remove(self, *kinds: str) -> None:
        """Remove conditions; those that are not there are no error."""
        if conditions := self.fields.get("conditions"):
            self.fields["conditions"] = [each for each in conditions if each["type"] not in kinds]

    def save(self) -> None:
        """Write what changed since the last save to the object's status.

        Raises:
            ApiError, ClusterUnreachable: the API server refuses, or does not answer.
        """
        names = self.fields.keys() | self._saved.keys()
        patch = {
            name: self.fields.get(name)
            for name in sorted(names)
            if self.fields.get(name) != self._saved.get(name)
        }
        if patch:
            self._cluster.patch(
                self.key, {"status": patch}, manager=self._manager, subresource="status"
            )
            self._saved = copied(self.fields)


def _order(condition: Mapping[str, Any]) -> tuple[int, str]:
    kind: str = condition["type"]
    return (FIRST.index(kind) if kind in FIRST else len(FIRST), kind)
