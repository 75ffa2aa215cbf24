"""Bodies in protobuf, which typed Go clients send for Kubernetes' own kinds.

An envelope (`k8s`, a zero byte, then a message `Unknown` with apiVersion, kind and the object's
bytes), and in it messages whose fields have numbers instead of names. The numbers below are those
of the `generated.proto` files of k8s.io/api and k8s.io/apimachinery (1.37), for the kinds that
clients are known to send so.

Source: apimachinery `runtime/serializer/protobuf`; the wire format is protobuf's own.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from gitops_lab.apiserver import refusals
from gitops_lab.errors import ApiError
from gitops_lab.model import Object

PREFIX = b"k8s\x00"

Wire = int | bytes
"""A field's value on the wire: a number, or the bytes of a string or message."""


class Field(NamedTuple):
    """What a field's number stands for.

    Args:
        name: the name in JSON.
        read: from the value on the wire to the one in JSON.
        repeated: whether it is a list.
        is_map: whether it is a map, whose entries come one by one.
    """

    name: str
    read: Callable[[Wire], Any]
    repeated: bool = False
    is_map: bool = False


Message = Mapping[int, Field]


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
        fields = _KINDS.get((version, kind)) or _KINDS.get(("", kind))
        if fields is None:
            raise ApiError(
                415,
                "UnsupportedMediaType",
                f"a {kind or 'body'} of {version or 'no version'} is not read as protobuf here: "
                "send it as application/json",
            )
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
        value = field.read(wire)
        if field.repeated:
            found.setdefault(field.name, []).append(value)
        elif field.is_map:
            found.setdefault(field.name, {}).update(value)
        elif value != "":  # Go writes empty strings, JSON leaves them out
            found[field.name] = value
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


def _json(wire: Wire) -> Any:
    raw = _message(_bytes(wire), {1: Field("raw", _bytes)}).get("raw", b"{}")
    return orjson.loads(raw)


def _of(fields: Message) -> Callable[[Wire], Any]:
    return lambda wire: _message(_bytes(wire), fields)


def _entry(value: Callable[[Wire], Any]) -> Callable[[Wire], Any]:
    fields = {1: Field("key", _text), 2: Field("value", value)}

    def read(wire: Wire) -> dict[str, Any]:
        entry = _message(_bytes(wire), fields)
        return {entry.get("key", ""): entry.get("value", "")}

    return read


def _table(**fields: Any) -> dict[int, Field]:
    """Fields from `name=number`, `name=(number, type)` and `name=(number, type, "list"|"map")`."""
    table = {}
    for name, given in fields.items():
        number, read, how = (*given, "")[:3] if isinstance(given, tuple) else (given, _text, "")
        if how == "map":
            read = _entry(read)
        table[number] = Field(name, read, how == "list", how == "map")
    return table


# -- Messages --------------------------------------------------------------------------------------

_UNKNOWN = _table(
    typeMeta=(1, _of(_table(apiVersion=1, kind=2))),
    raw=(2, _bytes),
)

_META = _of(
    _table(
        name=1,
        generateName=2,
        namespace=3,
        uid=5,
        resourceVersion=6,
        generation=(7, _integer),
        creationTimestamp=(8, _time),
        deletionTimestamp=(9, _time),
        deletionGracePeriodSeconds=(10, _integer),
        labels=(11, _text, "map"),
        annotations=(12, _text, "map"),
        ownerReferences=(
            13,
            _of(
                _table(
                    kind=1,
                    name=3,
                    uid=4,
                    apiVersion=5,
                    controller=(6, _boolean),
                    blockOwnerDeletion=(7, _boolean),
                )
            ),
            "list",
        ),
        finalizers=(14, _text, "list"),
        managedFields=(
            17,
            _of(
                _table(
                    manager=1,
                    operation=2,
                    apiVersion=3,
                    time=(4, _time),
                    fieldsType=6,
                    fieldsV1=(7, _json),
                    subresource=8,
                )
            ),
            "list",
        ),
    )
)

_REFERENCE = _of(
    _table(kind=1, namespace=2, name=3, uid=4, apiVersion=5, resourceVersion=6, fieldPath=7)
)

_SOURCE = _of(_table(component=1, host=2))
_SERIES = _of(_table(count=(1, _integer), lastObservedTime=(2, _micro_time)))

_RESOURCE_ATTRIBUTES = _of(
    _table(namespace=1, verb=2, group=3, version=4, resource=5, subresource=6, name=7)
)
_NON_RESOURCE_ATTRIBUTES = _of(_table(path=1, verb=2))

_SELF_ACCESS = _table(
    resourceAttributes=(1, _RESOURCE_ATTRIBUTES),
    nonResourceAttributes=(2, _NON_RESOURCE_ATTRIBUTES),
)


def _extra(wire: Wire) -> list[str]:
    items: list[str] = _message(_bytes(wire), _table(items=(1, _text, "list"))).get("items", [])
    return items


_ACCESS = {
    **_SELF_ACCESS,
    **_table(user=3, groups=(4, _text, "list"), extra=(5, _extra, "map"), uid=6),
}


def _object(spec: Message | None = None) -> Message:
    """A kind that has metadata and perhaps a spec, as most have."""
    fields = _table(metadata=(1, _META))
    return fields if spec is None else {**fields, **_table(spec=(2, _of(spec)))}


_KINDS: dict[tuple[str, str], Message] = {
    # Every group has a DeleteOptions of its own name, and they are all the same.
    ("", "DeleteOptions"): _table(
        gracePeriodSeconds=(1, _integer),
        preconditions=(2, _of(_table(uid=1, resourceVersion=2))),
        orphanDependents=(3, _boolean),
        propagationPolicy=4,
        dryRun=(5, _text, "list"),
    ),
    ("authentication.k8s.io/v1", "SelfSubjectReview"): _object(),
    ("authentication.k8s.io/v1", "TokenRequest"): _object(
        _table(
            audiences=(1, _text, "list"),
            boundObjectRef=(3, _of(_table(kind=1, apiVersion=2, name=3, uid=4))),
            expirationSeconds=(4, _integer),
        )
    ),
    ("authentication.k8s.io/v1", "TokenReview"): _object(
        _table(token=1, audiences=(2, _text, "list"))
    ),
    ("authorization.k8s.io/v1", "LocalSubjectAccessReview"): _object(_ACCESS),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"): _object(_SELF_ACCESS),
    ("authorization.k8s.io/v1", "SelfSubjectRulesReview"): _object(_table(namespace=1)),
    ("authorization.k8s.io/v1", "SubjectAccessReview"): _object(_ACCESS),
    ("coordination.k8s.io/v1", "Lease"): _object(
        _table(
            holderIdentity=1,
            leaseDurationSeconds=(2, _integer),
            acquireTime=(3, _micro_time),
            renewTime=(4, _micro_time),
            leaseTransitions=(5, _integer),
            strategy=6,
            preferredHolder=7,
        )
    ),
    ("events.k8s.io/v1", "Event"): _table(
        metadata=(1, _META),
        eventTime=(2, _micro_time),
        series=(3, _SERIES),
        reportingController=4,
        reportingInstance=5,
        action=6,
        reason=7,
        regarding=(8, _REFERENCE),
        related=(9, _REFERENCE),
        note=10,
        type=11,
        deprecatedSource=(12, _SOURCE),
        deprecatedFirstTimestamp=(13, _time),
        deprecatedLastTimestamp=(14, _time),
        deprecatedCount=(15, _integer),
    ),
    ("v1", "ConfigMap"): _table(
        metadata=(1, _META),
        data=(2, _text, "map"),
        binaryData=(3, _base64, "map"),
        immutable=(4, _boolean),
    ),
    ("v1", "Event"): _table(
        metadata=(1, _META),
        involvedObject=(2, _REFERENCE),
        reason=3,
        message=4,
        source=(5, _SOURCE),
        firstTimestamp=(6, _time),
        lastTimestamp=(7, _time),
        count=(8, _integer),
        type=9,
        eventTime=(10, _micro_time),
        series=(11, _SERIES),
        action=12,
        related=(13, _REFERENCE),
        reportingComponent=14,
        reportingInstance=15,
    ),
    ("v1", "Namespace"): _object(_table(finalizers=(1, _text, "list"))),
    ("v1", "Secret"): _table(
        metadata=(1, _META),
        data=(2, _base64, "map"),
        type=3,
        stringData=(4, _text, "map"),
        immutable=(5, _boolean),
    ),
    ("v1", "ServiceAccount"): _table(
        metadata=(1, _META),
        secrets=(2, _REFERENCE, "list"),
        imagePullSecrets=(3, _of(_table(name=1)), "list"),
        automountServiceAccountToken=(4, _boolean),
    ),
}
