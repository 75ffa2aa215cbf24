"""What the server says, as bytes: objects in the form a client asked for, and refusals.

Source: apiserver `pkg/endpoints/handlers/responsewriters` and `response.go` (Kubernetes 1.37).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.http import negotiation, tables
from kubesim.http.negotiation import PLAIN, Form
from kubesim.http.queries import Query
from kubesim.model import Object
from kubesim.resources import Resource

MOST_WARNINGS = 4_096
"""How many characters of warnings one answer carries."""

_LONGEST_WARNING = 256

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer.

    Args:
        body: its bytes.
        code: the HTTP status code.
        media: the content type.
        headers: all other headers that matter.
    """

    body: bytes
    code: int = 200
    media: str = negotiation.JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(value: Any, form: Form = PLAIN, *, code: int = 200, pretty: bool = False) -> Answer:
    """An object as it is, in a form's media type."""
    if form.media == negotiation.YAML:
        text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        return Answer(text.encode("utf-8", "replace"), code, negotiation.YAML)
    return Answer(encoded(value, pretty=pretty), code)


def text(content: str, code: int = 200) -> Answer:
    """Plain text."""
    return Answer(content.encode("utf-8", "replace"), code, TEXT)


def refusal(error: ApiError) -> Answer:
    """A Status that says why not."""
    if error.is_plain:
        return text(f"{error.message}\n", error.code)
    headers = {}
    seconds = error.details.get("retryAfterSeconds")
    if seconds:
        headers["Retry-After"] = str(seconds)
    if error.warnings:
        headers["Warning"] = warning_lines(error.warnings)
    return Answer(encoded(error.status), error.code, headers=headers)


class _Dumper(yaml.CSafeDumper):
    """YAML without anchors, which are unusual in an object."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def encoded(value: Any, *, pretty: bool = False) -> bytes:
    """A value as JSON."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if pretty else None)
    except TypeError:  # nested deeper than it goes, an integer of more than 64 bits, half a letter
        return json.dumps(value, indent=2 if pretty else None).encode()


class Shaper:
    """Turns objects into what a client's form asks for.

    Args:
        form: the form.
        resource: what the objects are.
        query: `includeObject` says what of them goes along in a table.
        now: the instant, for ages; in seconds since the Unix epoch.

    Raises:
        ApiError: 400 BadRequest for an `includeObject` that does not exist.
    """

    def __init__(self, form: Form, resource: Resource, query: Query, now: float) -> None:
        self.form, self.resource, self.now = form, resource, now
        self.include = query.get("includeObject") or "Metadata"
        if self.include not in ("None", "Metadata", "Object"):
            raise refusals.bad_request(f"unrecognized includeObject value: {self.include}")
        self._is_first = True

    def one(self, obj: Object) -> Any:
        """A single object in the form."""
        if self.form.shape == "Table":
            return self._table([obj], {"resourceVersion": _revision(obj)})
        if self.form.shape:
            return self._partial(obj)
        return obj

    def list(self, found: Object) -> Any:
        """A list in the form."""
        if self.form.shape == "Table":
            return self._table(found["items"], found["metadata"])
        if self.form.shape:
            return {
                "apiVersion": f"meta.k8s.io/{self.form.version}",
                "kind": "PartialObjectMetadataList",
                "metadata": found["metadata"],
                "items": [self._partial(each) for each in found["items"]] or None,
            }
        if self.resource.schema is None:  # Kubernetes' own items do not repeat what they are
            found = {**found, "items": [_without_header(each) for each in found["items"]]}
        return found

    def event(self, event: Mapping[str, Any]) -> Any:
        """A watch's event, with its object in the form."""
        obj = event["object"]
        if event["type"] == "ERROR" or not self.form.shape:
            return event
        if self.form.shape == "Table":
            rows = [] if event["type"] == "BOOKMARK" else [obj]
            shaped = self._table(
                rows, obj["metadata"] if not rows else {"resourceVersion": _revision(obj)}
            )
            if not self._is_first:
                shaped["columnDefinitions"] = None  # as the real server: told once
            self._is_first = False
        else:
            shaped = self._partial(obj)
        return {"type": event["type"], "object": shaped}

    def _table(self, objects: Iterable[Object], metadata: Mapping[str, Any]) -> Object:
        table = tables.table(self.resource, objects, now=self.now, include=self.include)
        return {
            **table,
            "apiVersion": f"meta.k8s.io/{self.form.version}",
            "metadata": dict(metadata),
        }

    def _partial(self, obj: Object) -> Object:
        partial = tables.partial_metadata(obj)
        return {**partial, "apiVersion": f"meta.k8s.io/{self.form.version}"}


def _revision(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("resourceVersion", ""))


def _without_header(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


def warning_lines(texts: Iterable[str]) -> str:
    """The values of `Warning` headers, one in each line, as far as there is room for them.

    Only if there is not room for all of them, long ones are cut.

    Source: RFC 7234, section 5.5, code 299; apiserver `pkg/endpoints/filters/warning.go`.
    """
    lines: list[str] = []
    size = 0
    told = list(dict.fromkeys(texts))
    if sum(map(len, told)) > MOST_WARNINGS:
        told = [each[:_LONGEST_WARNING] for each in told]
    for each in told:
        lines.append(_warning(each))
        size += len(lines[-1])
        if size > MOST_WARNINGS or len(lines) == 50:
            break
    return "\n".join(lines)


def _warning(text_: str) -> str:
    printable = "".join(each if each.isprintable() else " " for each in text_)
    quoted = printable.encode("utf-8", "replace").decode()
    quoted = quoted.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'
