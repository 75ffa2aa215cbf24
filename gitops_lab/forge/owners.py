"""CODEOWNERS: who must approve a change of which files.

Source: GitHub's documentation, "About code owners": the last line that fits counts; a line without
owners takes ownership away; `!` and character ranges are not supported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where the file may be: the first that exists counts."""


@dataclass(frozen=True)
class Line:
    """One line of the file: which paths, and the accounts that own them."""

    pattern: str
    owners: frozenset[str]
    expression: re.Pattern[str]


class CodeOwners:
    """The owners that a CODEOWNERS file names.

    Args:
        text: the file's content.
    """

    def __init__(self, text: str) -> None:
        self.lines = tuple(_lines(text))

    def of(self, path: str) -> frozenset[str]:
        """The accounts of which one must approve a change of this file; none if it has no owner."""
        fitting = (line for line in reversed(self.lines) if line.expression.match(path))
        return next((line.owners for line in fitting), frozenset())

    def missing(
        self, paths: Iterable[str], approved: frozenset[str]
    ) -> Mapping[frozenset[str], list[str]]:
        """The files whose change none of their owners has approved, by their owners."""
        found: dict[frozenset[str], list[str]] = {}
        for path in paths:
            owners = self.of(path)
            if owners and not owners & approved:
                found.setdefault(owners, []).append(path)
        return found


def _lines(text: str) -> Iterable[Line]:
    for raw in text.splitlines():
        pattern, *owners = raw.partition("#")[0].split() or [""]
        if pattern:
            names = frozenset(owner.removeprefix("@") for owner in owners)
            yield Line(pattern, names, re.compile(_expression(pattern)))


def _expression(pattern: str) -> str:
    """The pattern as a regular expression that fits a whole path or a folder above it."""
    anchored = "/" in pattern.rstrip("/")
    body = pattern.strip("/")
    parts = re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", body)
    words = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    middle = "".join(words.get(part) or re.escape(part) for part in parts)
    # `docs/*` means the files in docs, and no folder below it.
    end = "/" if pattern.endswith("/") else r"\Z" if body.endswith("/*") else r"(?:/|\Z)"
    return f"{'' if anchored else '(?:.*/)?'}{middle}{end}"
