"""The inventory: which objects a deployer applied, so that it can prune them when Git drops them.

Its written form is that of Flux's kustomize-controller 1.9: a list of
`{id: <namespace>_<name>_<group>_<Kind>, v: <version>}`. In an id, `__` stands for the `:` that
names of roles may have; a name that has `__` itself, which Flux would misread, is added as `name`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

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
        if change.desired is not None and not change.phase
    }
    return {**inventory, **coming}


def after(inventory: Inventory, done: Iterable[Change]) -> Inventory:
    """The inventory after a sync: what is applied, and what could not be pruned."""
    result: dict[ObjectKey, str] = {}
    for change in done:
        if change.phase:
            continue  # a hook is not kept, and so not pruned
        if change.desired is not None and change.live is not None:
            result[change.key] = split_api_version(change.desired["apiVersion"])[1]
        elif change.key in inventory and change.action is not Action.DELETED:
            result[change.key] = inventory[change.key]
    return result


def object_id(key: ObjectKey) -> str:
    """The id of an object, as Flux writes it."""
    return f"{key.namespace}_{key.name.replace(':', '__')}_{key.group}_{key.kind}"


def parse_id(text: str) -> ObjectKey:
    """The key that an id stands for.

    It is read from both ends, since names of roles may have `_` (fluxcd/cli-utils, `object`).

    Raises:
        ValueError: the text is no id.
    """
    namespace, _, rest = text.partition("_")
    rest, _, kind = rest.rpartition("_")
    name, separator, group = rest.rpartition("_")
    if not (separator and name and kind):
        raise ValueError(f"{text!r} is no id of an object")
    return ObjectKey(group, kind, namespace, name.replace("__", ":"))


def dump(inventory: Inventory) -> str:
    """The inventory as JSON text, entries sorted by id."""
    entries = []
    for key, version in inventory.items():
        entry = {"id": object_id(key), "v": version}
        if parse_id(entry["id"]) != key:
            entry["name"] = key.name
        entries.append(entry)
    return json.dumps(sorted(entries, key=lambda entry: entry["id"]))


def load(text: str) -> Inventory:
    """The inventory that `dump` wrote.

    Raises:
        SyncError: the text is not an inventory; to guess would mean to orphan or to prune.
    """
    try:
        return {_key(entry): str(entry["v"]) for entry in json.loads(text)}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SyncError(
            "the stored inventory cannot be read",
            fix="restore its ConfigMap, or delete it: then nothing that Git dropped is pruned",
        ) from error


def _key(entry: Mapping[str, str]) -> ObjectKey:
    key = parse_id(entry["id"])
    return replace(key, name=entry["name"]) if "name" in entry else key
