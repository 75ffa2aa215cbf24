"""What a compiled expression says: its syntax tree, read from the compiler's own encoding.

The compiler hands out an expression only as a `cel.expr.CheckedExpr`, a protocol buffer. The few
messages that a tree is made of are read here.

Source: google/cel-spec `proto/cel/expr/{checked,syntax}.proto`; protocol buffers' wire format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Expr:
    """One node of a syntax tree.

    Args:
        kind: `constant`, `name`, `select`, `call`, `list`, `struct`, or `loop`; macros such as
            `all` and `map` are loops.
        name: of the variable, field or function; the text of a constant that is one.
        children: the operands. Of a call, its receiver (if it has one) comes first; of a loop,
            these are its range, first value, condition, step and result.
        at: where in the text, in characters from its start.
        bound: of a loop, the variables that it runs through, and last the one in which it gathers.
        is_test: of a select, whether it is asked for by `has()`.
        type: of the value, if it is a simple one and known: `bool`, `int`, `string`, …
    """

    kind: str
    name: str = ""
    children: tuple[Expr, ...] = ()
    at: int = 0
    bound: tuple[str, ...] = ()
    is_test: bool = False
    type: str = ""

    def walk(self) -> Iterator[Expr]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def tree(checked: bytes) -> Expr:
    """The tree of a compiled expression, as the compiler serialises it."""
    message = _last(_fields(checked), 2)  # what is wrapped in a google.protobuf.Any
    parts = list(_fields(message))
    source = _last(parts, 5)
    positions = _map(source, 4)
    types = {id_: _simple(type_) for id_, type_ in _map(message, 3).items()}
    return _expr(_last(parts, 4), positions, types)


def _map(message: bytes, number: int) -> dict[int, Any]:
    """A field that is a map from numbers: an entry for each."""
    pairs = (dict(_fields(entry)) for field, entry in _fields(message) if field == number)
    return {pair.get(1, 0): pair.get(2, 0) for pair in pairs}


_PRIMITIVES = ("", "bool", "int", "uint", "double", "string", "bytes")


def _simple(type_: bytes) -> str:
    """The name of a type, if it is a primitive one."""
    return next((_PRIMITIVES[value] for field, value in _fields(type_) if field == 3), "")


def _expr(encoded: bytes, positions: Mapping[int, int], types: Mapping[int, str]) -> Expr:
    at, type_, body, number = 0, "", b"", 0
    for field, value in _fields(encoded):
        if field == 2:
            at, type_ = positions.get(value, 0), types.get(value, "")
        else:
            number, body = field, value
    parts = list(_fields(body))

    def below(*wanted: int) -> tuple[Expr, ...]:
        return tuple(_expr(value, positions, types) for field, value in parts if field in wanted)

    match number:
        case 3:
            return Expr("constant", _text(parts, 6), at=at, type=type_)
        case 4:
            return Expr("name", _text(parts, 1), at=at, type=type_)
        case 5:
            is_test = any(field == 3 and value for field, value in parts)
            return Expr("select", _text(parts, 2), below(1), at=at, is_test=is_test, type=type_)
        case 6:
            return Expr("call", _text(parts, 2), below(1) + below(3), at=at, type=type_)
        case 7:
            return Expr("list", children=below(1), at=at)
        case 8:
            entries = [value for field, value in parts if field == 2]
            children = tuple(
                _expr(value, positions, types)
                for entry in entries
                for field, value in _fields(entry)
                if field in (3, 4)
            )
            return Expr("struct", children=children, at=at)
        case 9:
            children = tuple(child for each in (2, 4, 5, 6, 7) for child in below(each))
            bound = tuple(filter(None, (_text(parts, 1), _text(parts, 8), _text(parts, 3))))
            return Expr("loop", children=children, at=at, bound=bound)
    return Expr("constant", at=at)


def _text(parts: list[tuple[int, Any]], number: int) -> str:
    value = _last(parts, number)
    return value.decode() if isinstance(value, bytes) else ""


def _last(parts: Any, number: int) -> Any:
    found: Any = b""
    for field, value in parts:
        if field == number:
            found = value
    return found


def _fields(encoded: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: number, and an integer or bytes."""
    place = 0
    while place < len(encoded):
        key, place = _varint(encoded, place)
        number, wire = key >> 3, key & 7
        value: Any
        if wire == 0:
            value, place = _varint(encoded, place)
        else:
            length = {1: 8, 5: 4}.get(wire)
            if length is None:
                length, place = _varint(encoded, place)
            value, place = encoded[place : place + length], place + length
        yield number, value


def _varint(encoded: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = encoded[place]
        value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return value, place
