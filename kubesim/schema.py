"""A typed view of the Kubernetes schemas: which fields a kind has, and what each may hold.

The facts are the OpenAPI definitions of Kubernetes, as the package `kubernetes-validate` ships
them. They are read once per process, and turned into nodes only where they are used.

A request's body goes through `decode`, which leaves it as the real server's decoder would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from kubesim import field_kinds, quantity
from kubesim.encoding import base64_fault
from kubesim.errors import ApiError
from kubesim.model import Object, join_api_version

KUBERNETES_VERSION = "1.37"
"""The Kubernetes that is simulated: its schemas, its resources, its defaults."""

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_RUNTIME = "io.k8s.apimachinery.pkg."
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

# Types that OpenAPI cannot spell: (kind, type, format).
_SPECIAL: dict[str, tuple[str, str, str]] = {
    _RUNTIME + "util.intstr.IntOrString": ("scalar", "int-or-string", ""),
    _RUNTIME + "api.resource.Quantity": ("scalar", "quantity", ""),
    _META + "Time": ("scalar", "date-time", "seconds"),
    _META + "MicroTime": ("scalar", "date-time", "microseconds"),
    _META + "FieldsV1": ("any", "", ""),
    _META + "Patch": ("any", "", ""),
    _RUNTIME + "runtime.RawExtension": ("any", "", ""),
    _EXTENSIONS + "JSON": ("any", "", ""),
    _EXTENSIONS + "JSONSchemaPropsOrArray": ("any", "", ""),
    _EXTENSIONS + "JSONSchemaPropsOrBool": ("any", "", ""),
    _EXTENSIONS + "JSONSchemaPropsOrStringArray": ("any", "", ""),
}

# The published schemas have lost the defaults of list-map keys. In the built-in kinds the one key
# that may be left out is the protocol of a container's or a Service's port
# (`+default="TCP"` in k8s.io/api/core/v1/types.go).
_KEY_DEFAULTS = {"protocol": "TCP"}

_REF = len("#/$defs/")


class Node:
    """One place in a Kubernetes type: a struct, a map, a list, a scalar, or anything at all.

    Children are made when they are first asked for, because types recurse.

    Args:
        schema: the OpenAPI schema of this place; what it says overrides the definition it refers
            to (a list's type is written at the place, a struct's fields in the definition).
        schemas: where references lead.
    """

    __slots__ = (
        "_fields",
        "_item",
        "_schema",
        "_schemas",
        "atomic",
        "definition",
        "format",
        "key_defaults",
        "keys",
        "kind",
        "list_type",
        "merge_key",
        "merge_strategy",
        "open",
        "type",
    )

    def __init__(self, schema: Mapping[str, Any], schemas: Schemas) -> None:
        self._schemas = schemas
        self.definition: str = schema["$ref"][_REF:] if "$ref" in schema else ""
        """Name of the definition this place refers to; empty if it is written in place."""
        if self.definition:
            schema = {**schemas.definitions[self.definition], **schema}
        self._schema = schema
        self._fields: Mapping[str, Node] | None = None
        self._item: Node | None = None
        self.kind, self.type, self.format = _SPECIAL.get(self.definition) or _shape(schema)
        """kind: struct, map, list, scalar or any. type, of a scalar: string, integer, number,
        boolean, int-or-string, quantity or date-time. format: int32, int64, double, byte, or
        a date-time's precision."""
        self.open: bool = self.kind == "any" or bool(
            schema.get("x-kubernetes-preserve-unknown-fields")
        )
        """Whether fields that the schema does not name are kept."""
        self.atomic: bool = schema.get("x-kubernetes-map-type") == "atomic"
        """Whether a struct or map has one owner as a whole."""
        self.list_type: str = schema.get("x-kubernetes-list-type", "atomic")
        """atomic, set or map, of a list; a list that says nothing is atomic."""
        self.keys: tuple[str, ...] = tuple(schema.get("x-kubernetes-list-map-keys", ()))
        """The fields that tell apart the items of a list of type map."""
        self.key_defaults: Mapping[str, Any] = _key_defaults(schema, self.keys)
        """What a key field means when it is left out."""
        self.merge_key: str = schema.get("x-kubernetes-patch-merge-key", "")
        """The field by which a strategic merge patch pairs the items of a list."""
        self.merge_strategy: tuple[str, ...] = tuple(
            word for word in schema.get("x-kubernetes-patch-strategy", "").split(",") if word
        )
        """What a strategic merge patch does here: merge, replace, retainKeys."""

    @property
    def fields(self) -> Mapping[str, Node]:
        """The fields of a struct by name; empty for anything else."""
        if self._fields is None:
            self._fields = self._schemas.fields(self.definition, self._schema)
        return self._fields

    @property
    def zeros(self) -> Zeros:
        """What becomes of the fields of a struct that are zero."""
        return self._schemas.zeros(self) if self.definition else _KEEP_ALL

    @property
    def item(self) -> Node | None:
        """What a map's values or a list's items are; None for anything else."""
        if self._item is None and self.kind in ("map", "list"):
            inner = self._schema.get("items" if self.kind == "list" else "additionalProperties")
            self._item = Node(inner if isinstance(inner, Mapping) else {}, self._schemas)
        return self._item

    @property
    def schema(self) -> Mapping[str, Any]:
        """The OpenAPI schema of this place, written as Kubernetes' own are here."""
        return self._schema

    @property
    def required(self) -> frozenset[str]:
        """The fields that a struct must have, by the schema (built-in kinds: by validation)."""
        return frozenset(self._schema.get("required", ()))

    @property
    def description(self) -> str:
        """What Kubernetes says about this place."""
        return cast(str, self._schema.get("description", ""))

    @property
    def go_type(self) -> str:
        """The name of the Go type that the real server decodes this place into, such as int32,
        v1.PodSpec or []v1.Container; named strings are given as what they are."""
        match self.kind:
            case "struct" | "any":
                return ".".join(self.definition.rsplit(".", 2)[-2:])
            case "map" | "list":
                inner = self.item.go_type if self.item else ""
                return f"map[string]{inner}" if self.kind == "map" else f"[]{inner}"
        if self.type == "integer":
            return self.format or "int64"
        if self.format == "byte":
            return "[]uint8"
        return {"boolean": "bool", "number": "float64", "int-or-string": "int32"}.get(
            self.type, "string"
        )

    def at(self, *path: str) -> Node | None:
        """The node at a path of field names below this one; `*` stands for any item."""
        node: Node | None = self
        for name in path:
            if node is None:
                return None
            node = node.item if name == "*" or node.kind == "map" else node.fields.get(name)
        return node


def _key_defaults(schema: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    """The defaults of a list's key fields: as the schema has them, if it is a custom kind's."""
    if not keys:
        return {}
    properties = schema.get("items", {}).get("properties")
    if properties is None:
        return {key: _KEY_DEFAULTS[key] for key in keys if key in _KEY_DEFAULTS}
    defaults = {key: properties.get(key, {}).get("default") for key in keys}
    return {key: default for key, default in defaults.items() if default is not None}


def _shape(schema: Mapping[str, Any]) -> tuple[str, str, str]:
    """The kind, type and format that an ordinary schema describes."""
    type_ = schema.get("type", "")
    if isinstance(type_, list):  # ["string", "null"]: null means absent, so it adds nothing
        type_ = next(name for name in type_ if name != "null")
    if schema.get("x-kubernetes-int-or-string"):
        return "scalar", "int-or-string", ""
    if type_ == "array":
        return "list", "", ""
    if type_ == "object":
        return ("map" if schema.get("additionalProperties") else "struct"), "", ""
    if not type_:
        return ("struct" if "properties" in schema else "any"), "", ""
    return "scalar", type_, schema.get("format", "")


def fresh(empty: Mapping[str, Any]) -> dict[str, Any]:
    """A zero struct of its own."""
    if not empty:
        return {}
    return {name: fresh(each) if type(each) is dict else each for name, each in empty.items()}


@dataclass(frozen=True, slots=True)
class Zeros:
    """What becomes of the fields of a struct that are zero, as its Go type has it.

    Args:
        dropped: the fields whose zero value is left out.
        written: the fields that are always there, by the value that they have then.
    """

    dropped: frozenset[str] = frozenset()
    written: Mapping[str, Any] = field(default_factory=dict)


_KEEP_ALL = Zeros()
"""Of a custom kind: its objects are no Go structs."""


def zero(node: Node) -> Any:
    """What a field that is always written has if it was not sent."""
    match node.kind:
        case "struct":
            return dict(node.zeros.written)
        case "scalar":
            zeros: dict[str, Any] = {"string": "", "boolean": False, "quantity": "0"}
            return zeros.get(node.type, None if node.type == "date-time" else 0)
    return None


class Schemas:
    """A set of definitions, and the kinds among them.

    Args:
        definitions: OpenAPI schemas by name.
    """

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions
        self._nodes: dict[str, Node] = {}
        self._fields: dict[str, Mapping[str, Node]] = {}
        self._zeros: dict[str, Zeros] = {}

    @cached_property
    def _kinds(self) -> Mapping[tuple[str, str], tuple[str, str, str, str]]:
        """Definition, group, version and kind by apiVersion and kind."""
        found = {}
        for name, schema in self.definitions.items():
            for gvk in schema.get("x-kubernetes-group-version-kind", ()):
                group, version, kind = gvk["group"], gvk["version"], gvk["kind"]
                found[join_api_version(group, version), kind] = (
                    name,
                    group,
                    version,
                    kind,
                )
        return found

    def kinds(self) -> Iterable[tuple[str, str, str]]:
        """Group, version and kind of everything that has a schema, lists and options too."""
        return [tuple_[1:] for tuple_ in self._kinds.values()]

    def node(self, api_version: str, kind: str) -> Node | None:
        """The type of a kind, or None if there is no schema for it."""
        found = self._kinds.get((api_version, kind))
        return None if found is None else self.definition(found[0])

    def definition(self, name: str) -> Node:
        """The type that a definition describes."""
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = Node({"$ref": f"#/$defs/{name}"}, self)
        return node

    def fields(self, definition: str, schema: Mapping[str, Any]) -> Mapping[str, Node]:
        """The fields of a struct, made once for each definition."""
        fields = self._fields.get(definition) if definition else None
        if fields is None:
            properties = schema.get("properties", {})
            fields = {name: Node(inner, self) for name, inner in properties.items()}
            if definition:
                self._fields[definition] = fields
        return fields

    def zeros(self, struct: Node) -> Zeros:
        """What becomes of the zero fields of a struct, found out once for each definition."""
        zeros = self._zeros.get(struct.definition)
        if zeros is None:
            zeros = self._zeros[struct.definition] = _zeros(struct)
        return zeros


def _zeros(struct: Node) -> Zeros:
    """The rule of `field_kinds`, for every field of a struct."""
    kinds, required = field_kinds.fields(struct.definition), struct.required
    dropped: set[str] = set()
    written: dict[str, Any] = {}
    for name, node in struct.fields.items():
        mark = kinds[name].marks if name in kinds else ""
        is_written = (name in required and "~" not in mark) or "!" in mark
        if "*" in mark:
            if "!" in mark:
                written[name] = None
        elif "0" in mark:
            dropped.add(name)
        elif is_written or node.kind == "struct" or node.type in _STRUCTS:
            if node.kind != "any":
                written[name] = zero(node)
            if node.kind in ("list", "map"):
                dropped.add(name)  # an empty one is written as null
        else:
            dropped.add(name)
    return Zeros(frozenset(dropped), written)


_STRUCTS = ("date-time", "int-or-string", "quantity")
"""Scalars that are structs in Go, and so never empty to `omitempty`."""


@cache
def builtin() -> Schemas:
    """The schemas of Kubernetes itself, read once per process.

    Source: `kubernetes-validate`, which derives them from the API server's OpenAPI document.
    """
    # Found rather than imported: the package's own imports would cost more than its data.
    spec = find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("kubernetes_validate")
    folder = Path(spec.submodule_search_locations[0], "kubernetes-json-schema")
    document = (folder / f"v{KUBERNETES_VERSION}.0-local" / "_definitions.json").read_bytes()
    return Schemas(json.loads(document)["$defs"])


@dataclass(frozen=True, slots=True)
class Fault:
    """One value that does not fit its schema.

    Args:
        path: where, such as `spec.template.spec.containers[0].image`.
        reason: FieldValueTypeInvalid or FieldValueRequired.
        message: the decoder's sentence, as the real server passes it on.
        expected: the Go type that was expected.
    """

    path: str
    reason: str
    message: str
    expected: str = ""


@dataclass(slots=True)
class Findings:
    """What is wrong with a body. Only `missing` is no matter of decoding: the real server's
    decoder lets a built-in object pass without its required fields, and validation complains."""

    unknown: list[str] = field(default_factory=list)
    """Paths of fields that the schema does not have."""
    invalid: list[Fault] = field(default_factory=list)
    """Values of the wrong type."""
    missing: list[Fault] = field(default_factory=list)
    """Required fields that are not there."""
    as_sent: bool = False
    """Whether zero values are to stay as they were sent."""

    @property
    def warnings(self) -> list[str]:
        """Each unknown field in the words of the strict decoder."""
        return [f'unknown field "{path}"' for path in self.unknown]

    def __bool__(self) -> bool:
        return bool(self.unknown or self.invalid or self.missing)


def check(obj: Object, node: Node) -> Findings:
    """What keeps an object from being of a type."""
    return decode(obj, node)[1]


def decode(
    obj: Object, node: Node, *, known: Mapping[str, Any] | None = None, as_sent: bool = False
) -> tuple[Object, Findings]:
    """An object as the API server's decoder leaves it, and what the decoder has to say.

    Unknown fields are dropped, null means absent, quantities and times take their canonical
    spelling (`cpu: 1` becomes `"1"`), and zero values go or come as the Go types have it (see
    `field_kinds`). Values of the wrong type stay as they are. An object that is decoded already is
    shared, not copied.

    Args:
        obj: the object.
        node: its type.
        known: an object that was decoded before; a field that is the same there is not looked at.
        as_sent: leave zero values alone, as in an apply configuration, where they are stated.

    Source: sigs.k8s.io/json, strict mode, and the UnmarshalJSON methods of apimachinery.
    """
    findings = Findings(as_sent=as_sent)
    if known is None or type(obj) is not dict:
        return cast(Object, _decode(obj, node, None, findings)), findings
    shared = {key for key, value in obj.items() if key in known and value is known[key]}
    return _struct(obj, node, None, findings, shared), findings


# Where a walk is: the place above, a field's name or a list's index, and the struct it is in.
_At = tuple[Any, str | int, Node | None] | None


def _decode(value: Any, node: Node, at: _At, findings: Findings) -> Any:
    match node.kind:
        case "scalar":
            return _scalar(value, node, at, findings)
        case "struct":
            if type(value) is not dict:
                return _mismatch(value, node, at, findings)
            return _struct(value, node, at, findings)
        case "map":
            item = node.item
            if type(value) is not dict or item is None:
                return _mismatch(value, node, at, findings)
            if item.type == "string" and not item.format:  # labels, annotations, data
                for inner in value.values():
                    if type(inner) is not str:
                        break
                else:
                    return value
            changed = None
            for key, inner in value.items():
                new = _inner(inner, item, (at, key, None), findings)
                if new is not inner:
                    changed = dict(value) if changed is None else changed
                    changed[key] = new
            return value if changed is None else changed
        case "list":
            item = node.item
            if type(value) is not list or item is None:
                return _mismatch(value, node, at, findings)
            result = None
            for index, inner in enumerate(value):
                new = _inner(inner, item, (at, index, None), findings)
                if new is not inner:
                    result = list(value) if result is None else result
                    result[index] = new
            return value if result is None else result
    return value


def _inner(value: Any, item: Node, at: _At, findings: Findings) -> Any:
    """A map's value or a list's item, where null cannot be absent: it becomes the zero value."""
    if value is not None:
        return _decode(value, item, at, findings)
    if item.kind == "scalar":
        return {
            "integer": 0,
            "number": 0,
            "boolean": False,
            "int-or-string": 0,
            "quantity": "0",
        }.get(item.type, "" if item.type == "string" else None)
    empty: Any = {"struct": {}, "map": {}, "list": []}.get(item.kind)
    return _decode(empty, item, at, findings) if item.kind == "struct" else empty


def _struct(
    value: dict[str, Any],
    node: Node,
    at: _At,
    findings: Findings,
    shared: Set[str] = frozenset(),
) -> dict[str, Any]:
    fields, zeros = node.fields, _KEEP_ALL if findings.as_sent else node.zeros
    dropped, written = zeros.dropped, zeros.written
    changed = None
    for name, inner in value.items():
        child = fields.get(name)
        if (child is None and node.open) or name in shared:
            continue
        if child is None:
            findings.unknown.append(_path((at, name, node)))
            new = None
        elif inner is None or (child.type == "string" and type(inner) is str and not child.format):
            new = inner  # most of what a body holds
        else:
            new = _decode(inner, child, (at, name, node), findings)
        if new is None and written.get(name, 0) is None:
            continue  # null already, as it is to be
        if new is None or (not new and name in dropped):
            changed = dict(value) if changed is None else changed
            del changed[name]
        elif new is not inner:
            changed = dict(value) if changed is None else changed
            changed[name] = new
    value = value if changed is None else changed
    for name in node._schema.get("required", ()):
        if name not in value:
            message = f"Required value: {_path((at, name, node))}"
            findings.missing.append(Fault(_path((at, name, node)), "FieldValueRequired", message))
    for name, empty in written.items():
        if name not in value:
            value = changed = dict(value) if changed is None else changed
            value[name] = fresh(empty) if type(empty) is dict else empty
    return value


_INT_RANGE = {"int32": (-(2**31), 2**31 - 1)}
_INT64 = (-(2**63), 2**63 - 1)


def _scalar(value: Any, node: Node, at: _At, findings: Findings) -> Any:
    python = type(value)
    match node.type:
        case "string":
            if python is str:
                if node.format == "byte":
                    _check_base64(value, at, findings)
                return value
        case "integer":
            if python is int:
                low, high = _INT_RANGE.get(node.format, _INT64)
                if low <= value <= high:
                    return value
                return _mismatch(value, node, at, findings, found=f"number {value}")
        case "boolean":
            if python is bool:
                return value
        case "number":
            if python is float or python is int:
                return value
        case "int-or-string":
            if python is str or python is int:
                return value
        case "quantity":
            if python is str or python is int or python is float:
                try:
                    spelling = quantity.canonical(value)
                except ApiError as error:
                    return _blame(value, at, error.message, findings)
                return value if spelling == value else spelling
        case "date-time":
            if python is str:
                return _time(value, node, at, findings)
    return _mismatch(value, node, at, findings)


_SECONDS = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\dZ", re.ASCII)
_RFC3339 = "2006-01-02T15:04:05Z07:00"


def _time(value: str, node: Node, at: _At, findings: Findings) -> str:
    """An instant as the server writes it: UTC, in the precision of its type."""
    if node.format == "seconds" and _SECONDS.fullmatch(value):
        return value
    try:
        instant = datetime.fromisoformat(value)
        if "T" not in value or instant.tzinfo is None:
            raise ValueError(value)
    except ValueError:
        text = f'parsing time "{value}" as "{_RFC3339}": cannot parse "{value}" as "2006"'
        return cast(str, _blame(value, at, text, findings))
    seconds = instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=node.format)
    return value if f"{seconds}Z" == value else f"{seconds}Z"


def _check_base64(value: str, at: _At, findings: Findings) -> None:
    """Bytes travel as base64."""
    bad = base64_fault(value)
    if bad is not None:
        _blame(value, at, f"illegal base64 data at input byte {bad}", findings)


def _mismatch(value: Any, node: Node, at: _At, findings: Findings, found: str = "") -> Any:
    """Report a value of the wrong type, in the words of Go's JSON decoder."""
    if not found:
        found = {
            dict: "object",
            list: "array",
            str: "string",
            bool: "bool",
            int: "number",
        }.get(type(value), "number")
        if type(value) is float and node.type == "integer":
            found = f"number {value}"
    steps = [(name, struct) for name, struct in _steps(at) if struct is not None]
    where = "Go value"
    if steps:
        struct = steps[-1][1].go_type.rpartition(".")[2]
        where = f"Go struct field {struct}.{'.'.join(str(name) for name, _ in steps)}"
    message = f"json: cannot unmarshal {found} into {where} of type {node.go_type}"
    findings.invalid.append(Fault(_path(at), "FieldValueTypeInvalid", message, node.go_type))
    return value


def _blame(value: Any, at: _At, message: str, findings: Findings) -> Any:
    """Report a value that a type's own decoder refuses."""
    findings.invalid.append(Fault(_path(at), "FieldValueTypeInvalid", message))
    return value


def _steps(at: _At) -> list[tuple[str | int, Node | None]]:
    """The steps of a walk from the root down."""
    steps: list[tuple[str | int, Node | None]] = []
    while at is not None:
        at, token, struct = at
        steps.append((token, struct))
    return steps[::-1]


def _path(at: _At) -> str:
    """A place as Kubernetes writes it."""
    text = ""
    for token, _ in _steps(at):
        text += f"[{token}]" if isinstance(token, int) else f".{token}"
    return text.removeprefix(".")
