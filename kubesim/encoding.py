"""Where base64 goes wrong, as Go tells it."""

from __future__ import annotations

import string

_LETTERS = frozenset(string.ascii_letters + string.digits)
_STANDARD = _LETTERS | frozenset("+/")
_URL_SAFE = _LETTERS | frozenset("-_")


def base64_fault(text: str, *, padded: bool = True, urlsafe: bool = False) -> int | None:
    """The offset that Go names for a text that is no base64; None for one that is.

    Line ends are skipped. A group of four that is cut short is blamed at its first character, a
    wrong character or a wrong padding at itself.

    Args:
        text: the text.
        padded: whether it ends in `=` if need be.
        urlsafe: whether it has `-` and `_` for `+` and `/`.

    Source: Go, `encoding/base64`, decodeQuantum.
    """
    allowed, at, size = _URL_SAFE if urlsafe else _STANDARD, 0, len(text)
    while True:
        count = 0
        while count < 4:
            while at < size and text[at] in "\r\n":
                at += 1
            if at == size:
                if count == 0 or (not padded and count > 1):
                    return None
                return at - count
            if text[at] in allowed:
                at, count = at + 1, count + 1
                continue
            if not padded or text[at] != "=" or count < 2:
                return at
            return _padding_fault(text, at + 1, count)


def _padding_fault(text: str, at: int, count: int) -> int | None:
    """What is wrong after the first `=`, which stands after so many characters of its group."""
    size = len(text)
    if count == 2:
        while at < size and text[at] in "\r\n":
            at += 1
        if at == size:
            return size
        if text[at] != "=":
            return at - 1
        at += 1
    while at < size and text[at] in "\r\n":
        at += 1
    return at if at < size else None
