"""YAML and JSON text into JSON values, read as kubectl reads it, and with nothing lost in silence.

What YAML means is in `kubesim.yaml`. This is stricter than kubectl, since what it accepts without
a word hides mistakes: a key that occurs twice, a key that YAML does not read as a string, and a tag
that JSON has no type for are all refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any

import yaml

from gitops_lab.errors import RenderError
from kubesim.yaml import (
    MAX_DEPTH,
    MAX_NODES,
    TAG,
    YamlFault,
    YamlReader,
    as_json,
    check_depth,
    duplicate,
    plain,
    text_of,
    too_deep,
)

__all__ = ["MAX_DEPTH", "MAX_NODES", "Document", "dump", "read"]

_SYNTAX = "correct the syntax there, or just before"

CACHED_BYTES = 64 * 1024
"""Files up to this size are remembered: most of them are the same in the next revision."""


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
    except YamlFault as fault:
        where = f"{name}, {fault.where}" if fault.where else name
        raise RenderError(fault.what, where=where, fix=fault.fix) from None


class _Fault(YamlFault):
    """A fault in JSON, at a place that its parser names."""

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what, fix=fix)
        self._where = where

    @property
    def where(self) -> str:
        """Line and column; empty if they are not known."""
        return self._where


def _parse(content: bytes, is_json: bool) -> tuple[Document, ...]:
    try:
        text = text_of(content)
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
        return self.represent_scalar(TAG + "str", text, style=style)


_Dumper.add_representer(str, _Dumper.string)


def _reads_as_itself(text: str) -> bool:
    try:
        return bool(plain(text, None) == text)
    except YamlFault:
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
        raise _Fault(f"this is not JSON: {error.msg}", where=where, fix=_SYNTAX) from None
    except RecursionError:
        raise too_deep() from None
    check_depth(value, 0)
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
            raise duplicate(key)
        result[key] = value
    return result


def _integer(digits: str) -> int | float:
    # A float ends at 309 digits, and Python refuses to read some thousands as an integer.
    return as_json(int(digits)) if len(digits) < 309 else _refuse(digits[:20] + "…")


def _float(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


def _refuse(number: str) -> float:
    raise _Fault(f"{number} is not a number that JSON can hold")


# -- YAML ---------------------------------------------------------------------------------------


def _from_yaml(text: str) -> list[Document]:
    return [Document(*found) for found in YamlReader(text).documents()]
