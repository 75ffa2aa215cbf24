"""Glob patterns as Argo CD reads them (gobwas/glob): `*`, `**`, `?`, `[a-z]` and `{a,b}`."""

from __future__ import annotations

import re
from functools import lru_cache


def matches(pattern: str, text: str, *, separator: str = "") -> bool:
    """Whether a whole text matches a pattern.

    Args:
        pattern: the pattern; one that cannot be read matches itself only.
        text: the text.
        separator: a character that `*` and `?` do not match, while `**` does.
    """
    compiled = _compiled(pattern, separator)
    return text == pattern if compiled is None else compiled.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str, separator: str) -> re.Pattern[str] | None:
    one = f"[^{re.escape(separator)}]" if separator else "."
    result, depth, position = "", 0, 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            if pattern.startswith("*", position):
                position += 1
                result += ".*"
            else:
                result += f"{one}*"
        elif char == "?":
            result += one
        elif char == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                return None
            inner = pattern[position:end].replace("\\", "\\\\")
            result += f"[^{inner[1:]}]" if inner[:1] in ("!", "^") else f"[{inner}]"
            position = end + 1
        elif char == "{":
            depth += 1
            result += "(?:"
        elif char == "}" and depth:
            depth -= 1
            result += ")"
        elif char == "," and depth:
            result += "|"
        elif char == "\\" and position < len(pattern):
            result += re.escape(pattern[position])
            position += 1
        else:
            result += re.escape(char)
    try:
        return None if depth else re.compile(result, re.DOTALL)
    except re.error:
        return None
