"""Field errors: what is wrong with one field, so that rules read as sentences.

`yield invalid(f"{path}.replicas", -1, "must be greater than or equal to 0")`.

Source: apimachinery `util/validation/field` (Kubernetes 1.37). A path is a plain string, spelled
as the server spells it: `spec.ports[0].name`, `metadata.labels[app]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kubesim.model import Object


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault.

    Args:
        reason: the machine-readable reason, such as `FieldValueInvalid`.
        field: the path of the field.
        message: the server's words about it, without the path.
    """

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


Errors = Iterator[FieldError]
"""What a rule yields: one fault after the other, or nothing at all."""

Rule = Callable[[Object, Object | None], Errors]
"""What must hold for an object; the second argument is the object as stored, None on create."""

IMMUTABLE = "field is immutable"
"""What the server says of a field that may be set once."""


def required(path: str, detail: str = "") -> FieldError:
    """A field is missing or empty."""
    return FieldError("FieldValueRequired", path, _sentence("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value is malformed, out of range, or must not change."""
    return _about("FieldValueInvalid", "Invalid value", path, value, detail)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """A value is not one of those that the field can have."""
    listed = ", ".join(_quoted(each) for each in supported)
    detail = f"supported values: {listed}"
    return _about("FieldValueNotSupported", "Unsupported value", path, value, detail)


def duplicate(path: str, value: Any, detail: str = "") -> FieldError:
    """A value occurs twice where it must be unique."""
    return _about("FieldValueDuplicate", "Duplicate value", path, value, detail)


def not_found(path: str, value: Any, detail: str = "") -> FieldError:
    """A value refers to something that does not exist."""
    return _about("FieldValueNotFound", "Not found", path, value, detail)


def forbidden(path: str, detail: str) -> FieldError:
    """A field must not be set, or not be changed, as things stand."""
    return FieldError("FieldValueForbidden", path, _sentence("Forbidden", detail))


def too_long(path: str, limit: int) -> FieldError:
    """A text or map is larger than so many bytes; the value itself is not repeated."""
    detail = f"may not be more than {limit} bytes"
    return FieldError("FieldValueTooLong", path, _sentence("Too long", detail))


def immutable(path: str, value: Any, old: Any) -> Errors:
    """A value must be what it was."""
    if value != old:
        yield invalid(path, value, IMMUTABLE)


def invalids(path: str, value: Any, details: Iterable[str]) -> Errors:
    """One error for each thing that is wrong with the same value (see `names`)."""
    for detail in details:
        yield invalid(path, value, detail)


def one_of(path: str, value: Any, supported: tuple[str, ...]) -> Errors:
    """A value must be given, and be one of those that the field can have."""
    if not value:
        yield required(path)
    elif value not in supported:
        yield not_supported(path, value, supported)


def at_least(path: str, value: int | None, low: int = 0) -> Errors:
    """A number, if it is given, must not lie below a bound."""
    if value is not None and value < low:
        yield invalid(path, value, f"must be greater than or equal to {low}")


def changes(before: Object, after: Object, path: str) -> list[str]:
    """The fields that differ. Where the real server prints a diff of Go structures, which no one
    reads, the refusals here name these."""
    return sorted(
        f"{path}.{field}" for field in {**before, **after} if before.get(field) != after.get(field)
    )


def _about(reason: str, what: str, path: str, value: Any, detail: str) -> FieldError:
    return FieldError(reason, path, _sentence(f"{what}: {_shown(value)}", detail))


def _sentence(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what


def _shown(value: Any) -> str:
    """A value as the server repeats it. Since Kubernetes 1.34 it writes structures as JSON; the
    names in them are spelled here as in the API, though a few kinds show Go's spelling there."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
