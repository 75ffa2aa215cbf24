"""Which fields an object has and how two objects differ, as trees in the format FieldsV1.

A field set is a tree of path elements. `f:replicas` is a field, `k:{"name":"web"}` the item of a
list with that key, `v:"a"` a member of a set. An element with nothing below it is in the set; an
element with others below it is in the set only if `.` is among them:

    {"f:spec": {"f:replicas": {}}}                            .spec.replicas, but not .spec
    {"f:labels": {".": {}, "f:app": {}}}                      .labels and .labels.app
    {"f:args": {}}                                            .args, an atomic list, as a whole

Everything here is a pure function: what comes in is not changed, and what comes out shares with it
the parts that stayed the same.

Source: sigs.k8s.io/structured-merge-diff v6 (packages `fieldpath` and `typed`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from kubesim.schema import Node, Schemas

Fields = dict[str, Any]
"""A field set: subtrees by path element."""

LEAF: Fields = {}
"""What stands at an element that has nothing below it."""

_ANYTHING = Node({}, Schemas({}))
"""The type of a field that a schema keeps without knowing it."""

_SCALARS = {
    "string": frozenset({str}),
    "integer": frozenset({int, float}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
}
_ANY_SCALAR = frozenset({str, int, float, bool})

# -- The algebra of sets ---------------------------------------------------------------------------


def is_member(below: Fields) -> bool:
    """Whether an element is itself in the set, given what is below it."""
    return not below or "." in below


def union(one: Fields, other: Fields) -> Fields:
    """The fields that are in either set."""
    result = None
    for element, theirs in other.items():
        mine = one.get(element)
        if mine is None:
            both = theirs
        elif mine is theirs or mine == theirs:
            continue
        else:
            both = union(mine, theirs)
            if not (mine and theirs) and "." not in both:
                both = {".": LEAF, **both}
            if both is mine:
                continue
        if result is None:
            result = dict(one)
        result[element] = both
    return one if result is None else result


def difference(one: Fields, other: Fields) -> Fields:
    """The fields of one set that are not in the other."""
    result = None
    for element, theirs in other.items():
        mine = one.get(element)
        if mine is None:
            continue
        rest = _without(mine, theirs)
        if rest is mine:
            continue
        if result is None:
            result = dict(one)
        if rest is None:
            del result[element]
        else:
            result[element] = rest
    return one if result is None else result


def _without(mine: Fields, theirs: Fields) -> Fields | None:
    """What is left at an element; None if nothing is."""
    if mine is theirs or mine == theirs:
        return None
    if not mine:
        return None if is_member(theirs) else mine
    rest = difference(mine, theirs)
    if not theirs and "." in rest:
        rest = {element: below for element, below in rest.items() if element != "."}
    if not rest:
        return None
    return LEAF if len(rest) == 1 and "." in rest else rest


def intersection(one: Fields, other: Fields) -> Fields:
    """The fields that are in both sets."""
    if len(other) < len(one):
        one, other = other, one
    result: Fields = {}
    for element, mine in one.items():
        theirs = other.get(element)
        if theirs is None or element == ".":
            continue
        if mine is theirs or mine == theirs:
            result[element] = mine
            continue
        below = intersection(mine, theirs)
        if is_member(mine) and is_member(theirs):
            result[element] = {".": LEAF, **below} if below else LEAF
        elif below:
            result[element] = below
    return result


def paths(fields: Fields, prefix: str = "") -> Iterator[str]:
    """The fields of a set as Kubernetes writes them, such as `.spec.replicas`.

    At each level first the members, then what is below them, both in order.
    """
    elements = sorted((element for element in fields if element != "."), key=_order)
    for element in elements:
        if is_member(fields[element]):
            yield prefix + _text(element)
    for element in elements:
        yield from paths(fields[element], prefix + _text(element))


def _order(element: str) -> tuple[str, list[tuple[str, bool, Any]]]:
    """Fields before keys before values; numbers by their size."""
    kind, text = element[0], element[2:]
    if kind == "f":
        return kind, [(text, True, "")]
    value = json.loads(text)
    pairs = value.items() if kind == "k" else [("", value)]
    return kind, [(name, isinstance(part, str), part) for name, part in pairs]


@lru_cache(maxsize=8192)
def _text(element: str) -> str:
    kind, text = element[0], element[2:]
    if kind == "f":
        return f".{text}"
    if kind == "v":
        return f"[={text}]"
    return f"[{','.join(f'{name}={_json(value)}' for name, value in json.loads(text).items())}]"


# -- From objects to sets --------------------------------------------------------------------------


def item_element(item: Any, node: Node) -> str:
    """The path element of an item of a list of type map or set.

    Args:
        item: the item.
        node: the type of the list.

    Raises:
        ValueError: the item has no key, or is nothing that can be a key's or a set's value.
    """
    if node.list_type == "set":
        if type(item) not in _ANY_SCALAR:
            raise ValueError("associative list without keys has an element that's not a scalar")
        return "v:" + _json(item)
    if type(item) is not dict:
        raise ValueError("associative list with keys may not have non-map elements")
    keys = node.keys
    if len(keys) == 1 and type(value := item.get(keys[0])) is str:
        return _key(keys, value)
    defaults = node.key_defaults
    values = [item.get(key, defaults.get(key)) for key in keys]
    if all(value is None for value in values):
        raise ValueError(
            f"associative list with keys has an element that omits all key fields "
            f"{_json(list(keys))} (and doesn't have default values for any key fields)"
        )
    if any(type(value) in (dict, list) for value in values):
        raise ValueError("associative list with keys has an element whose key is not a scalar")
    return _key(keys, *values)


@lru_cache(maxsize=8192, typed=True)
def _key(names: tuple[str, ...], *values: Any) -> str:
    pairs = zip(names, values, strict=True)
    return "k:" + _json({name: value for name, value in sorted(pairs) if value is not None})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def is_granular(value: Any, node: Node) -> bool:
    """Whether the parts of a value may have owners of their own."""
    if type(value) is dict:
        return not node.atomic and node.kind in ("struct", "map", "any")
    return type(value) is list and node.kind == "list" and node.list_type != "atomic"


def _parts(value: Any, node: Node) -> list[tuple[str, Any, Node]]:
    """Path element, value and type of each part of a granular value."""
    if type(value) is dict:
        return [
            ("f:" + name, inner, child_node(node, name))
            for name, inner in value.items()
            if inner is not None
        ]
    item = node.item or _ANYTHING
    return [(item_element(inner, node), inner, item) for inner in value]


def child_node(node: Node, name: str) -> Node:
    """The type of a field by its name, or of a map's value."""
    if node.kind == "struct":
        return node.fields.get(name) or _ANYTHING
    return (node.item or _ANYTHING) if node.kind == "map" else node


def fields_of(value: Any, node: Node, faults: list[str], at: str = "") -> Fields:
    """The set of the fields that a client states with a value.

    It holds leaves, items of lists and entries of maps, but no struct that only holds other fields.

    Args:
        value: an object, or a part of one.
        node: its type.
        faults: receives a line for each thing that does not fit the type.
        at: where the value is, such as `.spec`.
    """
    return _fields_of(value, node, faults, at) or {}


def _fields_of(value: Any, node: Node, faults: list[str], at: str) -> Fields | None:
    """The set below a value; None if it states nothing at all, not even itself."""
    if type(value) is dict and node.kind in ("struct", "map", "any"):
        if node.atomic or not value:
            return LEAF
        return _fields_of_dict(value, node, faults, at)
    if type(value) is list and node.kind in ("list", "any"):
        if node.kind == "any" or node.list_type == "atomic":
            return LEAF
        return _fields_of_list(value, node, faults, at)
    if type(value) not in _ANY_SCALAR or node.kind not in ("scalar", "any"):
        expected = {"list": "list", "scalar": node.type or "any scalar"}.get(node.kind, "map")
        faults.append(f"{at}: expected {expected}, got &{{{as_go(value)}}}")
    elif type(value) not in _SCALARS.get(node.type, _ANY_SCALAR):
        faults.append(f"{at}: {_mismatch(value, node)}")
    return LEAF


def _fields_of_dict(value: dict[str, Any], node: Node, faults: list[str], at: str) -> Fields | None:
    result: Fields = {}
    named = node.fields
    for name, inner in value.items():
        if inner is None:
            continue
        child = named.get(name)
        is_named = child is not None
        if child is None:
            if node.kind == "struct" and not node.open:
                faults.append(f"{at}.{name}: field not declared in schema")
                continue
            child = child_node(node, name)
        if child.kind == "scalar" and type(inner) in _SCALARS.get(child.type, _ANY_SCALAR):
            result["f:" + name] = LEAF
            continue
        below = _fields_of(inner, child, faults, f"{at}.{name}")
        if is_named:
            if below is not None:
                result["f:" + name] = below
        else:
            result["f:" + name] = {".": LEAF, **below} if below else LEAF
    return result or None


def _fields_of_list(value: list[Any], node: Node, faults: list[str], at: str) -> Fields | None:
    result: Fields = {}
    item = node.item or _ANYTHING
    for index, inner in enumerate(value):
        try:
            element = item_element(inner, node)
        except ValueError as error:
            faults.append(f"{at}: element {index}: {error}")
            continue
        if element in result:
            faults.append(f"{at}: duplicate entries for key {_text(element)}")
        below = _fields_of(inner, item, faults, at + _text(element))
        result[element] = {".": LEAF, **below} if below else LEAF
    return result or None


def _mismatch(value: Any, node: Node) -> str:
    """The type checker's sentence on a scalar of the wrong type."""
    if node.type in ("integer", "number"):
        kind = {str: "string", bool: "bool"}[type(value)]
        return f"expected numeric (int or float), got {kind}"
    return f"expected {node.type}, got &value.valueUnstructured{{Value:{_json(value)}}}"


def everything(value: Any, node: Node) -> Fields:
    """What is below a value that is new as a whole: all its parts, and the structs between them."""
    if not is_granular(value, node):
        return LEAF
    below = {element: everything(inner, child) for element, inner, child in _parts(value, node)}
    return {".": LEAF, **below} if below else LEAF


# -- Two objects -----------------------------------------------------------------------------------


def changes(old: Any, new: Any, node: Node) -> tuple[Fields, Fields]:
    """What was written (added or given another value), and what was removed.

    Args:
        old: a granular value.
        new: what became of it.
        node: the type of both.
    """
    written: Fields = {}
    removed: Fields = {}
    if type(new) is dict:
        for name, value in new.items():
            before = old.get(name)
            if before is value or before == value:
                continue
            child = child_node(node, name)
            if before is None and _is_always_there(name, child, node):
                before = [] if child.kind == "list" else {}
            _change("f:" + name, before, value, child, written, removed)
        for name, before in old.items():
            if before is not None and new.get(name) is None:
                removed["f:" + name] = everything(before, child_node(node, name))
    else:
        item = node.item or _ANYTHING
        olds = {element: inner for element, inner, _ in _parts(old, node)}
        news = {element: inner for element, inner, _ in _parts(new, node)}
        for element, value in news.items():
            before = olds.pop(element, None)
            if before is not value and before != value:
                _change(element, before, value, item, written, removed)
        for element, before in olds.items():
            removed[element] = everything(before, item)
    return written, removed


def _change(
    element: str, before: Any, value: Any, node: Node, written: Fields, removed: Fields
) -> None:
    """Note what happened at an element whose value is another."""
    if value is None:
        return  # the same as absent; the walk over the old fields notes it
    if before is None or not (is_granular(before, node) and is_granular(value, node)):
        written[element] = everything(value, node)
        return
    new, gone = changes(before, value, node)
    if new:
        written[element] = new
    if gone:
        removed[element] = gone


# Structs that the Go types hold by value, told by the ends of their names. The real server compares
# Go objects, in which these, and lists without `omitempty`, exist before anybody writes into them.
_BY_VALUE = ("Spec", "Status", "Strategy", "ObjectMeta", "ResourceRequirements", "EventSource")


def _is_always_there(name: str, child: Node, parent: Node) -> bool:
    if child.kind == "struct":
        return child.definition.endswith(_BY_VALUE)
    return child.kind in ("list", "map") and name in parent.required


def merge(live: Any, config: Any, node: Node) -> Any:
    """A live value with what a configuration states; the live value itself if that says no more.

    Items of a list stay where they are if the configuration does not have them; among themselves
    the items that it has take its order.
    """
    if live is config:
        return live
    if type(live) is not type(config) or not is_granular(config, node):
        return live if live == config else config
    if type(live) is list:
        return live if live == config else _merge_lists(live, config, node)
    result = None
    for name, value in config.items():
        before = live.get(name)
        if before is value or value is None:
            continue
        new = value if before is None else merge(before, value, child_node(node, name))
        if new is not before:
            if result is None:
                result = dict(live)
            result[name] = new
    return live if result is None else result


def _merge_lists(live: list[Any], config: list[Any], node: Node) -> list[Any]:
    item = node.item or _ANYTHING
    stated = {item_element(inner, node): inner for inner in config}
    there, here = [item_element(inner, node) for inner in live], list(stated)
    theirs: dict[str, Any] = {}
    for element, inner in zip(there, live, strict=True):  # a repeated one is not merged into
        theirs[element] = None if element in theirs else inner
    shared = iter([element for element in here if element in theirs])
    anchor = next(shared, None)  # the next item, in the configuration's order, that both have
    result: list[Any] = []
    i = j = 0
    while i < len(there) or j < len(here):
        if i < len(there):
            element = there[i]
            if element not in stated:
                result.append(live[i])
                i += 1
                continue
            if element != anchor:
                i += 1  # it has its place in the configuration's order
                continue
        element = here[j]
        inner, before = stated[element], theirs.get(element)
        result.append(inner if before is None else merge(before, inner, item))
        j += 1
        if element == anchor:
            anchor = next(shared, None)
    same = len(result) == len(live) and all(a is b for a, b in zip(result, live, strict=True))
    return live if same else result


def prune(value: Any, dropped: Fields, kept: Fields, node: Node) -> Any:
    """A value without the fields of one set, except those that another set has.

    A struct goes with the last field in it that anybody owned.

    Args:
        value: a granular value.
        dropped: what an owner stated before and states no more.
        kept: what anybody owns now.
        node: the value's type.
    """
    if type(value) is dict:
        result = None
        for element, below in dropped.items():
            name = element[2:]
            before = value.get(name)
            if element == "." or before is None:
                continue
            child = child_node(node, name)
            is_named = node.kind == "struct" and name in node.fields
            after = _prune(before, below, kept.get(element), child, is_named=is_named)
            if after is before:
                continue
            if result is None:
                result = dict(value)
            if after is None:
                del result[name]
            else:
                result[name] = after
        return value if result is None else result
    item = node.item or _ANYTHING
    items = []
    for inner in value:
        element = item_element(inner, node)
        below = dropped.get(element)
        after = inner if below is None else _prune(inner, below, kept.get(element), item)
        if after is not None:
            items.append(after)
    same = len(items) == len(value) and all(a is b for a, b in zip(items, value, strict=True))
    return value if same else items


def _prune(
    value: Any, dropped: Fields, kept: Fields | None, node: Node, *, is_named: bool = False
) -> Any:
    """What is left of one part; None if it goes."""
    if is_named:
        if kept is None:
            return None
    elif is_member(dropped) and (kept is None or not is_member(kept)):
        return None
    if not dropped or not is_granular(value, node):
        return value
    return prune(value, dropped, kept or {}, node)


def as_go(value: Any) -> str:
    """A value as Go prints it, which is how it appears in the real server's messages."""
    if type(value) is dict:
        return f"map[{' '.join(f'{key}:{as_go(value[key])}' for key in sorted(value))}]"
    if type(value) is list:
        return f"[{' '.join(map(as_go, value))}]"
    return "<nil>" if value is None else value if isinstance(value, str) else _json(value)
