"""The columns of custom resources: what a CRD's additionalPrinterColumns say.

Source: apiextensions-apiserver `pkg/registry/customresource/tableconvertor`. Of JSONPath there is
what such columns may hold: fields, indices, all items, and items by what a field of theirs is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from gitops_lab.apiserver.http.columns.column import AGE, NAME, Column, since
from gitops_lab.errors import ApiError
from gitops_lab.model import Object

Step = Callable[[Any], Iterable[Any]]
"""Leads from a value to those below it."""

_STEP = re.compile(
    r"""
    \.(?P<field>(?:\\.|[^.\[\]\\])+)                 # .name, with \. for a dot in it
    | \[\s*(?P<index>-?\d+)\s*\]                     # [0]
    | \[\s*(?P<all>\*)\s*\]                          # [*]
    | \[\s*(?P<quote>['"])(?P<key>.+?)(?P=quote)\s*\]        # ['name']
    | \[\?\(\s*@(?P<path>(?:\.(?:\\.|[^.\[\]\\=!\s])+)+)\s*  # [?(@.type=="Ready")]
      (?P<operator>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[\w.-]+)\s*\)\]
    """,
    re.VERBOSE | re.ASCII,
)


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
        first = next(find(obj, path), None)
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
                return "<invalid>"
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
    if parts["field"] is not None:
        return _below(_plain(parts["field"]))
    if parts["key"] is not None:
        return _below(parts["key"])
    if parts["index"] is not None:
        index = int(parts["index"])
        return lambda value: (
            [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []
        )
    if parts["all"] is not None:
        return lambda value: (
            value
            if isinstance(value, list)
            else list(value.values())
            if isinstance(value, Mapping)
            else []
        )
    return _filter(parts["path"], parts["operator"] == "==", _literal(parts["value"]))


def _plain(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _below(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, Mapping) and name in value else []


def _filter(path: str, equal: bool, wanted: Any) -> Step:
    def step(value: Any) -> Iterable[Any]:
        items = value if isinstance(value, list) else []
        return [each for each in items if (wanted in find(each, path)) == equal]

    return step
