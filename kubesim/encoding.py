"""What is wrong with base64 and with JSON, in the words of Go."""

from __future__ import annotations

import re
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


# -- JSON ------------------------------------------------------------------------------------------

_SPACE = re.compile("[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_ENDED = "unexpected end of JSON input"
_AFTER = {
    "{": "after object key:value pair",
    "[": "after array element",
    "": "after top-level value",
}
_KEY = "looking for beginning of object key string"


def json_fault(text: str) -> str:
    """What Go says of a text that is no JSON; empty for one that is.

    Source: Go, `encoding/json`, scanner.go.
    """
    at, open_, wants = 0, "", "value"
    while True:
        match = _SPACE.match(text, at)
        at = match.end() if match else at
        if at == len(text):
            return "" if wants == "more" and not open_ else _ENDED
        char, here = text[at], open_[-1:]
        if wants == "more":
            if char == "," and here:
                at, wants = at + 1, "key" if here == "{" else "value"
            elif (here, char) in (("{", "}"), ("[", "]")):
                at, open_ = at + 1, open_[:-1]
            else:
                return _invalid(char, _AFTER[here])
        elif wants == "colon":
            if char != ":":
                return _invalid(char, "after object key")
            at, wants = at + 1, "value"
        elif (wants, char) in (("first key", "}"), ("first value", "]")):
            at, open_, wants = at + 1, open_[:-1], "more"
        elif wants in ("key", "first key") and char != '"':
            return _invalid(char, _KEY)
        elif char in "{[":
            at, open_, wants = at + 1, open_ + char, "first key" if char == "{" else "first value"
        else:
            at, fault = _token(text, at)
            if fault:
                return fault
            wants = "colon" if wants in ("key", "first key") else "more"


def _token(text: str, at: int) -> tuple[int, str]:
    """Where a string, number or literal ends, or what is wrong with it."""
    char = text[at]
    if char == '"':
        found = _STRING.match(text, at)
        end = found.end() if found else at
        if end == len(text):
            return end, _ENDED
        what = "in string escape code" if text[end] == "\\" else "in string literal"
        return end + 1, "" if text[end] == '"' else _invalid(text[end], what)
    if char in _LITERALS:
        word = _LITERALS[char]
        for offset, wanted in enumerate(word):
            if at + offset == len(text):
                return at, _ENDED
            if text[at + offset] != wanted:
                place = f"in literal {word} (expecting {wanted!r})"
                return at, _invalid(text[at + offset], place)
        return at + len(word), ""
    found = _NUMBER.match(text, at)
    if found:
        return found.end(), ""
    if char == "-":
        rest = text[at + 1 : at + 2]
        return at, _invalid(rest, "in numeric literal") if rest else _ENDED
    return at, _invalid(char, "looking for beginning of value")


def _invalid(char: str, place: str) -> str:
    shown = char if char.isprintable() else f"\\x{ord(char):02x}"
    shown = {"'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}.get(char, shown)
    return f"invalid character '{shown}' {place}"
