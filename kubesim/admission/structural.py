"""Custom objects: what a structural schema drops from them and fills into them.

A CustomResourceDefinition brings its own schema, and the server does with it what is compiled in
for the built-in kinds: fields that it does not name are pruned, and its defaults are filled in.

Source: apiextensions-apiserver `pkg/apiserver/schema/{pruning,defaulting}` (Kubernetes 1.37).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from kubesim.model import Object
from kubesim.schema import Findings, Node, builtin, decode

_OBJECT_META = "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

_HEADER = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"$ref": _OBJECT_META},
}
"""What every object has, and no structural schema needs to say."""

EMBEDDED = "x-kubernetes-embedded-resource"
"""What marks a place of a schema where a whole object is."""


def node(schema: Mapping[str, Any]) -> Node:
    """The type of a custom kind, made once for equal schemas.

    Args:
        schema: the structural schema, as in `openAPIV3Schema`.
    """
    return _node(json.dumps(schema))


@lru_cache(maxsize=256)
def _node(schema: str) -> Node:
    complete = _complete({**json.loads(schema), EMBEDDED: True})
    return Node({key: each for key, each in complete.items() if key != EMBEDDED}, builtin())


def _complete(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that names apiVersion, kind and metadata of each object that is in it."""
    result = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            result[key] = _complete(schema[key])
    properties = {name: _complete(inner) for name, inner in schema.get("properties", {}).items()}
    if schema.get(EMBEDDED):
        own = properties.get("metadata")  # it may restrict names, and nothing else
        properties = {**properties, **_HEADER}
        if own is not None:
            properties["metadata"] = {**_HEADER["metadata"], "allOf": [own]}
    if properties:
        result["properties"] = properties
    return result


def decoded(obj: Object, type_: Node) -> tuple[Object, Findings]:
    """A custom object as the server's decoder leaves it, and what it has to say.

    Unknown fields are dropped, and null where it is not allowed. Values of the wrong type are for
    validation to refuse, except in the metadata. What is in order is shared, not copied.

    Args:
        obj: the object, or some of its fields.
        type_: its type.
    """
    header = {name: obj[name] for name in _HEADER if name in obj}
    clean, findings = decode(header, _header())
    if clean is not header:
        kept = {name: value for name, value in obj.items() if name in clean or name not in header}
        obj = {**kept, **clean}
    clean = _pruned(obj, type_, "", findings.unknown)
    findings.unknown.sort()
    return clean, findings


@lru_cache(maxsize=1)
def _header() -> Node:
    return Node({"type": "object", "properties": _HEADER}, builtin())


def _pruned(value: Any, type_: Node, path: str, unknown: list[str]) -> Any:
    match value:
        case dict() if type_.kind in ("struct", "map"):
            result = {}
            for name, inner in value.items():
                at = f"{path}.{name}" if path else name
                child = type_.item if type_.kind == "map" else type_.fields.get(name)
                if child is None:
                    if type_.open:
                        result[name] = inner
                    else:
                        unknown.append(at)
                elif type_.kind == "map" or inner is not None or _takes_null(child):
                    result[name] = _pruned(inner, child, at, unknown)
            same = len(result) == len(value) and all(result[key] is value[key] for key in value)
            return value if same else result
        case list() if type_.kind == "list" and type_.item is not None:
            items = [
                _pruned(inner, type_.item, f"{path}[{index}]", unknown)
                for index, inner in enumerate(value)
            ]
            return value if all(map(_is, items, value)) else items
    return value


def _is(one: object, other: object) -> bool:
    return one is other


def _takes_null(type_: Node) -> bool:
    """Whether a field may be null: because its schema says so, or because anything may be there.
    A null that has a default is kept for the defaults to replace."""
    schema = type_.schema
    return bool(schema.get("nullable")) or "default" in schema or type_.kind == "any"


def defaulted(value: Any, type_: Node) -> Any:
    """A value with its type's defaults filled in, where a field is absent or a null is not allowed.

    The defaults of a struct's fields count only if there is the struct. A complete value is
    returned itself.
    """
    match value:
        case dict() if type_.kind == "struct":
            missing = {
                name: deepcopy(child.schema["default"])
                for name, child in type_.fields.items()
                if "default" in child.schema and _is_missing(value, name, child)
            }
            result = {**value, **missing}
            for name, inner in result.items():
                child = type_.fields.get(name)
                if child is not None and not child.definition:
                    result[name] = defaulted(inner, child)
            same = not missing and all(result[name] is value[name] for name in value)
            return value if same else result
        case dict() if type_.kind == "map" and type_.item is not None:
            entries = {name: _item(inner, type_.item) for name, inner in value.items()}
            return value if all(entries[name] is value[name] for name in value) else entries
        case list() if type_.kind == "list" and type_.item is not None:
            items = [_item(inner, type_.item) for inner in value]
            return value if all(map(_is, items, value)) else items
    return value


def _is_missing(value: Mapping[str, Any], name: str, child: Node) -> bool:
    return name not in value or (value[name] is None and not child.schema.get("nullable"))


def _item(value: Any, type_: Node) -> Any:
    if value is None and "default" in type_.schema and not type_.schema.get("nullable"):
        value = deepcopy(type_.schema["default"])
    return defaulted(value, type_)
