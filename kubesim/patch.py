"""The three patches that say what to change: JSON patch, merge patch, strategic merge patch.

(The fourth, the apply patch, says what a manager wants to own; it is `managedfields.apply`.)

A patch is worked out on the object as the client sees it. Neither object nor patch is changed; the
result shares with them what stayed the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.fieldsets import as_go, child_node
from kubesim.model import Object, copied
from kubesim.schema import Node

MAX_OPERATIONS = 10_000
"""How many operations a JSON patch may have (apiserver, `maxJSONPatchOperations`)."""

MAX_COPIED = 3 * 1024 * 1024
"""How many bytes of JSON its copies may make together (apiserver, `JSONPatchMaxCopyBytes`)."""

# -- JSON patch and merge patch -------------------------------------------------------------------


def json_patch(obj: Object, operations: Sequence[Mapping[str, Any]]) -> Object:
    """An object after a list of operations (RFC 6902).

    Args:
        obj: the object.
        operations: what to do, one after the other.

    Raises:
        ApiError: 400 if the patch is none; 413 if it has too many operations; 422 if one of them
            cannot be done, or a `test` fails. The real server does not say which: its sentence is
            the same for all.
    """
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        kind = "object" if isinstance(operations, dict) else "value"
        what = f"json: cannot unmarshal {kind} into Go value of type []handlers.jsonPatchOp"
        raise refusals.bad_request(f"error decoding patch: {what}")
    if len(operations) > MAX_OPERATIONS:
        limit = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}"
        message = f"Request entity is too large: {limit}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", message)
    result, size = copied(obj), 0
    try:
        for operation in operations:
            size += _operate(result, operation)
            if size > MAX_COPIED:
                raise ValueError("copies of copies")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _cannot_be_done() from error
    return result


def _operate(obj: Object, operation: Mapping[str, Any]) -> int:
    """Carry one operation out; the size of what it copied.

    As on the real server (evanphx/json-patch v4) a field that is not there counts as null in a
    test and in a copy, negative indexes count from the end, and what stands before the first slash
    of a path is not looked at.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: it cannot be done.
    """
    kind = operation["op"]
    place, key = _place(obj, operation["path"])
    value = copied({"value": operation.get("value")})["value"]
    match kind:
        case "add":
            _add(place, key, value)
        case "remove":
            _remove(place, key)
        case "replace":
            _get(place, key)
            if isinstance(place, list):
                place[int(key)] = value
            else:
                place[key] = value
        case "test":
            if not _is_same(_get(place, key), value):
                raise ValueError("test failed")
        case "move" | "copy":
            source, name = _place(obj, operation["from"])
            moved = _get(source, name)
            if kind == "move":
                _remove(source, name)
            else:
                moved = copied({"value": moved})["value"]
            place, key = _place(obj, operation["path"])
            _add(place, key, moved)
            return len(json.dumps(moved)) if kind == "copy" else 0
        case _:
            raise ValueError(f"unexpected kind: {kind}")
    return 0


def _place(obj: Object, path: str) -> tuple[Any, str]:
    """The map or list that holds what a path leads to, and the last step."""
    _, *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]
    place: Any = obj
    for step in steps:
        place = _get(place, step)
    if not isinstance(place, (dict, list)):
        raise LookupError(path)
    return place, last


def _get(place: Any, key: str) -> Any:
    return place[int(key)] if isinstance(place, list) else place.get(key)


def _add(place: Any, key: str, value: Any) -> None:
    if isinstance(place, dict):
        place[key] = value
        return
    size = len(place)
    index = size if key == "-" else int(key)
    if not -size - 1 <= index <= size:
        raise LookupError(key)
    place.insert(index if index >= 0 else index + size + 1, value)


def _remove(place: Any, key: str) -> None:
    del place[int(key) if isinstance(place, list) else key]


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON, where true is not 1."""
    return (type(one) is type(other) and one == other) or (
        type(one) in (int, float) and type(other) in (int, float) and one == other
    )


def _cannot_be_done() -> ApiError:
    """422, as the real server answers what it was that could not be done."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, details={})


def merge_patch(obj: Object, patch: Mapping[str, Any]) -> Object:
    """An object with a partial one laid over it; null removes a field (RFC 7386).

    Args:
        obj: the object.
        patch: the fields to set. Lists are replaced as a whole.

    Raises:
        ApiError: 400 if the patch is not an object.
    """
    _check_is_object(patch)
    merged: Object = _merged(obj, patch)
    return merged


def _check_is_object(patch: Any) -> None:
    if not isinstance(patch, dict):
        raise refusals.bad_request(f"error decoding patch: {_no_object(patch)}")


def _no_object(patch: Any) -> str:
    kind = {list: "array", str: "string", bool: "bool"}.get(type(patch), "number")
    return f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"


def _merged(value: Any, patch: Any) -> Any:
    if type(patch) is not dict:
        return value if value == patch else patch
    result = dict(value) if type(value) is dict else {}
    for name, inner in patch.items():
        if inner is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), inner)
    return value if value == result else result


# -- Strategic merge patch ------------------------------------------------------------------------

_DIRECTIVE = "$patch"
_RETAIN_KEYS = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def strategic_merge_patch(obj: Object, patch: Mapping[str, Any], node: Node) -> Object:
    """An object with a partial one laid over it, by the rules of its type.

    A merge patch that knows lists: where the type says so, items are paired by a merge key, or
    values are added to a set, instead of the list being replaced. Directives in the patch say more:
    `$patch` deletes or replaces a map or an item, `$retainKeys` names the only fields to keep,
    `$deleteFromPrimitiveList/<field>` takes values out, `$setElementOrder/<field>` orders items.

    Source: apimachinery `pkg/util/strategicpatch` (Kubernetes 1.37).

    Args:
        obj: the object.
        patch: the fields to set; null removes one.
        node: the object's type.

    Raises:
        ApiError: 400 for a malformed directive; 500, as the real server has it, for an item without
            its merge key, an unknown `$patch`, or an order that the patch itself does not keep.
    """
    if patch is None:
        return obj  # as the real server reads it
    if not isinstance(patch, dict):
        raise refusals.bad_request(_no_object(patch))
    return _patched_map(obj, patch, node)


def _patched(value: Any, patch: Any, node: Node) -> Any:
    """One value after its patch."""
    if type(patch) is dict:
        if "replace" in node.merge_strategy:
            return patch
        return _patched_map(value if type(value) is dict else {}, patch, node)
    if type(patch) is list and "merge" in node.merge_strategy:
        return _patched_list(value if type(value) is list else [], patch, node)
    return patch


def _patched_map(live: Object, patch: Mapping[str, Any], node: Node) -> Object:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {name: inner for name, inner in patch.items() if name != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive is not None:
        raise _unknown_directive(patch)
    result = dict(live)
    if _RETAIN_KEYS in patch:
        retained = _retained(patch)
        result = {name: inner for name, inner in live.items() if name in retained}

    for name, values in patch.items():
        if name.startswith(_DELETE):
            name = name.removeprefix(_DELETE)
            _check_is_list(values, "invalid patch format of primitive list")
            if type(result.get(name)) is list:
                result[name] = [inner for inner in result[name] if inner not in values]
    for name, inner in patch.items():
        if name.startswith("$"):
            continue
        if inner is None:
            result.pop(name, None)
        else:
            result[name] = _patched(result.get(name), inner, child_node(node, name))
    for name, order in patch.items():
        if name.startswith(_ORDER):
            name = name.removeprefix(_ORDER)
            _check_is_list(order, "invalid patch format of setElementOrder list")
            key = child_node(node, name).merge_key
            _check_order(patch.get(name) or [], order, key)
            if name in result:
                result[name] = _ordered(result[name], order, live.get(name) or [], key)
    return live if result == live else result


def _retained(patch: Mapping[str, Any]) -> list[str]:
    """The fields that a patch says to keep, its own among them."""
    names = patch[_RETAIN_KEYS]
    complaint = "invalid patch format of retainKeys"
    _check_is_list(names, complaint)
    own = [name for name in patch if patch[name] is not None and not name.startswith("$")]
    if any(name not in names for name in own):
        raise refusals.bad_request(complaint)
    return list(names)


def _patched_list(live: list[Any], patch: list[Any], node: Node) -> list[Any]:
    """A list whose type says `merge`, after its patch."""
    key, item = node.merge_key, node.item
    if not key or item is None:
        merged = list(dict.fromkeys(_key_of(inner, "") for inner in [*live, *patch]))
        return _ordered(merged, patch, live, key)
    kept = list(live)
    merging: list[Any] = []
    replaces = False
    for inner in patch:
        directive = inner.get(_DIRECTIVE) if type(inner) is dict else None
        if directive is None:
            merging.append(inner)
        elif directive == "delete":
            gone = _key_of(inner, key)
            kept = [other for other in kept if _key_of(other, key) != gone]
        elif directive == "replace":
            replaces = True
        elif directive == "merge":
            raise _unknown("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown_directive(inner)
    if replaces:
        return merging
    for inner in merging:
        identity = _key_of(inner, key)
        keys = [_key_of(other, key) for other in kept]
        if identity in keys:
            at = keys.index(identity)  # a Service may have one port twice, for TCP and for UDP
            kept[at] = _patched_map(kept[at], inner, item)
        else:
            kept.append(_patched_map({}, inner, item))
    return _ordered(kept, merging, live, key)


def _ordered(items: list[Any], wanted: Iterable[Any], live: Iterable[Any], key: str) -> list[Any]:
    """Items in the wanted order. Those that are not wanted stay where they were among the others,
    as far as that can be said.
    """
    places = _places(wanted, key)
    before = _places(live, key)
    mine = [inner for inner in items if _key_of(inner, key) in places]
    mine.sort(key=lambda inner: places[_key_of(inner, key)])
    theirs = [inner for inner in items if _key_of(inner, key) not in places]
    result: list[Any] = []
    for inner in mine:
        at = before.get(_key_of(inner, key), -1)
        while theirs and before.get(_key_of(theirs[0], key), at) < at:
            result.append(theirs.pop(0))
        result.append(inner)
    return [*result, *theirs]


def _places(items: Iterable[Any], key: str) -> dict[Any, int]:
    """Where each item is first."""
    places: dict[Any, int] = {}
    for at, inner in enumerate(items):
        places.setdefault(_key_of(inner, key), at)
    return places


def _check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """A patch's items must be in the order that it asks for."""
    items = [inner for inner in patch if type(inner) is not dict or _DIRECTIVE not in inner]
    rest = iter([_key_of(inner, key) for inner in order])
    if order and not all(_key_of(inner, key) in rest for inner in items):
        raise _unknown(
            f"The order in patch list:\n{as_go(patch)}\n doesn't match "
            f"{_ORDER.rstrip('/')} list:\n{as_go(order)}\n"
        )


def _key_of(item: Any, key: str) -> Any:
    """What an item is told by: its merge key, or itself if it has none."""
    if key and type(item) is not dict:
        raise _unknown(f"expected a map[string]interface {{}}, but received {as_go(item)}")
    if key and key not in item:
        raise _unknown(f"map: {as_go(item)} does not contain declared merge key: {key}")
    found = item[key] if key else item
    if type(found) in (dict, list):
        raise _unknown(f"expected a scalar, but received {as_go(found)}")
    return found


def _check_is_list(value: Any, complaint: str) -> None:
    if not isinstance(value, list):
        raise refusals.bad_request(complaint)


def _unknown_directive(patch: Mapping[str, Any]) -> ApiError:
    return _unknown(f"unknown patch type: {as_go(patch[_DIRECTIVE])} in map: {as_go(patch)}")


def _unknown(message: str) -> ApiError:
    """500 without a reason: what the real server makes of errors it has no category for."""
    return ApiError(500, "", message)
