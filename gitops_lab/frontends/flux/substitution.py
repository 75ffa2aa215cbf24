"""`${variable}` in manifests, as `postBuild` of a Kustomization substitutes it.

Only the form with braces counts, `$${` writes a literal `${`, and an undefined variable without a
default is an error.

Source: fluxcd/pkg/envsubst and fluxcd/pkg/kustomize (kustomize_varsub.go), as in
kustomize-controller 1.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_START = re.compile(r"\$?\$\{")


class Unset(Exception):
    """A variable is not set and has no default; the text is its name."""


class BadSyntax(Exception):
    """What stands in the braces is no substitution."""


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """The text with each `${…}` replaced.

    Args:
        text: what to look through.
        variables: values by name. A newline in a value is dropped.

    Raises:
        Unset: a variable is not set and has no default.
        BadSyntax: a brace is not closed, or a form that does not exist.
    """
    parts, place = [], 0
    while found := _START.search(text, place):
        parts.append(text[place : found.start()])
        end = _closing(text, found.end())
        inner = text[found.end() : end]
        if found[0] == "$${":
            parts.append("${" + inner + "}")
        else:
            parts.append(_value(inner, variables))
        place = end + 1
    return "".join(parts) + text[place:]


def _closing(text: str, start: int) -> int:
    """Where the brace that is open at `start` is closed."""
    depth = 1
    for position in range(start, len(text)):
        if text.startswith("${", position):
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if not depth:
                return position
        elif text[position] == "\n":
            break
    raise BadSyntax("missing closing brace")


def _value(inner: str, variables: Mapping[str, str]) -> str:
    if inner.startswith("#"):
        return str(len(_read(inner[1:], variables)))
    found = NAME.match(inner)
    if not found:
        raise BadSyntax("bad substitution")
    name, rest = found[0], inner[found.end() :]
    if not rest:
        return _read(name, variables)
    default = re.match(r":?[-=+?]", rest)
    if default:
        return _defaulted(name, default[0], rest[default.end() :], variables)
    value = _read(name, variables)
    if rest.startswith(("^", ",")):
        return _cased(value, rest)
    if rest.startswith(("#", "%")):
        return _trimmed(value, rest, variables)
    if rest.startswith("/"):
        return _replaced(value, rest, variables)
    if slice_ := re.fullmatch(r":(-?\d+)(?::(-?\d+))?", rest):
        start, length = int(slice_[1]), slice_[2]
        tail = value[start:]
        return tail if length is None else tail[: int(length)]
    raise BadSyntax("bad substitution")


def _read(name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        raise Unset(name)
    return variables[name].replace("\n", "")


def _defaulted(name: str, operator: str, word: str, variables: Mapping[str, str]) -> str:
    is_set = name in variables and (variables[name] != "" or not operator.startswith(":"))
    if operator.endswith("+"):
        return substitute(word, variables) if is_set else ""
    if is_set:
        return _read(name, variables)
    if operator.endswith("?"):
        raise Unset(name)
    return substitute(word, variables)


def _cased(value: str, operator: str) -> str:
    match operator:
        case "^^":
            return value.upper()
        case ",,":
            return value.lower()
        case "^":
            return value[:1].upper() + value[1:]
        case ",":
            return value[:1].lower() + value[1:]
    raise BadSyntax("bad substitution")


def _trimmed(value: str, rest: str, variables: Mapping[str, str]) -> str:
    operator = re.match(r"##?|%%?", rest)
    assert operator
    pattern = substitute(rest[operator.end() :], variables)
    longest = len(operator[0]) == 2
    glob = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    ends = range(len(value) + 1)
    if operator[0][0] == "#":
        for end in reversed(ends) if longest else ends:
            if re.fullmatch(glob, value[:end], re.DOTALL):
                return value[end:]
    else:
        for start in ends if longest else reversed(ends):
            if re.fullmatch(glob, value[start:], re.DOTALL):
                return value[:start]
    return value


def _replaced(value: str, rest: str, variables: Mapping[str, str]) -> str:
    every = rest.startswith("//")
    old, _, new = rest.lstrip("/").partition("/")
    old, new = substitute(old, variables), substitute(new, variables)
    return value.replace(old, new) if every else value.replace(old, new, 1)
