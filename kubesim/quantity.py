"""Kubernetes quantities: `500m`, `1.5Gi`, `2e3`.

Source: apimachinery `resource.Quantity` (Kubernetes 1.37). The API server answers with the
canonical spelling of what it was sent: `0.5` comes back as `500m`, `1024Mi` as `1Gi`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from functools import lru_cache, total_ordering

from kubesim.errors import ApiError

PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
"""The expression that the real server quotes when it refuses another text."""

BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
"""Powers of 1024 by suffix."""

DECIMAL = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
"""Powers of 10 by suffix."""

_PARTS = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)(.*)", re.ASCII | re.DOTALL)
_EXPONENT = re.compile(r"[eE][+-]?[0-9]{1,3}", re.ASCII)
_CHARACTERS = re.compile(r"[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*", re.ASCII)
_NANO = Decimal("1e-9")
_LARGEST = Decimal(2**63 - 1)
_BINARY_SUFFIXES = sorted(BINARY, key=BINARY.__getitem__, reverse=True)
_DECIMAL_SUFFIXES = sorted(DECIMAL, key=DECIMAL.__getitem__, reverse=True)


def parse(text: str | float) -> Decimal:
    """The number that a quantity stands for, in its own unit (cores, bytes, pieces).

    Quantities compare as these numbers do: `parse("1Gi") == parse("1024Mi")`. As on the real
    server, nothing finer than a nano survives (it is rounded up), and no binary quantity is above
    2**63 - 1.

    Raises:
        ApiError: 400 BadRequest, in the server's words, if it is no quantity.
    """
    return _parse(str(text))[0]


def canonical(text: str | float) -> str:
    """The one spelling under which the API server stores a quantity: the largest suffix that
    leaves a whole number, in the family (binary, decimal, exponent) of the original. A binary one
    that is no whole number becomes a decimal one: `1.1Gi` is `1181116006400m`.

    Raises:
        ApiError: 400 BadRequest if it is no quantity.
    """
    return _canonical(str(text))


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An amount to reckon with; it remembers in which family of suffixes it was written.

    Args:
        number: how much, in the amount's own unit.
        family: `binary`, `decimal` or `exponent`.
    """

    number: Decimal = Decimal(0)
    family: str = "decimal"

    @classmethod
    def of(cls, text: str | float) -> Quantity:
        """The quantity that a text stands for.

        Raises:
            ApiError: 400 BadRequest if it is no quantity.
        """
        return cls(*_parse(str(text)))

    def __add__(self, other: Quantity) -> Quantity:
        # As on the real server, a sum that starts from nothing is spelled like what comes first.
        return Quantity(self.number + other.number, self.family if self.number else other.family)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.number - other.number, self.family if self.number else other.family)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.number == other.number

    def __lt__(self, other: Quantity) -> bool:
        return self.number < other.number

    def __hash__(self) -> int:
        return hash(self.number)

    def __bool__(self) -> bool:
        return bool(self.number)

    def __str__(self) -> str:
        return _spelled(self.number, self.family)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return _spelled(*_parse(text))


def _spelled(number: Decimal, family: str) -> str:
    if number == 0:
        return "0"
    if family == "binary" and abs(number) >= 1024 and number == number.to_integral_value():
        for suffix in _BINARY_SUFFIXES:
            whole, rest = divmod(number, 1024 ** BINARY[suffix])
            if rest == 0:
                return f"{whole:f}{suffix}"
        return f"{number:f}"
    for suffix in _DECIMAL_SUFFIXES:
        scaled = number.scaleb(-DECIMAL[suffix])
        if scaled == scaled.to_integral_value():
            if family == "exponent" and DECIMAL[suffix]:
                suffix = f"e{DECIMAL[suffix]}"
            return f"{scaled.to_integral_value():f}{suffix}"
    raise AssertionError("a quantity is a whole number of nanos")  # pragma: no cover


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Decimal, str]:
    """The number, and the family of its suffix."""
    parts = _PARTS.fullmatch(text)
    if parts is None or not _CHARACTERS.fullmatch(text):
        raise _refusal(f"quantities must match the regular expression '{PATTERN}'")
    sign, digits, suffix = parts.groups()
    number = Decimal(sign + digits)
    if suffix in DECIMAL:
        number, family = number.scaleb(DECIMAL[suffix]), "decimal"
    elif suffix in BINARY:
        number, family = number * 1024 ** BINARY[suffix], "binary"
    elif _EXPONENT.fullmatch(suffix):
        number, family = number.scaleb(int(suffix[1:])), "exponent"
    else:
        raise _refusal("unable to parse quantity's suffix")
    limited = max(-_LARGEST, min(_LARGEST, number)) if family == "binary" else number
    # Rounding away from zero is the server's: a request never shrinks by being written down.
    nanos = (limited / _NANO).to_integral_value(rounding=ROUND_UP)
    return (nanos * _NANO).normalize(), family


def _refusal(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)
