"""What a client sent: from bytes to an object, in each form that is read.

JSON and YAML are read here, protobuf in `protobuf`. Bodies that are too long, or that hold more
values than can be gone through at once, are refused before anything else looks at them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from kubesim import refusals
from kubesim.encoding import json_fault
from kubesim.errors import ApiError
from kubesim.http import protobuf
from kubesim.yaml import TooMany, YamlFault, YamlReader, text_of

LIMIT = 3 * 1024 * 1024
"""How many bytes a body may have. Source: apiserver `MaxRequestBodyBytes`, 1.37."""

MOST_VALUES = 30_000
"""How many values a body may have, with what YAML's aliases repeat. The largest definition
in use (Argo CD's ApplicationSet) has 23,500; every value costs time in which nothing else is
answered."""

SMALL = 16 * 1024
"""Bodies of more bytes are read in a thread, so that others are answered meanwhile."""

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
        ApiError: 400 BadRequest for what cannot be read, 413 for too many values, 415 for another
            media type.
    """
    return Body(content_type, data).decode(kind)


def decode_patch(content_type: str, data: bytes, kind: str) -> tuple[str, Any]:
    """How a patch is to be understood, and the patch.

    Raises:
        ApiError: 400 BadRequest for what cannot be read, 413 for too many values, 415 for another
            media type.
    """
    return Body(content_type, data).decode_patch(kind)


class Unreadable(Exception):
    """A text that spells no value; why it does not.

    Args:
        why: the sentence.
        fault: of JSON, the fault itself.
    """

    def __init__(self, why: str, fault: str = "") -> None:
        super().__init__(why)
        self.fault = fault


class Body:
    """The body of a request, read once.

    Args:
        content_type: the header.
        data: its bytes.
    """

    def __init__(self, content_type: str = "", data: bytes = b"") -> None:
        self.content_type, self.data = content_type, data
        self._outcome: Any = None
        self._is_read = False

    async def read_ahead(self) -> None:
        """Read a large body in a thread; what is wrong with it is said when it is asked for."""
        if len(self.data) > SMALL:
            await asyncio.to_thread(self._read)

    def decode(self, kind: str) -> Any:
        """The object in the body (see `decode`)."""
        media = media_of(self.content_type)
        if media == PROTOBUF:
            return protobuf.decode(self.data)
        if media != JSON and media not in YAML_FORMS:
            raise unsupported(JSON, YAML, PROTOBUF)
        try:
            return self._value()
        except Unreadable as why:
            raise _unreadable(kind, str(why)) from None

    def decode_patch(self, kind: str) -> tuple[str, Any]:
        """How a patch is to be understood, and the patch (see `decode_patch`)."""
        type_ = PATCHES.get(media_of(self.content_type))
        if type_ is None:
            raise unsupported(*PATCHES)
        try:
            return type_, self._value()
        except Unreadable as why:
            if why.fault:
                told = "" if type_ == "strategic" else "error decoding patch: "
                raise refusals.bad_request(f"{told}{why.fault}") from None
            error = _unreadable(kind, str(why))
            if type_ == "apply":
                raise refusals.bad_request(f"error decoding YAML: {error.message}") from None
            raise error from None

    def _value(self) -> Any:
        if not self._is_read:
            self._read()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def _read(self) -> None:
        media = media_of(self.content_type)
        is_yaml = media in YAML_FORMS or PATCHES.get(media) == "apply"
        try:
            self._outcome = read_yaml(self.data) if is_yaml else read_json(self.data)
        except (ApiError, Unreadable) as error:
            self._outcome = error
        self._is_read = True


_MOST_SHOWN = 256
"""How much of a body that cannot be read is repeated, in characters."""


def unsupported(*accepted: str) -> ApiError:
    """415: the body is in a form that is not read here."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}"
    )
    return ApiError(415, "UnsupportedMediaType", message, details={})


def read_json(data: bytes) -> Any:
    """The value that JSON spells.

    Raises:
        ApiError: 413 RequestEntityTooLarge.
        Unreadable: it spells none.
    """
    try:
        value = _shallow(orjson.loads(data))
    except ValueError as error:
        text = data.decode("utf-8", "replace")
        fault = json_fault(text) or str(error)
        shown = text[:_MOST_SHOWN] or "<empty>"
        raise Unreadable(f"json parse error: {fault} ({shown})", fault) from None
    # There are hardly more values than commas and brackets; counting bytes is far quicker.
    if sum(map(data.count, (b",", b"{", b"["))) >= MOST_VALUES:
        _check_size(value)
    return value


def read_yaml(data: bytes) -> Any:
    """The value that YAML spells, as JSON would spell it.

    Raises:
        ApiError: 413 RequestEntityTooLarge.
        Unreadable: it spells none.
    """
    try:
        orjson.loads(data)  # most YAML that clients send is JSON, which is read far quicker
    except orjson.JSONDecodeError:
        pass
    else:
        return read_json(data)
    try:
        reader = YamlReader(text_of(data), lenient=True, most=MOST_VALUES)
        return next((value for _, _, value in reader.documents()), None)
    except TooMany:
        if b"*" in data:
            raise Unreadable("yaml parse error: document contains excessive aliasing") from None
        raise too_many_values() from None
    except (YamlFault, UnicodeDecodeError) as fault:
        raise Unreadable(f"yaml parse error: {fault}") from None


def too_many_values() -> ApiError:
    """413: the body has more values than the server reads."""
    message = f"Request entity too large: limit is {MOST_VALUES} values"
    return ApiError(413, "RequestEntityTooLarge", message)


def _check_size(value: Any) -> None:
    """Raises: ApiError 413 RequestEntityTooLarge."""
    seen, open_ = 0, [value]
    while open_:
        inner = open_.pop()
        seen += 1
        if seen + len(open_) > MOST_VALUES:
            raise too_many_values()
        if isinstance(inner, dict):
            open_ += inner.values()
        elif isinstance(inner, list):
            open_ += inner


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


def _unreadable(kind: str, why: str) -> ApiError:
    return refusals.bad_request(
        f"the object provided is unrecognized (must be of type {kind}): "
        f"couldn't get version/kind; {why}"
    )
