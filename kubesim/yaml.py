"""YAML into JSON values, as Kubernetes reads it, with limits that hold while it is read.

kubectl and the API server read YAML 1.1 by way of sigs.k8s.io/yaml (source: its
goyaml.v2/resolve.go), and so does this:

- `y`, `yes`, `on` and the like are booleans; PyYAML alone would leave `y` and `n` strings.
- A date or a time stays a string, and `12:30:45` is not a number of base sixty.
- `0644` and `0o644` are octal, `1_000` is a thousand, `1e3` is a number without a dot.
- A number without a fraction becomes an integer, and one that 64 bits cannot hold a float,
  because that is what JSON makes of them on the way to the API server.
- A byte order mark is skipped before any document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
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

from kubesim.model import copied

MAX_DEPTH = 200
"""Levels of nesting. The deepest CustomResourceDefinitions in use have some forty."""

MAX_NODES = 500_000
"""Keys and values in one text with its aliases spelled out: a few lines must not fill memory."""

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

TAG = "tag:yaml.org,2002:"
"""What the names of YAML's own types begin with."""

_TYPES: dict[str, type | tuple[type, ...]] = {
    TAG + "bool": bool,
    TAG + "float": (int, float),
    TAG + "int": int,
    TAG + "null": type(None),
}


_SYNTAX = "correct the syntax there, or just before"


class YamlFault(ValueError):
    """The first fault in a text.

    Args:
        what: the fault, in one sentence.
        mark: where it is, with `line` and `column` counted from 0; None if that is not known.
        fix: what to do about it; empty if the fault says enough.
    """

    def __init__(self, what: str, mark: Any = None, *, fix: str = "") -> None:
        super().__init__(what)
        self.what, self.mark, self.fix = what, mark, fix

    @property
    def where(self) -> str:
        """Line and column, counted from 1; empty if they are not known."""
        return f"line {self.mark.line + 1}, column {self.mark.column + 1}" if self.mark else ""


class TooMany(YamlFault):
    """More keys and values than allowed."""


@dataclass(frozen=True)
class Duplicate:
    """A key that its mapping has already.

    Args:
        key: the key.
        line: where it is named again, counted from 1.
    """

    key: str
    line: int


def text_of(content: bytes) -> str:
    """The characters of a text without its byte order marks. Raises UnicodeDecodeError."""
    return _MARKS.sub(lambda found: found[1] or "", content.decode("utf-8-sig"))


class YamlReader:
    """Builds values straight from the parser's events, so that each limit bites as it is met.

    Args:
        text: the text.
        lenient: keep the last of several values of a key and note the others in `duplicates`, and
            make strings of keys that are none, as the API server does; else refuse both.
        most: how many keys and values there may be, with aliases spelled out.
    """

    def __init__(self, text: str, *, lenient: bool = False, most: int = MAX_NODES) -> None:
        self.duplicates: list[Duplicate] = []
        self._events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)
        self._lenient, self._most = lenient, most
        self._nodes = 0
        self._anchors: dict[str, tuple[Any, int]] = {}

    def documents(self) -> Iterator[tuple[int, int, Any]]:
        """Number and first line of each document, both counted from 1, and its value.

        Raises:
            YamlFault: the first fault in the text.
        """
        try:
            yield from self._documents()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = ", ".join(filter(None, (error.context, error.problem)))
            raise YamlFault(f"this is not YAML: {problem}", mark, fix=_SYNTAX) from None
        except yaml.YAMLError as error:
            problem = " ".join(str(error).split())
            raise YamlFault(f"this is not YAML: {problem}", fix=_SYNTAX) from None

    def _documents(self) -> Iterator[tuple[int, int, Any]]:
        number = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                number += 1
                self._anchors = {}
                root: Any = next(self._events)
                yield number, root.start_mark.line + 1, self._value(root, 0)

    def _value(self, event: Event, depth: int) -> Any:
        """The value that begins with this event; afterwards the events stand behind its end."""
        before = self._nodes
        self._count(1, event)
        if depth >= MAX_DEPTH:
            raise too_deep(event.start_mark)
        result: Any
        if isinstance(event, ScalarEvent):
            result = _scalar(event)
        elif isinstance(event, MappingStartEvent):
            _refuse_tag(event, "map")
            result = self._mapping(depth)
        elif isinstance(event, SequenceStartEvent):
            _refuse_tag(event, "seq")
            result = []
            while not isinstance(item := next(self._events), SequenceEndEvent):
                result.append(self._value(item, depth + 1))
        else:
            assert isinstance(event, AliasEvent)
            return self._alias(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = (result, self._nodes - before)
        return result

    def _mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        while not isinstance(event := next(self._events), MappingEndEvent):
            if isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]:
                merged += self._merge(depth)
                continue
            key = self._value(event, depth + 1)
            if not isinstance(key, str) and self._lenient:
                key = _key(key, event.start_mark)
            if not isinstance(key, str):
                spelled = event.value if isinstance(event, ScalarEvent) else "this"
                raise YamlFault(
                    f"the key {spelled!r} is not a string", event.start_mark, fix="put it in quotes"
                )
            if key in result:
                if not self._lenient:
                    raise duplicate(key, event.start_mark)
                self.duplicates.append(Duplicate(key, _line(event)))
            result[key] = self._value(next(self._events), depth + 1)
        for other in merged:
            result = {**other, **result}
        return result

    def _merge(self, depth: int) -> list[dict[str, Any]]:
        """What `<<` brings in, the strongest first."""
        event = next(self._events)
        value = self._value(event, depth + 1)
        others = value if isinstance(value, list) else [value]
        if not all(isinstance(other, dict) for other in others):
            raise YamlFault("'<<' merges mappings, and this is none", event.start_mark)
        return others

    def _alias(self, event: AliasEvent, depth: int) -> Any:
        if event.anchor not in self._anchors:
            raise YamlFault(
                f"the alias *{event.anchor} has no anchor before it, or stands within its own",
                event.start_mark,
            )
        value, nodes = self._anchors[event.anchor]
        self._count(nodes, event)
        check_depth(value, depth, event.start_mark)
        return copied(value)

    def _count(self, nodes: int, event: Event) -> None:
        self._nodes += nodes
        if self._nodes > self._most:
            raise TooMany(
                f"this spells out to more than {self._most:,} values",
                event.start_mark,
                fix="use fewer aliases, or split the file",
            )


def _scalar(event: ScalarEvent) -> Any:
    if event.tag in ("!", TAG + "str"):
        return event.value
    if event.implicit[0]:
        return plain(event.value, event.start_mark)
    if event.implicit[1]:
        return event.value
    if event.tag in _TYPES:
        value = plain(event.value, event.start_mark)
        if isinstance(value, _TYPES[event.tag]):
            return value
        raise YamlFault(
            f"{event.value!r} is no {event.tag.removeprefix(TAG)}, as its tag says",
            event.start_mark,
        )
    raise _unknown_tag(event)


def plain(text: str, mark: Any) -> Any:
    """What a scalar without quotes and tag means."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_JSON.fullmatch(text):
        raise YamlFault(
            f"{text} is not a number that JSON can hold", mark, fix="put it in quotes if it is text"
        )
    digits = text.replace("_", "")
    if match := _INTEGER.fullmatch(digits):
        base = next(base for base in _BASES if match[base] is not None)
        if len(match[base]) < 250:  # what a float holds still, in base sixteen too
            return as_json(int(match["sign"] + match[base], _BASES[base]))
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return as_json(number) if isfinite(number) else text
    return text


def as_json(number: float) -> int | float:
    """A number as the API server gets it: an integer if it is one and 64 bits can hold it."""
    if number == int(number) and -(2**63) <= number < 2**63:
        return int(number)
    return float(number)


def _line(event: Event) -> int:
    """The line on which an event begins, counted from 1."""
    return event.start_mark.line + 1 if event.start_mark else 0


def _key(key: Any, mark: Any) -> str:
    """A key that is no string, as sigs.k8s.io/yaml makes one of it."""
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, int | float):
        return f"{key:g}" if isinstance(key, float) else str(key)
    kind = "null" if key is None else "map" if isinstance(key, dict) else "list"
    raise YamlFault(f"a {kind} cannot be a key", mark)


def _refuse_tag(event: MappingStartEvent | SequenceStartEvent, kind: str) -> None:
    if event.tag not in (None, "!", TAG + kind):
        raise _unknown_tag(event)


def _unknown_tag(event: Any) -> YamlFault:
    tag = event.tag.replace(TAG, "!!")
    fix = "write the value itself; binary data is base64 text"
    return YamlFault(f"the tag {tag} has no meaning in a manifest", event.start_mark, fix=fix)


def duplicate(key: str, mark: Any = None) -> YamlFault:
    """A key that its mapping has already."""
    return YamlFault(
        f"the key {key!r} occurs twice in one mapping", mark, fix="keep one of the two"
    )


def check_depth(value: Any, depth: int, mark: Any = None) -> None:
    """Refuse a value that is nested too deeply where it stands. Raises YamlFault."""
    if depth >= MAX_DEPTH:
        raise too_deep(mark)
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            check_depth(item, depth + 1, mark)


def too_deep(mark: Any = None) -> YamlFault:
    """A value that is nested too deeply."""
    return YamlFault(f"this is nested more than {MAX_DEPTH} levels deep", mark)
