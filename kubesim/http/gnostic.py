"""An OpenAPI 2 document in the protobuf form of gnostic, message openapi.v2.Document.

Source: gnostic `openapiv2/OpenAPIv2.proto`. Only the messages and fields that the documents of a
cluster use are here, and nothing is read: two dozen lines of encoding spare a library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kubesim.model import Object

Encode = Callable[[Any], bytes]
"""Makes of a JSON value the content of a protobuf field."""

Field = tuple[int, Encode]
"""A field's number, and how it is encoded."""


def document(swagger: Mapping[str, Any]) -> bytes:
    """The bytes of a document.

    Args:
        swagger: the document as JSON spells it.
    """
    return _message(_DOCUMENT)(swagger)


# Protobuf: a field is its number and wire type, then its content, with its length in front.


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _field(number: int, content: bytes) -> bytes:
    return b"".join((_varint(number << 3 | 2), _varint(len(content)), content))


# How values become fields


def _string(value: str) -> bytes:
    return value.encode()


def _yaml(value: Any) -> bytes:
    """A message Any: any value at all as YAML, of which JSON is a part."""
    return _field(2, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _message(fields: Mapping[str, Field], extensions: int = 0) -> Encode:
    """Encodes a message.

    Args:
        fields: number and encoding of each field by its name in JSON; a list is a repeated field.
        extensions: the number of the field for names that begin with `x-`; 0 for none.
    """

    def encode(value: Mapping[str, Any]) -> bytes:
        parts = []
        for name, inner in value.items():
            known = fields.get(name)
            if known is None:
                if extensions and name.startswith("x-"):
                    named = _field(1, name.encode()) + _field(2, _yaml(inner))
                    parts.append(_field(extensions, named))
                continue
            number, encoding = known
            if inner is True:
                parts.append(_varint(number << 3) + b"\x01")
            elif isinstance(inner, list):
                parts += [_field(number, encoding(each)) for each in inner]
            elif inner is not False:
                parts.append(_field(number, encoding(inner)))
        return b"".join(parts)

    return encode


def _named(number: int, encoding: Encode) -> Encode:
    """Encodes a map, which in gnostic is a repeated message of a name and a value."""

    def encode(value: Mapping[str, Any]) -> bytes:
        pairs = (
            _field(1, name.encode()) + _field(2, encoding(inner)) for name, inner in value.items()
        )
        return b"".join(_field(number, pair) for pair in pairs)

    return encode


def _within(numbers: Iterable[int], encoding: Encode) -> Encode:
    """Encodes what sits in messages that have but one field, from the inside out."""
    path = tuple(numbers)

    def encode(value: Any) -> bytes:
        content = encoding(value)
        for number in path:
            content = _field(number, content)
        return content

    return encode


# The messages


def _schema(value: Object) -> bytes:
    return _SCHEMA(value)


def _additional(value: Any) -> bytes:
    """An AdditionalPropertiesItem: a schema or a boolean."""
    return b"\x10" + bytes((value,)) if isinstance(value, bool) else _field(1, _schema(value))


def _type(value: str) -> bytes:
    return _field(1, value.encode())


def _parameter(value: Object) -> bytes:
    return _PARAMETERS[value["in"]](value)


_SCHEMA = _message(
    {
        "$ref": (1, _string),
        "format": (2, _string),
        "title": (3, _string),
        "description": (4, _string),
        "default": (5, _yaml),
        "required": (19, _string),
        "enum": (20, _yaml),
        "additionalProperties": (21, _additional),
        "type": (22, _type),
        "items": (23, _within((1,), _schema)),
        "properties": (25, _named(1, _schema)),
    },
    extensions=31,
)
_PLAIN = {"required": (1, _string), "in": (2, _string), "description": (3, _string)}
_PARAMETERS = {
    "body": _within(
        (1, 1),
        _message(
            {
                "description": (1, _string),
                "name": (2, _string),
                "in": (3, _string),
                "required": (4, _string),
                "schema": (5, _schema),
            }
        ),
    ),
    "query": _within((3, 2, 1), _message({**_PLAIN, "name": (4, _string), "type": (6, _string)})),
    "path": _within((4, 2, 1), _message({**_PLAIN, "name": (4, _string), "type": (5, _string)})),
}
_RESPONSE = _message({"description": (1, _string), "schema": (2, _within((1,), _schema))})
_OPERATION = _message(
    {
        "tags": (1, _string),
        "description": (3, _string),
        "operationId": (5, _string),
        "produces": (6, _string),
        "consumes": (7, _string),
        "parameters": (8, _parameter),
        "responses": (9, _named(1, _within((1,), _RESPONSE))),
    },
    extensions=13,
)
_PATH = _message(
    {
        "get": (2, _OPERATION),
        "put": (3, _OPERATION),
        "post": (4, _OPERATION),
        "delete": (5, _OPERATION),
        "patch": (8, _OPERATION),
        "parameters": (9, _parameter),
    }
)
_DOCUMENT: Mapping[str, Field] = {
    "swagger": (1, _string),
    "info": (2, _message({"title": (1, _string), "version": (2, _string)})),
    "paths": (8, _named(2, _PATH)),
    "definitions": (9, _named(1, _schema)),
}
