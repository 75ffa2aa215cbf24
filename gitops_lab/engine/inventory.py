"""The inventory: which objects a deployer applied, so that it can prune them when Git drops them.

Its written form is that of Flux's kustomize-controller 1.9: a list of
`{id: <namespace>_<name>_<group>_<Kind>, v: <version>}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from gitops_lab.errors import SyncError
from gitops_lab.model import Action, Change, Manifest, ObjectKey, split_api_version

Inventory = Mapping[ObjectKey, str]
"""Key → API version (without the group) of each object that was applied and not pruned since."""


def stale(inventory: Inventory, manifests: Iterable[Manifest]) -> list[ObjectKey]:
    """The objects that were applied once and are desired no more."""
    desired = {manifest.key for manifest in manifests}
    return [key for key in inventory if key not in desired]


def before(inventory: Inventory, planned: Iterable[Change]) -> Inventory:
    """The inventory before a sync writes: what it held, and what may come to be."""
    coming = {
        change.key: split_api_version(change.desired["apiVersion"])[1]
        for change in planned
        if change.desired is not None
    }
    return {**inventory, **coming}


def after(inventory: Inventory, done: Iterable[Change]) -> Inventory:
    """The inventory after a sync: what is applied, and what could not be pruned."""
    result: dict[ObjectKey, str] = {}
    for change in done:
        if change.desired is not None and change.live is not None:
            result[change.key] = split_api_version(change.desired["apiVersion"])[1]
        elif change.key in inventory and change.action is not Action.DELETED:
            result[change.key] = inventory[change.key]
    return result


def dump(inventory: Inventory) -> str:
    """The inventory as JSON text, entries sorted by id."""
    entries = [
        {"id": f"{key.namespace}_{key.name}_{key.group}_{key.kind}", "v": version}
        for key, version in inventory.items()
    ]
    return json.dumps(sorted(entries, key=lambda entry: entry["id"]))


def load(text: str) -> Inventory:
    """The inventory that `dump` wrote.

    Raises:
        SyncError: the text is not an inventory; to guess would mean to orphan or to prune.
    """
    try:
        entries = [(*entry["id"].split("_"), entry["v"]) for entry in json.loads(text)]
        return {
            ObjectKey(group, kind, namespace, name): version
            for namespace, name, group, kind, version in entries
        }
    except (ValueError, TypeError, KeyError) as error:
        raise SyncError(
            "the stored inventory cannot be read",
            fix="restore its ConfigMap, or delete it: then nothing that Git dropped is pruned",
        ) from error
