"""YAML and JSON text into JSON values, read as kubectl reads it, and with nothing lost in silence.

kubectl reads YAML 1.1 by way of sigs.k8s.io/yaml, and so do we (source: its goyaml.v2/resolve.go):

- `y`, `yes`, `on` and their kin are booleans; PyYAML alone would leave `y` and `n` strings.
- A date or a time stays a string, and `12:30:45` is not a number of base sixty.
- `0644` and `0o644` are octal, `1_000` is a thousand, `1e3` is a number without a dot.
- A number without a fraction becomes an integer, and one that 64 bits cannot hold a float,
  because that is what JSON makes of them on the way to the API server.

Stricter than kubectl, since what it lets pass in silence hides mistakes: a key that occurs twice,
a key that YAML does not read as a string, and a tag that JSON has no type for are all refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from gitops_lab.errors import RenderError
from gitops_lab.model import copied

MAX_DEPTH = 200
"""Levels of nesting. The deepest CustomResourceDefinitions in use have some forty."""

MAX_NODES = 500_000
"""Keys and values in one file with its aliases spelled out: a few lines must not fill memory."""

CACHED_BYTES = 64 * 1024
"""Files up to this size are remembered: most of them are the same in the next revision."""

# libyaml's parser; a PyYAML that was built without it is slower, but reads the same.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, bool | None] = {
    spelling: value
    for value, words in (
        (True, ("y", "yes", "true", "on")),
        (False, ("n", "no", "false", "off")),
        (None, ("", "~", "null")),
    )
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}
# A byte order mark is skipped before any document, as files from Windows are concatenated.
_MARKS = re.compile(r"(?m)^(---[^\n]*\n)\ufeff|^\ufeff(?=---)")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)"
    r"|0[oO]?(?P<octal>[0-7]+)|(?P<decimal>0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}

_TAG = "tag:yaml.org,2002:"
_TYPES: dict[str, type | tuple[type, ...]] = {
    _TAG + "bool": bool,
    _TAG + "float": (int, float),
    _TAG + "int": int,
    _TAG + "null": type(None),
}


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Args:
        number: its place in the file, counted from 1; empty documents count, but are left out.
        line: the line on which its content begins, counted from 1.
        value: JSON values only. They are shared by all who read the same text: never change them.
    """

    number: int
    line: int
    value: Any


def read(content: bytes, name: str) -> tuple[Document, ...]:
    """The documents of a file that are not empty.

    Args:
        content: the file; UTF-8 text.
        name: its path, for errors; `.json` at its end makes it JSON, anything else YAML.

    Raises:
        RenderError: the first fault in the file, with its line.
    """
    parse = _parse if len(content) > CACHED_BYTES else _remembered
    try:
        return parse(content, name.endswith(".json"))
    except _Fault as fault:
        where = f"{name}, {fault.where}" if fault.where else name
        raise RenderError(fault.what, where=where, fix=fault.fix) from None


class _Fault(Exception):
    """A fault in a text whose name is not known here."""

    def __init__(self, what: str, mark: Any = None, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.fix = what, fix
        self.where = where or (f"line {mark.line + 1}, column {mark.column + 1}" if mark else "")


def _parse(content: bytes, is_json: bool) -> tuple[Document, ...]:
    try:
        text = _MARKS.sub(lambda found: found[1] or "", content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _Fault(
            f"this is not text: byte {error.start + 1} is not UTF-8",
            fix="save the file as UTF-8, or give a file that is no manifest another ending",
        ) from None
    found = _from_json(text) if is_json else _from_yaml(text)
    return tuple(document for document in found if document.value is not None)


_remembered = lru_cache(maxsize=1024)(_parse)


def dump(value: Any) -> str:
    """A value as YAML that kubectl reads as the same value."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 would not read as a string, and writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def string(self, text: str) -> yaml.Node:
        style = "|" if "\n" in text else None if _reads_as_itself(text) else "'"
        return self.represent_scalar(_TAG + "str", text, style=style)


_Dumper.add_representer(str, _Dumper.string)


def _reads_as_itself(text: str) -> bool:
    try:
        return bool(_plain(text, None) == text)
    except _Fault:
        return False


# -- JSON ---------------------------------------------------------------------------------------


def _from_json(text: str) -> list[Document]:
    if not text.strip():
        return []
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_refuse,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _Fault(f"this is not JSON: {error.msg}", where=where, fix=_MEND) from None
    except RecursionError:
        raise _too_deep() from None
    _check_depth(value, 0)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _Fault("a string holds half of a surrogate pair, which is no character") from None
    before = text[: len(text) - len(text.lstrip())]
    return [Document(1, before.count("\n") + 1, value)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _duplicate(key)
        result[key] = value
    return result


def _integer(digits: str) -> int | float:
    # A float ends at 309 digits, and Python refuses to read some thousands as an integer.
    return _as_json(int(digits)) if len(digits) < 309 else _refuse(digits[:20] + "…")


def _float(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


def _refuse(number: str) -> float:
    raise _Fault(f"{number} is not a number that JSON can hold")


# -- YAML ---------------------------------------------------------------------------------------


def _from_yaml(text: str) -> list[Document]:
    try:
        return list(_YamlReader(text).documents())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(filter(None, (error.context, error.problem)))
        raise _Fault(f"this is not YAML: {problem}", mark, fix=_MEND) from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise _Fault(f"this is not YAML: {problem}", fix=_MEND) from None


_MEND = "mend the syntax there, or just before"


class _YamlReader:
    """Builds values straight from the parser's events, so that each limit bites as it is met."""

    def __init__(self, text: str) -> None:
        self.events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)
        self.nodes = 0
        self.anchors: dict[str, tuple[Any, int]] = {}

    def documents(self) -> Iterator[Document]:
        number = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                number += 1
                self.anchors = {}
                root: Any = next(self.events)
                yield Document(number, root.start_mark.line + 1, self.value(root, 0))

    def value(self, event: Event, depth: int) -> Any:
        """The value that begins with this event; afterwards the events stand behind its end."""
        before = self.nodes
        self.count(1, event)
        if depth >= MAX_DEPTH:
            raise _too_deep(event.start_mark)
        result: Any
        if isinstance(event, ScalarEvent):
            result = _scalar(event)
        elif isinstance(event, MappingStartEvent):
            _refuse_tag(event, "map")
            result = self.mapping(depth)
        elif isinstance(event, SequenceStartEvent):
            _refuse_tag(event, "seq")
            result = []
            while not isinstance(item := next(self.events), SequenceEndEvent):
                result.append(self.value(item, depth + 1))
        else:
            assert isinstance(event, AliasEvent)
            return self.alias(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = (result, self.nodes - before)
        return result

    def mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        while not isinstance(event := next(self.events), MappingEndEvent):
            if isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]:
                merged += self.merge(depth)
                continue
            key = self.value(event, depth + 1)
            if not isinstance(key, str):
                spelled = event.value if isinstance(event, ScalarEvent) else "this"
                raise _Fault(
                    f"the key {spelled!r} is not a string", event.start_mark, fix="put it in quotes"
                )
            if key in result:
                raise _duplicate(key, event.start_mark)
            result[key] = self.value(next(self.events), depth + 1)
        for other in merged:
            result = {**other, **result}
        return result

    def merge(self, depth: int) -> list[dict[str, Any]]:
        """What `<<` brings in, the strongest first."""
        event = next(self.events)
        value = self.value(event, depth + 1)
        others = value if isinstance(value, list) else [value]
        if not all(isinstance(other, dict) for other in others):
            raise _Fault("'<<' merges mappings, and this is none", event.start_mark)
        return others

    def alias(self, event: AliasEvent, depth: int) -> Any:
        if event.anchor not in self.anchors:
            raise _Fault(
                f"the alias *{event.anchor} has no anchor before it, or stands within its own",
                event.start_mark,
            )
        value, nodes = self.anchors[event.anchor]
        self.count(nodes, event)
        _check_depth(value, depth, event.start_mark)
        return copied(value)

    def count(self, nodes: int, event: Event) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _Fault(
                f"this spells out to more than {MAX_NODES:,} values",
                event.start_mark,
                fix="use fewer aliases, or split the file",
            )


def _scalar(event: ScalarEvent) -> Any:
    if event.tag in ("!", _TAG + "str"):
        return event.value
    if event.implicit[0]:
        return _plain(event.value, event.start_mark)
    if event.implicit[1]:
        return event.value
    if event.tag in _TYPES:
        value = _plain(event.value, event.start_mark)
        if isinstance(value, _TYPES[event.tag]):
            return value
        raise _Fault(
            f"{event.value!r} is no {event.tag.removeprefix(_TAG)}, as its tag says",
            event.start_mark,
        )
    raise _unknown_tag(event)


def _plain(text: str, mark: Any) -> Any:
    """What a scalar without quotes and tag means."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_JSON.fullmatch(text):
        raise _Fault(
            f"{text} is not a number that JSON can hold", mark, fix="put it in quotes if it is text"
        )
    digits = text.replace("_", "")
    if match := _INTEGER.fullmatch(digits):
        base = next(base for base in _BASES if match[base] is not None)
        if len(match[base]) < 250:  # what a float holds still, in base sixteen too
            return _as_json(int(match["sign"] + match[base], _BASES[base]))
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return _as_json(number) if isfinite(number) else text
    return text


def _as_json(number: float) -> int | float:
    """A number as the API server gets it: an integer if it is one and 64 bits can hold it."""
    if number == int(number) and -(2**63) <= number < 2**63:
        return int(number)
    return float(number)


def _refuse_tag(event: MappingStartEvent | SequenceStartEvent, kind: str) -> None:
    if event.tag not in (None, "!", _TAG + kind):
        raise _unknown_tag(event)


def _unknown_tag(event: Any) -> _Fault:
    tag = event.tag.replace(_TAG, "!!")
    fix = "write the value itself; binary data is base64 text"
    return _Fault(f"the tag {tag} has no meaning in a manifest", event.start_mark, fix=fix)


def _duplicate(key: str, mark: Any = None) -> _Fault:
    return _Fault(f"the key {key!r} occurs twice in one mapping", mark, fix="keep one of the two")


def _check_depth(value: Any, depth: int, mark: Any = None) -> None:
    if depth >= MAX_DEPTH:
        raise _too_deep(mark)
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, depth + 1, mark)


def _too_deep(mark: Any = None) -> _Fault:
    return _Fault(f"this is nested more than {MAX_DEPTH} levels deep", mark)
