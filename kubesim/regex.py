"""Regular expressions as Kubernetes has them: those of Go, which are RE2's.

They take time in proportion to the text, for every expression; there are no look-arounds and no
back references, `$` is the very end of the text, and `(?i)` may stand anywhere.

Source: Go `regexp/syntax` (the words of its errors), google/re2 (the same syntax).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

_WORDS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "unexpected )": "unexpected )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}
"""What Go says of faults, by what RE2 says of them."""


class PatternError(ValueError):
    """A text is no regular expression; the message is Go's."""


@lru_cache(maxsize=1024)
def compiled(text: str) -> Any:
    """A regular expression.

    Raises:
        PatternError: it is none.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise PatternError(_in_go(error)) from None


def matches(pattern: str, text: str) -> bool:
    """Whether a text contains what a pattern describes.

    Raises:
        PatternError: the pattern is none.
    """
    return compiled(pattern).search(text) is not None


def _in_go(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    what, colon, where = text.partition(": ")
    what = _WORDS.get(what, what)
    return f"error parsing regexp: {what}: `{where}`" if colon else f"error parsing regexp: {what}"
