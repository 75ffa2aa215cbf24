"""Who controls whom: owner references, label selectors, adopting and releasing dependents.

Source: Kubernetes API concepts "Owners and dependents"; pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.index import Index, orphan
from kubesim.controllers.loop import MANAGER, Item
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.selectors import label_selector
from kubesim.store import Event


def owner_reference(owner: Object) -> dict[str, Any]:
    """The reference by which a controlling owner is named in its dependents' metadata."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Object) -> dict[str, Any] | None:
    """The owner reference of the one owner that controls an object, if there is one."""
    references: list[dict[str, Any]] = obj["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def is_being_deleted(obj: Object) -> bool:
    """Whether deletion of the object was asked for and is not over yet."""
    return "deletionTimestamp" in obj["metadata"]


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector (meta/v1) matches labels; None matches nothing, an empty one all."""
    return label_selector(selector)(labels)


def controllers_of(event: Event, kind: str, owners: Resource, api: Api) -> list[Item]:
    """Owners of one kind whose reconcile a change of a dependent calls for.

    They are the owner that controls it, the one that did so before the change, and, if no one
    controls it, every owner whose selector matches it and that may therefore adopt it.
    """
    obj = event.object
    namespace = obj["metadata"].get("namespace", "")
    items: list[Item] = []
    reference = controller_of(obj)
    if reference is not None:
        if reference["kind"] == kind:
            items.append((namespace, reference["name"]))
    elif event.type != "DELETED":
        labels = obj["metadata"].get("labels") or {}
        items += [
            (namespace, owner["metadata"]["name"])
            for owner in api.store.list(owners.group, owners.plural, namespace)
            if selects(owner["spec"].get("selector"), labels)
        ]
    before = controller_of(event.old) if event.old is not None else None
    if before is not None and before != reference and before["kind"] == kind:
        items.append((namespace, before["name"]))
    return items


def claim(
    api: Api,
    owner: Object,
    dependents: Resource,
    index: Index,
    *,
    fits: Callable[[Object], bool] = lambda _: True,
) -> list[Object]:
    """An owner's dependents, after adopting orphans it selects and releasing what it does not.

    Args:
        owner: an object whose `spec.selector` says what it controls.
        dependents: the resource that is claimed.
        index: that resource's objects by controller (`Indexes.by_controller`).
        fits: what an orphan must satisfy besides the selector to be adopted.

    Returns:
        The dependents that the owner now controls, oldest first.
    """
    metadata, fits_selector = owner["metadata"], label_selector(owner["spec"].get("selector"))
    claimed = []
    for dependent in index.get(metadata["uid"]):
        if fits_selector(dependent["metadata"].get("labels") or {}):
            claimed.append(dependent)
        elif not is_being_deleted(owner):
            _refer(api, dependents, dependent, drop=metadata["uid"])
    orphans = index.get(orphan(metadata["namespace"]))
    if is_being_deleted(owner):
        return claimed
    for dependent in orphans:
        labels = dependent["metadata"].get("labels") or {}
        if is_being_deleted(dependent) or not fits_selector(labels) or not fits(dependent):
            continue
        adopted = _refer(api, dependents, dependent, add=owner_reference(owner))
        if adopted is not None:
            claimed.append(adopted)
    return claimed


def _refer(
    api: Api,
    resource: Resource,
    obj: Object,
    *,
    add: dict[str, Any] | None = None,
    drop: str = "",
) -> Object | None:
    metadata = obj["metadata"]
    references = [each for each in metadata.get("ownerReferences") or () if each["uid"] != drop]
    patch = {
        "metadata": {
            "uid": metadata["uid"],
            "ownerReferences": [*references, *([add] if add else [])] or None,
        }
    }
    try:
        return api.patch(
            resource,
            metadata["name"],
            patch,
            type="merge",
            namespace=metadata["namespace"],
            options=Options(field_manager=MANAGER),
        )
    except ApiError as error:
        if error.code in (404, 409, 422):  # gone, or another object by now
            return None
        raise
