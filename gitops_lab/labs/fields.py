"""Places in an object, such as `spec.template.spec.containers[web].image`, and who owns them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from gitops_lab.errors import UsageError
from gitops_lab.model import Object

ABSENT = "(not there)"
"""What is observed of a field that an object does not have."""

_PART = re.compile(r"([^.\[\]]+)|\[([^\[\]]+)\]")


def parts(path: str) -> Iterator[tuple[str, bool]]:
    """The parts of a path, each with whether it names an element of a list.

    A part in brackets is a key, a number, or the name of a list's element.

    Raises:
        UsageError: the path cannot be read.
    """
    position = 0
    while position < len(path):
        match = _PART.match(path, position)
        if match is None:
            raise UsageError(f"{path!r} is no path", fix="write it like spec.replicas")
        yield match[1] or match[2], match[2] is not None
        position = match.end() + (path[match.end() : match.end() + 1] == ".")


def value(obj: Object | None, path: str) -> Any:
    """The value at a path of an object; `ABSENT` if there is none."""
    found: Any = obj
    for part, _ in parts(path):
        if isinstance(found, list):
            found = next(
                (e for i, e in enumerate(found) if part == str(i) or _name(e) == part), None
            )
        elif isinstance(found, dict):
            found = found.get(part)
        if found is None:
            return ABSENT
    return found


def managers(obj: Object | None, path: str) -> list[str]:
    """The field managers that own a field, sorted.

    Source: Kubernetes, metadata.managedFields in the format FieldsV1.
    """
    found = set()
    for entry in (obj or {}).get("metadata", {}).get("managedFields") or ():
        owned: Any = entry.get("fieldsV1") or {}
        for part, is_element in parts(path):
            owned = _below(owned, part, is_element)
            if owned is None:
                break
        if owned is not None and entry.get("subresource") != "status":
            found.add(str(entry.get("manager")))
    return sorted(found)


def _below(owned: Any, part: str, is_element: bool) -> Any:
    if f"f:{part}" in owned:
        return owned[f"f:{part}"]
    if is_element:
        for name, below in owned.items():
            if name.startswith("k:") and part in map(str, json.loads(name[2:]).values()):
                return below
    return None


def _name(element: Any) -> Any:
    return element.get("name") if isinstance(element, dict) else element
