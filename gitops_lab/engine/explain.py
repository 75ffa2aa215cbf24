"""Why one object is as it is: what Git declares, what is live, who wrote it, what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gitops_lab.engine.desired import owner_of
from gitops_lab.engine.fields import extra_fields, step_into
from gitops_lab.engine.plan import Difference, differences
from gitops_lab.model import Manifest, Object

SHOWN = 10
"""Fields that an explanation names; it counts the others."""


def explained(
    manifest: Manifest | None, desired: Object | None, live: Object | None, merged: Object | None,
    *, manager: str,
) -> Iterator[str]:  # fmt: skip
    """An object's state, a line for each fact.

    Args:
        manifest: the object in Git, and the file; None if Git does not have it.
        desired: the object as the deployer sends it.
        live: the live object.
        merged: what a dry run would make of the live object; None if it is refused.
        manager: the deployer's field manager.
    """
    yield f"in Git: {manifest.origin}" if manifest else "in Git: no file declares it"
    if live is None:
        yield "live: it does not exist"
        return
    yield f"owner: {owner_of(live) or 'no deployer has put its label on it'}"
    if desired is None or merged is None:
        return
    found = list(differences(live, merged))
    for difference in found[:SHOWN]:
        yield _field(difference, live)
    for extra in extra_fields(live, desired, manager)[:SHOWN]:
        yield f"{extra.path}: live, written by {extra.manager}; Git does not declare it"
    if len(found) > SHOWN:
        yield f"and {len(found) - SHOWN} more fields that differ"
    if not found:
        yield "every field that Git declares is live as declared"


def _field(difference: Difference, live: Object) -> str:
    writer = manager_of(live, difference.path)
    by = f", written by {writer}" if writer else ""
    now, wanted = (_shown(value) for value in difference[1:])
    return f"{difference.path}: live is {now}{by}; Git declares {wanted}"


def _shown(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def manager_of(live: Object, path: str) -> str:
    """The field managers that own a field, by its path such as `spec.replicas`; empty if none."""
    found = [
        str(entry.get("manager"))
        for entry in live["metadata"].get("managedFields") or ()
        if path in set(_paths(entry.get("fieldsV1") or {}, live, ""))
    ]
    return " and ".join(dict.fromkeys(found))


def _paths(fields: Mapping[str, Any], live: Any, path: str) -> Iterator[str]:
    for element, below in fields.items():
        if element == ".":
            continue
        here, name = step_into(live, element)
        shown = f"{path}{name}" if name.startswith("[") else f"{path}.{name}".lstrip(".")
        yield shown
        yield from _paths(below, here, shown)
