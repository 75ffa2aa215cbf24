"""The columns of custom resources: what a CRD's additionalPrinterColumns say.

Source: apiextensions-apiserver `pkg/registry/customresource/tableconvertor`, and client-go
`util/jsonpath`. Of JSONPath there is what columns are made of: fields, indices, slices, all items,
all that is further below, and items by what a field of theirs is.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from kubesim.errors import ApiError
from kubesim.http.columns.column import AGE, NAME, Column, since
from kubesim.model import Object

Step = Callable[[Any], Iterable[Any]]
"""Leads from a value to those below it."""

INVALID = "<invalid>"
"""What a cell says if its column cannot be read, or its value not as the column's type."""

_STEP = re.compile(
    r"""
    \.\.(?P<below>(?:\\.|[^.\[\]\\])+)              # ..name, however far below
    | \.?\[\s*(?P<all>\*)\s*\] | \.(?P<every>\*)    # [*] and .*
    | \.(?P<field>(?:\\.|[^.\[\]\\*])+)             # .name, with \. for a dot in it
    | \[\s*(?P<index>-?\d+)\s*\]                    # [0]
    | \[\s*(?P<start>-?\d*)\s*:\s*(?P<end>-?\d*)\s*\]         # [0:2]
    | \[\s*(?P<quote>['"])(?P<key>.+?)(?P=quote)\s*\]         # ['name']
    | \[\?\(\s*@(?P<path>(?:\.(?:\\.|[^.\[\]\\=!<>)\s])+)+)\s*  # [?(@.type=="Ready")]
      (?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>"[^"]*"|'[^']*'|[\w.+-]+)\s*)?\)\]
    """,
    re.VERBOSE | re.ASCII,
)

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def custom_columns(definitions: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns of a custom resource.

    Args:
        definitions: of the CRD's version: CustomResourceColumnDefinition objects. If there are
            none, the age is shown.
    """
    return (NAME, *map(_column, definitions)) if definitions else (NAME, AGE)


def _column(definition: Mapping[str, Any]) -> Column:
    path, type_ = definition["jsonPath"], definition["type"]

    def cell(obj: Object, now: float) -> Any:
        try:
            first = next(find(obj, path), None)
        except ApiError:  # one unreadable column must not hide all others
            return INVALID
        return None if first is None else _shown(first, type_, now)

    return Column(
        definition["name"],
        cell,
        type=type_,
        wide=definition.get("priority", 0) > 0,
        format=definition.get("format", ""),
        description=definition.get("description", ""),
    )


def _shown(value: Any, type_: str, now: float) -> Any:
    """A value as a cell of a type; None if it is of another."""
    match type_:
        case "string":
            return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        case "date":
            try:
                return since(value, now)
            except (ValueError, TypeError):
                return INVALID
        case "boolean":
            return value if isinstance(value, bool) else None
        case "integer" | "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            return int(value) if type_ == "integer" else value
    return None


def find(obj: Any, path: str) -> Iterator[Any]:
    """What a JSONPath such as `.status.conditions[?(@.type=="Ready")].status` leads to, in order.

    Raises:
        ApiError: 400 BadRequest: the path is none of those that are understood here.
    """
    values: Iterable[Any] = [obj]
    for step in steps(path):
        values = [below for value in values for below in step(value)]
    return iter(values)


@lru_cache(maxsize=1024)
def steps(path: str) -> tuple[Step, ...]:
    """The steps of a JSONPath.

    Raises:
        ApiError: 400 BadRequest: the path is none of those that are understood here.
    """
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    text = text.removeprefix("$")
    found, position = [], 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ApiError(400, "BadRequest", f"invalid JSONPath {path!r} at {text[position:]!r}")
        found.append(_step(match))
        position = match.end()
    return tuple(found)


def _step(match: re.Match[str]) -> Step:
    parts = match.groupdict()
    if parts["below"] is not None:
        return lambda value: _anywhere(value, _plain(parts["below"]))
    if parts["field"] is not None:
        return _field(_plain(parts["field"]))
    if parts["key"] is not None:
        return _field(parts["key"])
    if parts["all"] is not None or parts["every"] is not None:
        return _children
    if parts["path"] is not None:
        return _filter(parts["path"], parts["operator"], parts["value"])
    if parts["index"] is not None:
        start = int(parts["index"])
        return _slice(start, start + 1 or None)
    return _slice(*(int(parts[name]) if parts[name] else None for name in ("start", "end")))


def _plain(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _field(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, Mapping) and name in value else []


def _slice(start: int | None, end: int | None) -> Step:
    return lambda value: value[start:end] if isinstance(value, list) else []


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else []


def _anywhere(value: Any, name: str) -> Iterator[Any]:
    yield from _field(name)(value)
    for child in _children(value):
        yield from _anywhere(child, name)


def _filter(path: str, sign: str | None, text: str | None) -> Step:
    """The items that have a field, or one that compares so with a value."""

    def chosen(item: Any) -> bool:
        found = find(item, path)
        if sign is None or text is None:
            return any(True for _ in found)
        return any(_compares(each, sign, _literal(text)) for each in found)

    return lambda value: [each for each in _children(value) if chosen(each)]


def _compares(value: Any, sign: str, wanted: Any) -> bool:
    try:
        return _OPERATORS[sign](value, wanted)
    except TypeError:  # a text is neither more nor less than a number
        return False


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text
