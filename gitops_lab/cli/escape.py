"""Text from repositories and clusters, made harmless for a terminal."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def escaped(text: object) -> str:
    r"""The text with control characters spelled out, but for line breaks and tabs.

    An escape sequence in a file's name could otherwise recolour, hide or overwrite what a terminal
    shows.
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def on_one_line(text: object) -> str:
    r"""The same, with line breaks spelled out as well: no text can pass for a line of ours."""
    return escaped(text).replace("\n", r"\n")
