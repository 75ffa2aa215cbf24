"""Server-side apply, and the record of who owns which field.

Every object carries `metadata.managedFields`: an entry for each manager, with the set of fields
that the manager stated (operation Apply) or wrote (operation Update). From those sets follows all
that server-side apply does: a field that another manager owns with another value is a conflict; a
field that a configuration no longer states, and no other manager owns, is removed.

`apply` merges a configuration; `track` keeps the record for creates, updates and the other patches.
Neither changes what it is handed.

Source: Kubernetes 1.37, documentation "Server-Side Apply", and structured-merge-diff v6. One
difference: a kind's API versions are taken to have the same fields, as nothing here converts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubesim import fieldsets, refusals
from kubesim.errors import ApiError
from kubesim.fieldsets import Fields
from kubesim.model import Object, split_api_version
from kubesim.schema import Node

Entry = Mapping[str, Any]
"""One manager's record, as in `metadata.managedFields`."""

_Identity = tuple[str, str, str, str]

MAX_UPDATE_MANAGERS = 10
"""How many entries of operation Update an object keeps; older ones become `ancient-changes`."""

# Fields that the server alone writes. No manager owns them, and an apply does not set them.
_SERVER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
# Fields that say which object this is. No manager owns them either.
_IDENTITY: Fields = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        "f:name": {},
        "f:namespace": {},
        **{f"f:{name}": {} for name in _SERVER_METADATA},
    },
}


def apply(
    live: Object | None,
    config: Object,
    *,
    node: Node,
    manager: str,
    force: bool,
    now: str,
    subresource: str = "",
    status_apart: bool = True,
    yielded: Fields | None = None,
    api_version: str = "",
) -> Object:
    """The live object with an apply configuration merged in.

    The configuration is taken as the client sent it, before any defaults: its manager owns what it
    states and nothing more.

    Args:
        live: the object as it is; None to create it.
        config: the apply configuration, a partial object.
        node: the kind's type.
        manager: the field manager.
        force: take over fields that others own with other values.
        now: RFC 3339 timestamp for the manager's entry.
        subresource: such as `status`; empty for the object itself.
        status_apart: whether the kind has a status subresource, so that only it can write status.
        api_version: in which the configuration was sent; by default the one that it is in.
        yielded: fields that their managers give up without a conflict.

    Returns:
        The merged object, or `live` itself if the apply changes nothing.

    Raises:
        ApiError: 409 Conflict with a cause for each field in conflict; 400 if the configuration
            sets managedFields; 500, as the real server has it, if it does not fit the kind's type.
    """
    if (config.get("metadata") or {}).get("managedFields") is not None:
        raise refusals.bad_request("metadata.managedFields must be nil")
    api_version = api_version or str(config["apiVersion"])
    config = _within_reach(config, subresource, status_apart)
    stated = _stated(config, node)
    fields = fieldsets.difference(stated, _IDENTITY)
    mine = (manager, "Apply", "", subresource)

    if live is None:
        return _with_entries(config, [_entry(mine, api_version, now, fields)] if fields else [])

    entries = _entries(live)
    if not entries:
        entries = _before_first_apply(live, node, api_version, now, subresource, status_apart)
    last = next((entry for entry in entries if _identity(entry) == mine), None)
    others = [entry for entry in entries if entry is not last]

    try:
        merged: Object = fieldsets.merge(live, config, node)
    except ValueError as error:  # an item of a live list lost its key
        raise ApiError(500, "", f"failed to create typed live object: {error}") from error
    dropped = fieldsets.difference(last["fieldsV1"], fields) if last else {}
    if dropped:
        kept = stated
        for entry in others:
            kept = fieldsets.union(kept, entry["fieldsV1"])
        merged = fieldsets.prune(merged, dropped, kept, node)

    is_stated_again = (
        last is not None and last["fieldsV1"] == fields and last["apiVersion"] == api_version
    )
    if merged is live and is_stated_again:
        return live
    if merged is not live:
        written, removed = fieldsets.changes(live, merged, node)
        if not force:
            _check_conflicts(others, fieldsets.difference(written, yielded or {}))
        others = _taken_from(others, fieldsets.union(written, removed))
    if fields:
        others = [*others, _entry(mine, api_version, now, fields)]
    return _with_entries(merged, others)


def check_typed(config: Object, node: Node) -> None:
    """An apply configuration has no field that the version it was sent in does not have.

    Raises:
        ApiError: 500, as the real server has it.
    """
    _stated(config, node)


def track(
    old: Object | None,
    new: Object,
    *,
    node: Node,
    manager: str,
    now: str,
    operation: str = "Update",
    subresource: str = "",
    api_version: str = "",
    status_apart: bool = True,
) -> Object:
    """The new object with its managedFields brought up to date after a create, update or patch.

    What the manager wrote is owned by it alone; a removed field has no owner. An
    object whose managedFields a client cleared stays without until the first apply.

    Args:
        old: the object as it was; None if it is being created.
        new: the object as it will be stored.
        node: the kind's type.
        manager: the field manager.
        now: RFC 3339 timestamp for the manager's entry, if it wrote anything.
        operation: the entry's operation.
        subresource: such as `status`; empty for the object itself.
        api_version: the API version of the request; by default the new object's.
        status_apart: whether the kind has a status subresource.

    Returns:
        `new`, itself if its managedFields are right already.
    """
    given = (new.get("metadata") or {}).get("managedFields")
    entries = _entries(old) if old else []
    if not subresource:
        if given in ([], [{}]):
            entries = []
        elif given and _is_sound(given):
            entries = given
    if old is not None and not entries:
        return _with_entries(new, [])

    try:
        written, removed = fieldsets.changes(old or {}, new, node)
    except ValueError:  # a list has items without keys: the write counts more than the record
        return _with_entries(new, entries)
    written = _within_reach_of(written, subresource, status_apart)
    removed = _within_reach_of(removed, subresource, status_apart)
    mine = (manager, operation, api_version or new["apiVersion"], subresource)
    own = fieldsets.difference(written, _IDENTITY)
    lost = fieldsets.union(written, removed) if removed else written
    result = []
    for entry in entries:
        if own and _identity(entry) == mine:
            fields = fieldsets.difference(entry["fieldsV1"], removed)
            own = fieldsets.union(fields, own)
        else:
            result.extend(_taken_from([entry], lost))
    if own:
        result.append(_entry(mine, mine[2], now, own))
    if len(result) > MAX_UPDATE_MANAGERS:
        result = _without_ancient(result)
    return _with_entries(new, result)


def settle(old: Object, new: Object) -> Object:
    """The new object; or the old one itself, if they differ in the times of managedFields at most.

    An apply can differ from the live object only until its result has been defaulted: a value that
    is atomic, such as a `fieldRef`, is replaced as a whole by one without its defaults. So that
    such an apply is no write, the real server too forgets new times that mark no change
    (apiserver `pkg/endpoints/handlers/fieldmanager`, IgnoreManagedFieldsTimestampsTransformer).

    Args:
        old: the stored object.
        new: what would be stored, defaults and all.
    """
    same = _without_entries(new) == _without_entries(old) and _timeless(new) == _timeless(old)
    return old if same else new


# -- What a request may write ----------------------------------------------------------------------


def _stated(config: Object, node: Node) -> Fields:
    """The set of fields in a configuration, identity included."""
    faults: list[str] = []
    stated = fieldsets.fields_of(config, node, faults)
    if faults:
        metadata = config.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        group, version = split_api_version(config["apiVersion"])
        gvk = f"{group}/{version}" if group else f"/{version}"
        name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        lines = faults[0] if len(faults) == 1 else "\n  ".join(["errors:", *faults])
        message = f"failed to create typed patch object ({name}; {gvk}, Kind={config['kind']}): "
        raise ApiError(500, "", message + lines)
    return stated


def _within_reach(config: Object, subresource: str, status_apart: bool) -> Object:
    """A configuration without the parts that its request cannot write.

    The object itself takes no status, its status takes nothing else, and what the server writes
    about an object stays as it is.
    """
    metadata = config.get("metadata") or {}
    if subresource == "status":
        names = ("name", "namespace")
        kept = {name: value for name, value in metadata.items() if name in names}
        top = ("apiVersion", "kind", "status")
        return {
            **{name: value for name, value in config.items() if name in top},
            "metadata": kept,
        }
    if status_apart and "status" in config:
        config = {name: value for name, value in config.items() if name != "status"}
    if any(name in metadata for name in _SERVER_METADATA):
        kept = {name: value for name, value in metadata.items() if name not in _SERVER_METADATA}
        config = {**config, "metadata": kept}
    return config


def _within_reach_of(fields: Fields, subresource: str, status_apart: bool) -> Fields:
    """The changes that a request can have made itself; see `_within_reach`."""
    if subresource == "status":
        # metadata too: Deployments' controller annotates the revision in a status write
        return {each: fields[each] for each in ("f:metadata", "f:status") if each in fields}
    if status_apart and "f:status" in fields:
        return {element: below for element, below in fields.items() if element != "f:status"}
    return fields


def _before_first_apply(
    live: Object, node: Node, api_version: str, now: str, subresource: str, status_apart: bool
) -> list[Entry]:
    """What an object without managedFields has when it is first applied to."""
    written, _ = fieldsets.changes({}, live, node)
    written = _within_reach_of(written, subresource, status_apart)
    fields = fieldsets.difference(written, _IDENTITY)
    identity = ("before-first-apply", "Update", api_version, subresource)
    return [_entry(identity, api_version, now, fields)] if fields else []


# -- Entries ---------------------------------------------------------------------------------------


def _entries(obj: Object) -> list[Entry]:
    return obj["metadata"].get("managedFields") or []


def _identity(entry: Entry) -> _Identity:
    """What makes two entries the same manager's. An applier is the same in every version."""
    operation = entry["operation"]
    version = "" if operation == "Apply" else entry["apiVersion"]
    return entry.get("manager", ""), operation, version, entry.get("subresource", "")


def _entry(identity: _Identity, api_version: str, now: str, fields: Fields) -> Entry:
    manager, operation, _, subresource = identity
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return {**entry, "subresource": subresource} if subresource else entry


def _is_sound(entries: Iterable[Entry]) -> bool:
    """Whether managedFields that a client sent can be read; if not, the live ones hold."""
    return all(
        isinstance(entry, dict)
        and entry.get("operation") in ("Apply", "Update")
        and entry.get("apiVersion")
        and entry.get("fieldsType") == "FieldsV1"
        and _is_set(entry.get("fieldsV1"))
        for entry in entries
    )


def _is_set(fields: Any) -> bool:
    """Whether a value is a set of fields (structured-merge-diff `fieldpath/serialize.go`)."""
    return isinstance(fields, dict) and all(
        (key == "." or key[:2] in ("f:", "k:", "v:", "i:")) and _is_set(inner)
        for key, inner in fields.items()
    )


def _taken_from(entries: Iterable[Entry], lost: Fields) -> list[Entry]:
    """The entries without fields that another manager took; those left with none disappear."""
    result = []
    for entry in entries:
        fields = fieldsets.difference(entry["fieldsV1"], lost)
        if fields:
            same = fields is entry["fieldsV1"]
            result.append(entry if same else {**entry, "fieldsV1": fields})
    return result


def _without_entries(obj: Object) -> Object:
    metadata = {**obj["metadata"], "managedFields": None}
    return {**obj, "metadata": metadata}


def _timeless(obj: Object) -> list[Entry]:
    """An object's entries, but not when they were made."""
    return [{**entry, "time": ""} for entry in obj["metadata"].get("managedFields") or ()]


def _order(entry: Entry) -> tuple[str, str, str, str, str]:
    return (
        entry["operation"],
        entry.get("time", ""),
        entry.get("manager", ""),
        entry["apiVersion"],
        entry.get("subresource", ""),
    )


def _with_entries(obj: Object, entries: list[Entry]) -> Object:
    """The object with these entries, in the server's order; itself if it has them already."""
    metadata = obj.get("metadata") or {}
    entries = sorted(entries, key=_order)
    if entries:
        if metadata.get("managedFields") == entries:
            return obj
        return {**obj, "metadata": {**metadata, "managedFields": entries}}
    if "managedFields" not in metadata:
        return obj
    rest = {name: value for name, value in metadata.items() if name != "managedFields"}
    return {**obj, "metadata": rest}


def _without_ancient(entries: list[Entry]) -> list[Entry]:
    """At most ten Update entries: the oldest of each API version melt into `ancient-changes`."""
    updates = {_identity(entry): entry for entry in entries if entry["operation"] == "Update"}
    oldest = sorted(updates, key=lambda identity: (updates[identity].get("time", ""), identity))
    first_of: dict[str, _Identity] = {}
    for identity in oldest:
        if len(updates) <= MAX_UPDATE_MANAGERS:
            break
        entry, version = updates[identity], identity[2]
        bucket = ("ancient-changes", "Update", version, "")
        first = first_of.setdefault(version, identity)
        if identity in (first, bucket):
            continue
        into = updates[bucket] if bucket in updates else updates.pop(first)
        fields = fieldsets.union(entry["fieldsV1"], into["fieldsV1"])
        updates[bucket] = _entry(bucket, version, entry.get("time", ""), fields)
        del updates[identity]
    applies = [entry for entry in entries if entry["operation"] != "Update"]
    return [*applies, *updates.values()]


# -- Conflicts -------------------------------------------------------------------------------------


def _check_conflicts(others: Iterable[Entry], written: Fields) -> None:
    """Refuse to write what others own.

    Raises:
        ApiError: 409, naming every field and its manager.
    """
    conflicts = []
    for entry in sorted(others, key=_identity):
        contested = fieldsets.intersection(entry["fieldsV1"], written)
        if contested:
            conflicts.append((_named(entry), list(fieldsets.paths(contested))))
    if not conflicts:
        return
    count = sum(len(paths) for _, paths in conflicts)
    if count == 1:
        [(owner, [path])] = conflicts
        message = f"Apply failed with 1 conflict: conflict with {owner}: {path}"
    else:
        lines = [
            line
            for owner, paths in conflicts
            for line in (f"conflicts with {owner}:", *(f"- {path}" for path in paths))
        ]
        message = f"Apply failed with {count} conflicts: " + "\n".join(lines)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": path}
        for owner, paths in conflicts
        for path in paths
    ]
    raise ApiError(409, "Conflict", message, causes=causes)


def _named(entry: Entry) -> str:
    """A manager as conflict messages name it."""
    manager, operation, version, subresource = _identity(entry)
    name = f'"{manager}"'
    if subresource:
        name += f' with subresource "{subresource}"'
    return f"{name} using {version}" if operation == "Update" else name
