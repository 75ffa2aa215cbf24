"""What a client sent: from bytes to an object, whatever the form it is written in.

JSON and YAML are read here, protobuf in `protobuf`. Two things are turned away early because
reading them would take the server down with them: bodies that are too long, and YAML in which
aliases of aliases stand for more than anybody could have written.
"""

from __future__ import annotations

from typing import Any

import orjson
import yaml

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.http import protobuf

LIMIT = 3 * 1024 * 1024
"""How many bytes a body may have. Source: apiserver `MaxRequestBodyBytes`, 1.37."""

_MOST_NODES = 1_000_000
"""How many values a YAML document may have, those that its aliases repeat included."""

JSON, YAML, PROTOBUF = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
)

YAML_FORMS = (YAML, "text/yaml", "application/x-yaml")

PATCHES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
"""How a patch is to be understood, by its media type."""


def too_large() -> ApiError:
    """413: the body has more bytes than the server reads."""
    message = f"Request entity too large: limit is {LIMIT}"
    return ApiError(413, "RequestEntityTooLarge", message)


def media_of(content_type: str) -> str:
    """The media type without its parameters; JSON if nothing is said."""
    return content_type.partition(";")[0].strip().lower() or JSON


def decode(content_type: str, data: bytes, kind: str) -> Any:
    """The object in a body.

    Args:
        content_type: the header.
        data: the body.
        kind: the kind that is expected, for the refusal.

    Raises:
        ApiError: 400 BadRequest for what cannot be read, 415 for another media type.
    """
    media = media_of(content_type)
    if media == JSON:
        return read_json(data, kind)
    if media in YAML_FORMS:
        return read_yaml(data, kind)
    if media == PROTOBUF:
        return protobuf.decode(data)
    raise unsupported(JSON, YAML, PROTOBUF)


def decode_patch(content_type: str, data: bytes, kind: str) -> tuple[str, Any]:
    """How a patch is to be understood, and the patch.

    Raises:
        ApiError: 400 BadRequest for what cannot be read, 415 for another media type.
    """
    type_ = PATCHES.get(media_of(content_type))
    if type_ is None:
        raise unsupported(*PATCHES)
    if type_ != "apply":
        return type_, read_json(data, kind)
    try:
        return type_, read_yaml(data, kind)
    except ApiError as error:
        raise refusals.bad_request(f"error decoding YAML: {error.message}") from None


def unsupported(*accepted: str) -> ApiError:
    """415: the body is in a form that is not read here."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def read_json(data: bytes, kind: str) -> Any:
    """The value that JSON spells.

    Raises:
        ApiError: 400 BadRequest.
    """
    try:
        return _shallow(orjson.loads(data))
    except ValueError as error:
        raise _unreadable(kind, f"json parse error: {error}") from None


def read_yaml(data: bytes, kind: str) -> Any:
    """The value that YAML spells, as JSON would spell it.

    Raises:
        ApiError: 400 BadRequest.
    """
    try:
        orjson.loads(data)  # most YAML that clients send is JSON, which is read far quicker
    except orjson.JSONDecodeError:
        pass
    else:
        return read_json(data, kind)
    try:
        value = yaml.load(data, Loader=_Loader)
        _measure(value, {})
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        why = " ".join(str(error).split())
        raise _unreadable(kind, f"yaml parse error: {why}") from None


class _Loader(yaml.CSafeLoader):
    """YAML 1.1, in which a date is text, as it is for Kubernetes."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _shallow(value: Any) -> Any:
    """The value itself, if it is not nested so deeply that going through it is a danger.

    Raises:
        ValueError: it is; 254 levels are what can be written again.
    """
    try:
        orjson.dumps(value)
    except TypeError:
        raise ValueError("exceeded max depth") from None
    return value


def _measure(value: Any, known: dict[int, int]) -> int:
    """How many values there are in one, counting what aliases repeat each time.

    Raises:
        ValueError: too many, or the value holds itself.
    """
    if not isinstance(value, dict | list):
        return 1
    size = known.get(id(value))
    if size is None:
        known[id(value)] = _MOST_NODES  # stands as long as it is being measured
        inner = value.values() if isinstance(value, dict) else value
        size = 1 + sum(_measure(each, known) for each in inner)
        known[id(value)] = size
    if size >= _MOST_NODES:
        raise ValueError("document contains excessive aliasing")
    return size


def _unreadable(kind: str, why: str) -> ApiError:
    return refusals.bad_request(
        f"the object provided is unrecognized (must be of type {kind}): "
        f"couldn't get version/kind; {why}"
    )
