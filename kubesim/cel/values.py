"""Custom objects as expressions see them: by their schema, and with names that CEL can spell.

Only what the schema names can be reached. Where a name is none in CEL, it is spelled otherwise:
`namespace` is `__namespace__`, `foo.bar-baz` is `foo__dot__bar__dash__baz`.

Source: apiserver `pkg/cel/{escaping,types}.go` and `pkg/cel/common/values.go` (Kubernetes 1.37).
Different from there: a date-time or a duration stays a text (`timestamp(self.at)` works in both),
and equality and `+` of lists take no notice of `x-kubernetes-list-type`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kubesim.cel.programs import Program, failure
from kubesim.cel.syntax import Expr

Schema = Mapping[str, Any]

_RESERVED = frozenset(
    "as break const continue else false for function if import in let loop namespace null package "
    "return true var void while".split()
)
_SIGNS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_SIGN = re.compile(r"__|[./-]")
_NAME = re.compile(r"[a-zA-Z_][\w./-]*", re.ASCII)

PLAIN = "plain"
"""Marks a schema of the server's own, whose names are spelled as they are."""

_TEXT: Schema = {"type": "string"}
_HEADER = {
    "apiVersion": _TEXT,
    "kind": _TEXT,
    "metadata": {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}},
}
"""What of an object's header rules can always see."""


@lru_cache(maxsize=4096)
def escaped(name: str) -> str:
    """A property's name as expressions spell it; empty if they cannot."""
    if not _NAME.fullmatch(name):
        return ""
    if name in _RESERVED:
        return f"__{name}__"
    return _SIGN.sub(lambda found: _SIGNS[found[0]], name)


def fields(schema: Schema, *, is_root: bool = False) -> Mapping[str, Schema]:
    """The schemas of a struct's fields, those of an object's header among them."""
    own: Mapping[str, Schema] = schema.get("properties") or {}
    if is_root or schema.get("x-kubernetes-embedded-resource"):
        return {**own, **_HEADER}
    return own


def value(given: Any, schema: Schema, *, is_root: bool = False) -> Any:
    """A value as expressions see it.

    Args:
        given: the value, as in the object.
        schema: of its place.
        is_root: whether it is a whole object.
    """
    match given:
        case dict():
            named, rest = fields(schema, is_root=is_root), schema.get("additionalProperties")
            if isinstance(rest, Mapping):
                return {name: value(inner, rest) for name, inner in given.items()}
            return {
                escaped(name): value(inner, named[name])
                for name, inner in given.items()
                if name in named and (inner is not None or named[name].get("nullable"))
            }
        case list():
            items = schema.get("items") or {}
            return [value(each, items) for each in given]
        case int() if schema.get("type") == "number" and not isinstance(given, bool):
            return float(given)
    return given


def whole(schema: Schema) -> Schema:
    """The schema of a whole object, with what rules can see of its header."""
    return {**schema, "properties": fields(schema, is_root=True)}


_TYPES = {"boolean": "bool", "integer": "int", "number": "double", "string": "string"}


def check(program: Program, known: Mapping[str, Schema]) -> str:
    """See that an expression reaches only for fields that its variables have.

    Args:
        program: the expression.
        known: the schemas of variables; of one that is not among them, nothing is known.

    Returns:
        The type of its value, as far as it is a field; else what the program itself says.

    Raises:
        CompileError: `undefined field`, as the server words it.
    """
    found = schema_of(program, known)
    return _TYPES.get(found.get("type", ""), program.type)


def schema_of(program: Program, known: Mapping[str, Schema]) -> Schema:
    """The schema of an expression's value, empty if nothing is known of it (see `check`)."""
    return _schema_of(program.tree, known, program.text)


def _schema_of(expr: Expr, known: Mapping[str, Schema], text: str) -> Schema:
    """The schema of an expression's value, empty if nothing is known of it."""
    if expr.kind == "name":
        return known.get(expr.name, {})
    if expr.kind == "loop":
        run, first, condition, step, result = expr.children
        of = _schema_of(run, known, text)
        items = of.get("items")
        inner: dict[str, Schema] = {**known, **{name: {} for name in expr.bound}}
        if len(expr.bound) == 2 and isinstance(items, Mapping):
            inner[expr.bound[0]] = items
        for each in (first, condition, step, result):
            _schema_of(each, inner, text)
        return of if _keeps(step, expr.bound[0]) else {}
    below = [_schema_of(child, known, text) for child in expr.children]
    if expr.kind == "select":
        found = _field(below[0], expr.name, expr.at, text)
        return {} if expr.is_test else found
    if expr.name in _OPERATORS:
        _check_operands(expr, below, text)
    if expr.kind == "call" and expr.name in ("_?._", "_[?_]", "_[_]") and below:
        of = below[0]
        if isinstance(of.get("items"), Mapping):
            return dict(of["items"])
        if expr.name != "_[_]" and "properties" in of:
            return _field(of, expr.children[1].name, expr.at, text)
    return {}


_NUMBERS = frozenset({"int", "uint", "double"})
_LOGICAL = frozenset({"_&&_", "_||_", "!_"})
_ORDERING = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
_OPERATORS = _LOGICAL | _ORDERING | {"_==_", "_!=_", "_+_", "_-_", "_*_", "_/_", "_%_"}


def _check_operands(expr: Expr, schemas: list[Schema], text: str) -> None:
    """The compiler takes a field for anything; its schema knows better."""
    types = [
        _TYPES.get(schema.get("type", "")) or each.type
        for each, schema in zip(expr.children, schemas, strict=True)
    ]
    if not all(types):
        return
    different = set(types)
    fits = different == {"bool"} if expr.name in _LOGICAL else len(different) == 1
    if not fits and not (expr.name in _ORDERING and different <= _NUMBERS):
        said = f"found no matching overload for '{expr.name}' applied to '({', '.join(types)})'"
        raise failure(text, expr.at, said)


def _field(of: Schema, name: str, at: int, text: str) -> Schema:
    rest = of.get("additionalProperties")
    if isinstance(rest, Mapping):
        return rest
    named = fields(of)
    for own, schema in named.items():
        if name == (own if of.get(PLAIN) else escaped(own)):
            return schema
    if named or PLAIN in of:
        raise failure(text, at, f"undefined field '{name}'")
    return {}


def _keeps(step: Expr, variable: str) -> bool:
    """Whether a loop gathers the items themselves, as `filter` does."""
    return any(
        each.kind == "list" and [inner.name for inner in each.children] == [variable]
        for each in step.walk()
    )
