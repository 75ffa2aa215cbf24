"""What must hold for the schema in a CustomResourceDefinition: it has to be structural.

A structural schema says of every place, once and for all, what is there; alternatives (allOf,
anyOf, oneOf, not) may only restrict it further. So the server can tell which fields are unknown.

Source: apiextensions-apiserver `pkg/apiserver/schema/validation.go` and
`pkg/apis/apiextensions/validation` (Kubernetes 1.37). Its rules in CEL: see `rules`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from kubesim import regex
from kubesim.admission.validation import custom, rules
from kubesim.admission.validation.field import (
    Errors,
    FieldError,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kubesim.schema import Node, builtin, check

Schema = Mapping[str, Any]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES = ("atomic", "set", "map")
_UNSUPPORTED = ("$ref", "additionalItems", "definitions", "dependencies", "id", "patternProperties")
_JUNCTORS = ("allOf", "anyOf", "oneOf")

_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_KEEPS = "x-kubernetes-preserve-unknown-fields"
_LIST_TYPE = "x-kubernetes-list-type"
_KEYS = "x-kubernetes-list-map-keys"

_ONLY_ONCE = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    _KEEPS: "must be false to be structural",
    _EMBEDDED: "must be false to be structural",
    _INT_OR_STRING: "must be false to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}
"""What cannot be said again below a junctor."""


def root(schema: Schema, path: str) -> Errors:
    """The schema of a version of a custom kind, at a path."""
    kind = schema.get("type", "")
    if not kind:
        yield required(f"{path}.type", "must not be empty at the root")
    elif kind != "object":
        yield invalid(f"{path}.type", kind, "must be object at the root")
    if schema.get("nullable"):
        yield forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    metadata = schema.get("properties", {}).get("metadata", {})
    if metadata.keys() - {"type", "properties", "description"} or (
        metadata.get("properties", {}).keys() - {"name", "generateName"}
    ):
        detail = "must not specify anything other than name and generateName, but metadata is "
        yield forbidden(f"{path}.properties[metadata]", f"{detail}implicitly specified")
    yield from _checked(json.dumps(schema), path)


@lru_cache(maxsize=64)
def _checked(schema: str, path: str) -> tuple[FieldError, ...]:
    """The faults of a schema, found once for equal schemas: many clusters have the same kinds."""
    return tuple(_place(json.loads(schema), path, ""))


def _place(schema: Schema, path: str, where: str, *, has_past: bool = True) -> Errors:
    """One place of a schema.

    Args:
        schema: of the place.
        path: of the schema.
        where: what kind of place it is, nothing for the root.
        has_past: whether an update tells which value was there before.
    """
    faults = list(_faults(schema, path, where, has_past))
    yield from faults
    if "default" in schema and not faults:
        yield from _default(schema["default"], schema, f"{path}.default")


def _default(given: Any, schema: Schema, path: str) -> Errors:
    """A default has the form that the place demands, and no field that would be dropped."""
    for fault in custom.value(given, schema, ""):
        below = f".{fault.field}" if fault.field and fault.field != "<nil>" else ""
        yield replace(fault, field=f"{path}{below}")
    if _has_unknown(given, schema):
        yield invalid(path, given, "must not have unknown fields")


def _has_unknown(given: Any, schema: Schema) -> bool:
    if isinstance(given, list):
        return any(_has_unknown(each, schema.get("items") or {}) for each in given)
    if not isinstance(given, dict) or schema.get(_KEEPS):
        return False
    known, rest = schema.get("properties", {}), schema.get("additionalProperties")
    return any(
        _has_unknown(inner, known[name])
        if name in known
        else not rest or (isinstance(rest, Mapping) and _has_unknown(inner, rest))
        for name, inner in given.items()
    )


def _faults(schema: Schema, path: str, where: str, has_past: bool) -> Errors:
    yield from _keywords(schema, path)
    yield from _type(schema, path, where)
    yield from _lists(schema, path)
    for name in _JUNCTORS:
        for index, inner in enumerate(schema.get(name, ())):
            yield from _restriction(inner, schema, f"{path}.{name}[{index}]", path)
    if "not" in schema:
        yield from _restriction(schema["not"], schema, f"{path}.not", path)
    is_root = not where or bool(schema.get(_EMBEDDED))
    yield from rules.definition(schema, path, is_root=is_root, has_past=has_past)
    has_past = has_past and _tells_apart(schema)
    for at, inner, what in _children(schema, path):
        faults = check(dict(inner), _schema()).invalid
        yield from (FieldError(fault.reason, at, fault.message) for fault in faults)
        if not faults:
            yield from _place(inner, at, what, has_past=has_past)


def _tells_apart(schema: Schema) -> bool:
    """Whether what is in a place can be found again after an update."""
    if schema.get("type") == "array":
        return schema.get(_LIST_TYPE) == "map"
    return schema.get("x-kubernetes-map-type") != "atomic"


def _schema() -> Node:
    """The type of a schema. Where a schema may be something else as well, nothing has held its
    fields to it when it was decoded."""
    return builtin().definition(
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    )


def _items(schema: Schema) -> Schema | None:
    """The schema of a list's items, if it is there and can be read."""
    items = schema.get("items")
    return items if isinstance(items, dict) and not check(items, _schema()).invalid else None


def _children(schema: Schema, path: str) -> Iterator[tuple[str, Schema, str]]:
    """The places below a place: path, schema, and what they are."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.properties[{name}]", inner, "for specified object fields"
    if isinstance(schema.get("items"), Mapping):
        yield f"{path}.items", schema["items"], "for specified array items"
    if isinstance(schema.get("additionalProperties"), Mapping):
        inner = schema["additionalProperties"]
        yield f"{path}.additionalProperties", inner, "for specified object fields"


def _keywords(schema: Schema, path: str) -> Errors:
    """What a schema cannot say at all, and what must make sense by itself."""
    for name in _UNSUPPORTED:
        if name in schema:
            yield forbidden(f"{path}.{name}", f"{name} is not supported")
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", detail)
    rest = schema.get("additionalProperties")
    if rest and schema.get("properties"):
        detail = "additionalProperties and properties are mutual exclusive"
        yield forbidden(f"{path}.additionalProperties", detail)
    if "pattern" in schema:
        try:
            regex.compiled(schema["pattern"])
        except regex.PatternError as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            yield invalid(f"{path}.pattern", schema["pattern"], detail)


def _type(schema: Schema, path: str, where: str) -> Errors:
    """A place has one type, unless it is open or takes two."""
    at, kind = f"{path}.type", schema.get("type", "")
    if schema.get(_INT_OR_STRING) or "$ref" in schema:
        pass  # the one says the type, the other is refused
    elif kind == "null":
        yield forbidden(at, "type cannot be set to null, use nullable as an alternative")
    elif kind and kind not in _TYPES:
        yield not_supported(at, kind, _TYPES)
    elif not kind and where and not schema.get(_KEEPS):
        yield required(at, f"must not be empty {where}")
    if kind == "array" and "items" not in schema:
        yield required(f"{path}.items", "must be specified")
    elif not isinstance(schema.get("items", {}), Mapping):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if schema.get(_EMBEDDED):
        if kind != "object":
            yield invalid(at, kind, f"must be object if {_EMBEDDED} is true")
        if not schema.get(_KEEPS) and "properties" not in schema:
            detail = f"must not be empty if {_EMBEDDED} is true without {_KEEPS}"
            yield required(f"{path}.properties", detail)


def _lists(schema: Schema, path: str) -> Errors:
    """A list's type says how managers share it, and what tells its items apart."""
    kind, keys, items = schema.get(_LIST_TYPE), schema.get(_KEYS, ()), _items(schema) or {}
    if kind is None:
        if keys:
            yield required(f"{path}.{_LIST_TYPE}", f"must be map if {_KEYS} is non-empty")
        return
    if kind not in _LIST_TYPES:
        yield not_supported(f"{path}.{_LIST_TYPE}", kind, _LIST_TYPES)
    if schema.get("type") != "array":
        detail = f"must be array if {_LIST_TYPE} is specified"
        yield invalid(f"{path}.type", schema.get("type", ""), detail)
    if kind in ("map", "set") and items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when {_LIST_TYPE} is {kind}")
    if kind == "set" and items.get("type") in ("object", "array"):
        shared = {"object": "x-kubernetes-map-type", "array": _LIST_TYPE}[items["type"]]
        if items.get(shared) != "atomic":
            detail = f"must be atomic as item of a list with {_LIST_TYPE}=set"
            yield invalid(f"{path}.items.{shared}", items.get(shared), detail)
    if kind != "map":
        if keys:
            yield invalid(f"{path}.{_LIST_TYPE}", kind, f"must be map if {_KEYS} is non-empty")
        return
    if not keys:
        yield required(f"{path}.{_KEYS}", f"must not be empty if {_LIST_TYPE} is map")
    if items.get("type") != "object":
        detail = f"must be object if parent array's {_LIST_TYPE} is map"
        yield invalid(f"{path}.items.type", items.get("type", ""), detail)
    for index, key in enumerate(keys):
        field = items.get("properties", {}).get(key)
        at = f"{path}.items.properties[{key}]"
        if field is None:
            detail = "entries must all be names of item properties"
            yield invalid(f"{path}.{_KEYS}[{index}]", key, detail)
            continue
        what = f"this property is in {_KEYS}, so it"
        if key not in items.get("required", ()) and "default" not in field:
            yield required(f"{at}.default", f"{what} must have a default or be a required property")
        if field.get("nullable"):
            yield forbidden(f"{at}.nullable", f"{what} cannot be nullable")


def _restriction(schema: Schema, place: Schema, path: str, place_path: str) -> Errors:
    """A schema below a junctor restricts the place that the junctor is at, and adds nothing."""
    for name, why in _ONLY_ONCE.items():
        # That a value is a number or a text may be said there in so many words.
        may_repeat = name == "type" and place.get(_INT_OR_STRING)
        if schema.get(name) and not may_repeat:
            yield forbidden(f"{path}.{name}", why)
    for name, inner in schema.get("properties", {}).items():
        at, below = f"{path}.properties[{name}]", f"{place_path}.properties[{name}]"
        known = place.get("properties", {}).get(name)
        if known is None and not place.get(_KEEPS):
            yield required(below, f"because it is defined in {at}")
        yield from _restriction(inner, known or {_KEEPS: True}, at, below)
    inner = _items(schema)
    if inner is not None:
        items = _items(place)
        if items is None and not place.get(_KEEPS):
            yield required(f"{place_path}.items", f"because it is defined in {path}.items")
        below = f"{place_path}.items"
        yield from _restriction(inner, items or {_KEEPS: True}, f"{path}.items", below)
    for name in _JUNCTORS:
        for index, inner in enumerate(schema.get(name, ())):
            yield from _restriction(inner, place, f"{path}.{name}[{index}]", place_path)
    if "not" in schema:
        yield from _restriction(schema["not"], place, f"{path}.not", place_path)
