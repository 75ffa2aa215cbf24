"""Field errors: what is wrong with one field, so that rules read as sentences.

`yield invalid(f"{path}.replicas", -1, "must be greater than or equal to 0")`.

Source: apimachinery `util/validation/field` (Kubernetes 1.37). A path is a plain string, spelled
as the server spells it: `spec.ports[0].name`, `metadata.labels[app]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from kubesim import field_kinds
from kubesim.model import Object
from kubesim.schema import Node, builtin, zero


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

LABEL_SELECTOR = "apimachinery.pkg.apis.meta.v1.LabelSelector"

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


def difference(before: Any, after: Any, definition: str) -> str:
    """How two structs differ, line by line, as messages show it since Kubernetes 1.34.

    Args:
        before: the struct as it was.
        after: as it will be.
        definition: of the struct, as for `in_go`.
    """
    old, new = (
        json.dumps(json.loads(in_go(each, definition)), indent=1, ensure_ascii=False).splitlines()
        for each in (before, after)
    )
    lines = list(unified_diff(old, new, lineterm="", n=3))[2:]
    return "".join(f"{line}\n" for line in lines)


def changes(before: Object, after: Object, path: str) -> list[str]:
    """The fields that differ. Where the real server prints a diff of Go structures, which no one
    reads, the refusals here name these."""
    return sorted(
        f"{path}.{field}" for field in {**before, **after} if before.get(field) != after.get(field)
    )


def _about(reason: str, what: str, path: str, value: Any, detail: str) -> FieldError:
    shown = _shown(value)
    return FieldError(reason, path, _sentence(f"{what}: {shown}" if shown else what, detail))


def _sentence(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what


class Shown(str):
    """A value that is spelled already as messages repeat it."""


NO_VALUE = Shown("")
"""Stands for a value that a message does not repeat."""


def in_go(value: Any, definition: str) -> Shown:
    """A struct as messages repeat it since Kubernetes 1.34: as JSON of the internal Go type.

    That type has all its fields, by their names in Go and in its order. The types of meta/v1 have
    no internal twin: they are spelled as in the API.

    Args:
        value: the struct, or a list of such.
        definition: of the struct, such as `core.v1.ServicePort`.
    """
    if value is None:
        return Shown("null")
    node = builtin().definition(f"io.k8s.{definition}")
    if isinstance(value, list):
        return Shown(_json([_go(each, node) for each in value]))
    return Shown(_json(_go(value or {}, node)))


def _go(value: Any, node: Node) -> Any:
    if node.kind == "list" and value and node.item:
        return [_go(each, node.item) for each in value]
    if node.kind == "map" and value and node.item:
        return {key: _go(value[key], node.item) for key in sorted(value)}
    if node.kind != "struct" or value is None:
        return value
    kinds = field_kinds.fields(node.definition)
    if node.definition.startswith("io.k8s.apimachinery."):
        return {name: _go(value[name], node.fields[name]) for name in kinds if value.get(name)}
    if node.definition == "io.k8s.api.core.v1.PodSpec":
        return _pod_spec(value, node)
    return {
        kind.go_name: _go(value.get(name, None if "*" in kind.marks else zero(child)), child)
        for name, kind in kinds.items()
        if (child := node.fields[name])
    }


_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_FIRST = (
    "volumes",
    "initContainers",
    "containers",
    "ephemeralContainers",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "activeDeadlineSeconds",
    "dnsPolicy",
    "nodeSelector",
    "serviceAccountName",
    "automountServiceAccountToken",
    "nodeName",
    "securityContext",
    "imagePullSecrets",
)


def _pod_spec(spec: Object, node: Node) -> Object:
    """A pod's spec, whose internal type has another order, and keeps in the security context what
    a pod shares with its node (pkg/apis/core/types.go)."""
    kinds = field_kinds.fields(node.definition)
    spec = {**spec, "securityContext": spec.get("securityContext") or {}}
    whole = {
        kind.go_name: _go(spec.get(name, None if "*" in kind.marks else zero(child)), child)
        for name, kind in kinds.items()
        if name != "serviceAccount" and (child := node.fields[name])
    }
    names = [kinds[name].go_name for name in _FIRST]
    shared = {kinds[name].go_name: whole.pop(kinds[name].go_name) for name in _HOST}
    whole["SecurityContext"] = {**shared, **whole["SecurityContext"]}
    return {name: whole[name] for name in (*names, *whole)}


def _shown(value: Any) -> str:
    """A value as the server repeats it: a text quoted as in Go, anything else as JSON."""
    if isinstance(value, Shown):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    return _json(value, sort_keys=True)


def _json(value: Any, *, sort_keys: bool = False) -> str:
    """JSON as Go writes it, which is fit for HTML."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
