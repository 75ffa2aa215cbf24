"""What a column of a table is, and the words in which tables speak.

Source: pkg/printers/internalversion and apimachinery `util/duration` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubesim.api.scale import selector_text
from kubesim.model import Object

Cell = Callable[[Object, float], Any]
"""What a column says of an object at an instant, in seconds since the Unix epoch."""

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: its heading; `kubectl` writes it in capitals.
        cell: what it says.
        type: of the cells, as OpenAPI has it: string, integer, boolean, number or date.
        wide: whether it is shown only by `kubectl get -o wide`.
        format: `name` for the column that names the object.
        description: for those who ask what the column is.
    """

    name: str
    cell: Cell
    type: str = "string"
    wide: bool = False
    format: str = ""
    description: str = ""

    @property
    def definition(self) -> Object:
        """This column as a TableColumnDefinition (meta/v1)."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": 1 if self.wide else 0,
        }


def at(obj: Any, path: str) -> Any:
    """What an object has at a path of field names such as `spec.nodeName`; None if nothing."""
    for name in path.split("."):
        obj = obj.get(name) if isinstance(obj, Mapping) else None
    return obj


def field(name: str, path: str, absent: Any = "", *, wide: bool = False) -> Column:
    """A column that says what is at a path, and something else if nothing is there."""
    return Column(name, lambda obj, now: at(obj, path) or absent, wide=wide)


def integer(name: str, path: str, absent: int = 0) -> Column:
    """A column that says which number is at a path."""

    def cell(obj: Object, now: float) -> int:
        found = at(obj, path)
        return absent if found is None else int(found)

    return Column(name, cell, type="integer")


def boolean(name: str, path: str, *, absent: bool = False) -> Column:
    """A column that says whether something is set."""

    def cell(obj: Object, now: float) -> bool:
        found = at(obj, path)
        return absent if found is None else bool(found)

    return Column(name, cell, type="boolean")


def count(name: str, *paths: str) -> Column:
    """A column that says how many items there are at some paths."""
    return Column(name, lambda obj, now: sum(len(at(obj, path) or ()) for path in paths))


def human_duration(seconds: float) -> str:
    """A duration as `kubectl` writes it, the shorter the longer: 90s, 4m5s, 3h, 2d1h, 5y.

    Source: apimachinery `duration.HumanDuration`.
    """
    if seconds <= -2:
        return "<invalid>"
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3_600, whole // 86_400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(many: int, unit: str, few: int, smaller: str) -> str:
    return f"{many}{unit}{few}{smaller}" if few else f"{many}{unit}"


def instant(timestamp: str) -> float:
    """Seconds since the Unix epoch of a time as Kubernetes writes it."""
    return datetime.fromisoformat(timestamp).timestamp()


def since(timestamp: str | None, now: float) -> str:
    """How long ago a time is."""
    return human_duration(now - instant(timestamp)) if timestamp else UNKNOWN


def labels(found: Mapping[str, str] | None) -> str:
    """Labels as text, by key."""
    return ",".join(f"{key}={value}" for key, value in sorted((found or {}).items())) or NONE


def selector(found: Mapping[str, Any] | None) -> str:
    """A label selector as text."""
    return selector_text(dict(found or {})) or NONE


def listed(items: Sequence[str], limit: int = 3) -> str:
    """The first of some items, and how many more there are."""
    text = ",".join(items[:limit])
    return f"{text} + {len(items) - limit} more..." if len(items) > limit else text


def condition(obj: Object, type_: str) -> Mapping[str, Any]:
    """A condition of an object's status; empty if it has none of that type."""
    found: Iterable[Mapping[str, Any]] = at(obj, "status.conditions") or ()
    return next((each for each in found if each.get("type") == type_), {})


def _name(obj: Object, now: float) -> str:
    name: str = obj["metadata"]["name"]
    return name


NAME = Column("Name", _name, format="name", description="Name of the object.")
AGE = Column(
    "Age",
    lambda obj, now: since(at(obj, "metadata.creationTimestamp"), now),
    description="How long ago the object was created.",
)
CREATED_AT = Column(
    "Created At",
    lambda obj, now: at(obj, "metadata.creationTimestamp"),
    type="date",
    description="When the object was created.",
)
PLAIN = (NAME, CREATED_AT)
"""The columns of kinds that have none of their own."""


def template_columns(
    path: str = "spec.template", select: str = "spec.selector"
) -> Sequence[Column]:
    """What `-o wide` adds for kinds that make pods: containers, images and selector.

    Args:
        path: where the pods' template is.
        select: where the selector is; empty for a kind that does not show it.
    """

    def of_containers(key: str) -> Cell:
        def cell(obj: Object, now: float) -> str:
            return ",".join(each.get(key, "") for each in at(obj, f"{path}.spec.containers") or ())

        return cell

    found = [
        Column("Containers", of_containers("name"), wide=True),
        Column("Images", of_containers("image"), wide=True),
    ]
    if select:
        found.append(Column("Selector", lambda obj, now: selector(at(obj, select)), wide=True))
    return found
