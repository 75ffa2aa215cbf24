"""Bodies in protobuf, which typed Go clients send for Kubernetes' own kinds.

An envelope (`k8s`, a zero byte, then a message `Unknown` with apiVersion, kind and the object's
bytes), and in it messages whose fields have numbers instead of names. What the numbers mean is in
`protobuf.txt`; how a value is to be read follows from its type there.

Go writes zeros that JSON would leave out. Where it cannot be told from the message whether a zero
was meant, the fields in `_ABSENT_IF_ZERO` are taken to be absent, as their Go types have it.

Source: apimachinery `runtime/serializer/protobuf`; the wire format is protobuf's own.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.model import Object, split_api_version

PREFIX = b"k8s\x00"

Wire = int | bytes
"""A field's value on the wire: a number, or the bytes of a string or message."""


class Field(NamedTuple):
    """What a field's number stands for.

    Args:
        name: the name in JSON; `@` if the value's own fields take its place.
        read: from the value on the wire to the one in JSON.
        repeated: whether it is a list.
        is_map: whether it is a map, whose entries come one by one.
    """

    name: str
    read: Callable[[Wire], Any]
    repeated: bool = False
    is_map: bool = False


Message = Mapping[int, Field]

_ABSENT_IF_ZERO = frozenset(
    """
    count deprecatedCount failureThreshold generation globalDefault hostIPC hostNetwork hostPID
    hostPort initialDelaySeconds minReadySeconds nodePort observedGeneration paused periodSeconds
    publishNotReadyAddresses readOnly stdin stdinOnce successThreshold timeoutSeconds tty
    unschedulable
    """.split()
)


def decode(data: bytes) -> Object:
    """The object in a protobuf body.

    Raises:
        ApiError: 400 BadRequest if it cannot be read, 415 for a kind that is not read here.
    """
    if not data.startswith(PREFIX):
        raise refusals.bad_request("provided data does not appear to be a protobuf message")
    try:
        envelope = _message(data[len(PREFIX) :], _UNKNOWN)
        header = envelope.get("typeMeta") or {}
        version, kind = header.get("apiVersion", ""), header.get("kind", "")
        fields = _fields_of(_package(version, kind), kind)
        if fields is None:
            message = (
                f"a {kind or 'body'} of {version or 'no version'} is not read as protobuf here: "
                "send it as application/json"
            )
            raise ApiError(415, "UnsupportedMediaType", message)
        return {"apiVersion": version, "kind": kind, **_message(envelope.get("raw", b""), fields)}
    except (ValueError, IndexError, OverflowError, RecursionError) as error:
        raise refusals.bad_request(f"the protobuf body cannot be read: {error}") from None


# -- The wire --------------------------------------------------------------------------------------


def _fields(data: bytes) -> Iterator[tuple[int, Wire]]:
    """Numbers and values of the fields of a message."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        value: Wire
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = int.from_bytes(data[at : at + size], "little"), at + size
        else:
            raise ValueError(f"wire type {kind} is not used")
        if at > end or not number:
            raise ValueError("unexpected end of data")
        yield number, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise ValueError("a number has too many bytes")


def _message(data: bytes, fields: Message) -> dict[str, Any]:
    """The known fields of a message, by their names in JSON."""
    found: dict[str, Any] = {}
    for number, wire in _fields(data):
        field = fields.get(number)
        if field is None:
            continue
        name, value = field.name, field.read(wire)
        if field.repeated:
            found.setdefault(name, []).append(value)
        elif field.is_map:
            found.setdefault(name, {}).update(value)
        elif name == "@":
            found.update(value)
        elif value != "" and (value or name not in _ABSENT_IF_ZERO):
            found[name] = value
    return found


# -- Types of fields -------------------------------------------------------------------------------


def _bytes(wire: Wire) -> bytes:
    if isinstance(wire, int):
        raise ValueError("a number where text or a message belongs")
    return wire


def _text(wire: Wire) -> str:
    return _bytes(wire).decode()


def _base64(wire: Wire) -> str:
    return base64.b64encode(_bytes(wire)).decode()


def _integer(wire: Wire) -> int:
    if isinstance(wire, bytes):
        raise ValueError("bytes where a number belongs")
    return wire - (1 << 64) if wire >> 63 else wire


def _boolean(wire: Wire) -> bool:
    return bool(_integer(wire))


def _instant(wire: Wire) -> tuple[int, int]:
    parts = _message(_bytes(wire), {1: Field("s", _integer), 2: Field("n", _integer)})
    return parts.get("s", 0), parts.get("n", 0)


def _time(wire: Wire) -> str | None:
    seconds, _ = _instant(wire)
    return None if not seconds else _moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(wire: Wire) -> str | None:
    seconds, nanos = _instant(wire)
    if not seconds:
        return None
    moment = _moment(seconds) + timedelta(microseconds=nanos // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _entry(value: Callable[[Wire], Any]) -> Callable[[Wire], Any]:
    fields = {1: Field("key", _text), 2: Field("value", value)}

    def read(wire: Wire) -> dict[str, Any]:
        entry = _message(_bytes(wire), fields)
        return {entry.get("key", ""): entry.get("value", "")}

    return read


def _json(wire: Wire) -> Any:
    raw = _message(_bytes(wire), {1: Field("raw", _bytes)}).get("raw", b"{}")
    return orjson.loads(raw)


def _float(wire: Wire) -> float:
    number = _integer(wire)
    return float(struct.unpack("<d", number.to_bytes(8, "little", signed=True))[0])


def _quantity(wire: Wire) -> str:
    return str(_message(_bytes(wire), {1: Field("text", _text)}).get("text", "0"))


def _int_or_string(wire: Wire) -> int | str:
    fields = {1: Field("type", _integer), 2: Field("int", _integer), 3: Field("text", _text)}
    found = _message(_bytes(wire), fields)
    value: int | str = found.get("text", "") if found.get("type") else found.get("int", 0)
    return value


def _strings(wire: Wire) -> list[str]:
    fields = {1: Field("items", _text, repeated=True)}
    items: list[str] = _message(_bytes(wire), fields).get("items", [])
    return items


_TYPES: dict[str, Callable[[Wire], Any]] = {
    "": _text,
    "bool": _boolean,
    "bytes": _base64,
    "float": _float,
    "int": _integer,
    "intorstring": _int_or_string,
    "json": _json,
    "microtime": _micro_time,
    "quantity": _quantity,
    "strings": _strings,
    "time": _time,
}


# -- Messages --------------------------------------------------------------------------------------

_UNKNOWN = {
    1: Field(
        "typeMeta",
        lambda wire: _message(
            _bytes(wire), {1: Field("apiVersion", _text), 2: Field("kind", _text)}
        ),
    ),
    2: Field("raw", _bytes),
}


def _package(api_version: str, kind: str) -> str:
    """The name under which `protobuf.txt` has the kinds of a version."""
    if kind == "DeleteOptions":  # every group has its own, and they are all the same
        return "meta.v1"
    group, version = split_api_version(api_version)
    return f"{group.partition('.')[0] or 'core'}.{version}"


@cache
def _lines() -> Mapping[tuple[str, str], str]:
    """The line of each message, by package and name."""
    text = files(__package__).joinpath("protobuf.txt").read_text("utf-8")
    lines, package = {}, ""
    for line in text.splitlines():
        if line.startswith("["):
            package = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, fields = line.partition(" ")
            lines[package, name] = fields
    return lines


@cache
def _fields_of(package: str, name: str) -> Message | None:
    """What the numbers in a message mean; None if there is no such message."""
    line = _lines().get((package, name))
    return None if line is None else dict(_field(each, package) for each in line.split())


def _field(text: str, package: str) -> tuple[int, Field]:
    """A field from how it is written: name=number:type."""
    name, _, rest = text.partition("=")
    number, _, type_ = rest.partition(":")
    repeated, is_map = type_.endswith("*"), type_.startswith("{")
    type_ = type_.strip("*{}")
    read = _TYPES.get(type_) or _inner(type_, package)
    return int(number), Field(name, _entry(read) if is_map else read, repeated, is_map)


def _inner(type_: str, package: str) -> Callable[[Wire], Any]:
    """What reads a message within a message; it is looked up when there is one."""
    home, _, name = type_.rpartition(".")

    def read(wire: Wire) -> dict[str, Any]:
        fields = _fields_of(home or package, name)
        if fields is None:
            raise ValueError(f"{type_} is not known")
        return _message(_bytes(wire), fields)

    return read
