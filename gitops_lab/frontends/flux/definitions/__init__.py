"""The CustomResourceDefinitions of Flux 2.9, one short file a kind.

Each file lists the fields of a kind in a notation that fits on a page. `definition` makes the
CustomResourceDefinition of it. The notation, by example:

    url!: string ~ ^https?://.*$        required (`!`), and what a value must match (`~`)
    mode: string = HEAD in HEAD|Tag     a default (`=`), and the values that are allowed (`in`)
    name: string 1..63                  the number of characters; of `integer`, the smallest value
    paths[]: string                     a list; `paths[1..100]` has so many items
    labels: {"*": string}               a mapping from any name to strings
    sourceRef!: {kind!: string}         an object, field by field
    secretRef: LocalReference           a type that `types.yaml` names
    values: any                         any value at all

`$rules` of an object are its CEL rules with their messages, and `$default` is its default.

Source: the CustomResourceDefinitions of Flux 2.9.4.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from gitops_lab.model import Object, named

KINDS = (
    "GitRepository", "Kustomization", "OCIRepository", "Bucket", "HelmRepository", "HelmChart",
    "ExternalArtifact", "ArtifactGenerator", "HelmRelease", "Receiver", "Alert", "Provider",
)  # fmt: skip
"""The kinds that Flux 2.9 brings, without those of its image automation."""

COLUMNS = {
    "Age": ("date", ".metadata.creationTimestamp"),
    "Ready": ("string", '.status.conditions[?(@.type=="Ready")].status'),
    "Status": ("string", '.status.conditions[?(@.type=="Ready")].message'),
}
"""The columns of `kubectl get` that many kinds have: type and JSON path."""

_KEY = re.compile(r"(?P<name>[^!\[]+)(?P<required>!?)(?P<list>\[(?P<range>[^\]]*)\])?")
_TYPE = re.compile(
    r"(?P<name>[\w-]+)(?: (?P<low>\d*)\.\.(?P<high>\d*))?"
    r"(?: = (?P<default>\S+))?(?: in (?P<enum>\S+))?(?: ~ (?P<pattern>.+))?"
)


def definitions() -> tuple[Object, ...]:
    """The CustomResourceDefinitions of all kinds."""
    return tuple(definition(kind) for kind in KINDS)


def definition(kind: str) -> Object:
    """The CustomResourceDefinition of a kind."""
    told = _load(kind)
    group, version, plural = told["group"], told["version"], told["plural"]
    properties = {name.rstrip("!"): _object(told[name]) for name in told if _is_part(name)}
    head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    schema: Object = {
        "type": "object",
        "properties": {**head, "metadata": {"type": "object"}, **properties},
    }
    if required := [name.rstrip("!") for name in told if name.endswith("!")]:
        schema["required"] = required
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [_column(column) for column in told["columns"]],
        "subresources": {"status": {}} if "status" in properties else {},
    }
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "categories": ["all", "fluxcd", told["category"]],
        **({"shortNames": [told["short"]]} if "short" in told else {}),
    }
    made = named(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}",
        spec={"group": group, "names": names, "scope": "Namespaced", "versions": [served]},
    )  # fmt: skip
    # Texts like ${name} in a definition are not for Flux's own substitution.
    made["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
    return made


def api_version(kind: str) -> str:
    """Group and version in which a kind is served, such as `source.toolkit.fluxcd.io/v1`."""
    told = _load(kind)
    return f"{told['group']}/{told['version']}"


def group_resource(kind: str) -> str:
    """The name in error messages, such as `gitrepositories.source.toolkit.fluxcd.io`."""
    told = _load(kind)
    return f"{told['plural']}.{told['group']}"


@cache
def _load(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath(f"{name.lower()}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _is_part(name: str) -> bool:
    return name.rstrip("!") in ("spec", "status")


def _column(written: str) -> Object:
    """A printer column: `Age`, or `URL .spec.url`."""
    name, _, path = written.rpartition(" ")
    kind, path = ("string", path) if name else COLUMNS[written]
    return {"name": name or written, "type": kind, "jsonPath": path}


def _node(written: Any) -> Object:
    """The schema of a field, from the notation."""
    return _object(written) if isinstance(written, dict) else _scalar(str(written))


def _object(written: dict[str, Any]) -> Object:
    schema: Object = {"type": "object"}
    for key, value in written.items():
        if key == "$rules":
            schema["x-kubernetes-validations"] = value
        elif key == "$default":
            schema["default"] = value
        elif key == "*":
            schema["additionalProperties"] = _node(value)
        else:
            _add_field(schema, key, value)
    return schema


def _add_field(schema: Object, key: str, value: Any) -> None:
    parts = _KEY.fullmatch(key)
    assert parts, key
    name, node = parts["name"], _node(value)
    if parts["list"]:
        node = {"type": "array", "items": node, **_items(parts["range"])}
    schema.setdefault("properties", {})[name] = node
    if parts["required"]:
        schema.setdefault("required", []).append(name)


def _items(written: str) -> Object:
    """How many items a list has, and by which field they are told apart: `1..100 by name`."""
    span, _, key = written.partition(" by ")
    low, _, high = span.partition("..")
    found: Object = {}
    if low:
        found["minItems"] = int(low)
    if high:
        found["maxItems"] = int(high)
    if key:
        found |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return found


def _scalar(written: str) -> Object:
    parts = _TYPE.fullmatch(written)
    assert parts, written
    name = parts["name"]
    if name in (types := _load("types")):
        return {**_node(types[name]), **_limits(parts, "string")}
    if name == "any":
        return {"x-kubernetes-preserve-unknown-fields": True}
    if name == "date-time":
        return {"type": "string", "format": "date-time"}
    if name == "int64":
        return {"type": "integer", "format": "int64", **_limits(parts, "integer")}
    return {"type": name, **_limits(parts, name)}


def _limits(parts: re.Match[str], kind: str) -> Object:
    found: Object = {}
    low, high = ("minimum", "maximum") if kind == "integer" else ("minLength", "maxLength")
    if parts["low"]:
        found[low] = int(parts["low"])
    if parts["high"]:
        found[high] = int(parts["high"])
    if parts["default"] is not None:
        found["default"] = parts["default"] == "true" if kind == "boolean" else parts["default"]
    if parts["enum"]:
        found["enum"] = parts["enum"].split("|")
    if parts["pattern"]:
        found["pattern"] = parts["pattern"]
    return found
