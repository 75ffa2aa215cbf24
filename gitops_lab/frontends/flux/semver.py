"""Semantic versions and the ranges that Flux's `semver` fields take, such as `>=1.0.0 <2.0.0`.

Source: github.com/Masterminds/semver v3: `1.x`, `~1.2`, `^1.2`, comparisons, spaces or commas for
"and", `||` for "or". A version with a pre-release matches only a range that names one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_TERM = re.compile(r"(=|!=|>=|=>|<=|=<|>|<|~>?|\^)?\s*(v?[0-9xX*][0-9A-Za-z.*+-]*)")

Version = tuple[int, int, int, tuple[tuple[int, int, str], ...]]
RELEASE: tuple[tuple[int, int, str], ...] = ((2, 0, ""),)
"""A release is newer than each of its pre-releases."""


def parse(text: str) -> Version | None:
    """A version that can be compared; None if the text is none."""
    found = _VERSION.fullmatch(text)
    if not found:
        return None
    major, minor, patch = (int(found[i] or 0) for i in (1, 2, 3))
    if not found[4]:
        return (major, minor, patch, RELEASE)
    parts = tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in found[4].split(".")
    )
    return (major, minor, patch, parts)


def newest(expression: str, versions: Iterable[str]) -> str | None:
    """The newest of some versions that a range allows; None if there is none."""
    allowed = [
        (parsed, text)
        for text in versions
        if (parsed := parse(text)) is not None and matches(expression, parsed)
    ]
    return max(allowed)[1] if allowed else None


def matches(expression: str, version: Version) -> bool:
    """Whether a range allows a version."""
    return any(_all(part, version) for part in expression.split("||"))


def _all(part: str, version: Version) -> bool:
    part = re.sub(r"(\S+) - (\S+)", r">=\1 <=\2", part.strip())
    terms = _TERM.findall(part)
    if not terms or re.sub(r"[\s,]", "", part) != "".join(a + b for a, b in terms):
        return False
    named = any("-" in term for _, term in terms)
    if version[3] != RELEASE and not named:
        return False
    return all(_holds(operator, term, version) for operator, term in terms)


def _holds(operator: str, term: str, version: Version) -> bool:
    numbers = re.split(r"[.\-+]", term.removeprefix("v"))
    given = [int(n) for n in _until_wildcard(numbers[:3])]
    if not given:
        return operator not in ("!=", ">", "<")
    low = parse(term) if len(given) == 3 else (*given, *[0] * (3 - len(given)), RELEASE)
    if low is None:
        return False
    floor: Version = (low[0], low[1], low[2], low[3])  # type: ignore[assignment]
    match operator:
        case ">":
            return version >= _above(given) if len(given) < 3 else version > floor
        case ">=" | "=>":
            return version >= floor
        case "<":
            return version < floor
        case "<=" | "=<":
            return version < _above(given) if len(given) < 3 else version <= floor
        case "~" | "~>":
            return floor <= version and version[:3] < _above(given[: min(len(given), 2)])[:3]
        case "^":
            significant = next((i for i, n in enumerate(given) if n), len(given) - 1)
            return floor <= version and version[:3] < _above(given[: significant + 1])[:3]
        case "!=":
            return not _within(given, floor, version)
    return _within(given, floor, version)


def _within(given: list[int], floor: Version, version: Version) -> bool:
    if len(given) == 3:
        return version == floor
    return version[: len(given)] == tuple(given)


def _until_wildcard(numbers: list[str]) -> list[str]:
    end = next((i for i, n in enumerate(numbers) if not n.isdigit()), len(numbers))
    return numbers[:end]


def _above(given: list[int]) -> Version:
    """The smallest version above all that begin with these numbers."""
    raised = [*given[:-1], given[-1] + 1, 0, 0][:3]
    return (raised[0], raised[1], raised[2], RELEASE)
