"""What a structural schema demands of custom objects.

A value that an update leaves as it was is not looked at again, so that an object which became
invalid when its schema changed can still be written (CRDValidationRatcheting, Kubernetes 1.33).

Source: apiextensions-apiserver `pkg/apiserver/validation`, and the messages of kube-openapi
`pkg/validation` (Kubernetes 1.37). Of the formats, ISBNs and credit card numbers are not checked.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any
from urllib.parse import urlsplit

from kubesim import regex
from kubesim.admission.validation import names, rules
from kubesim.admission.validation.field import (
    Errors,
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
)
from kubesim.model import Object
from kubesim.resources import ScalePaths
from kubesim.schema import Node

Schema = Mapping[str, Any]

_NOTHING = object()
"""Stands for the value before, where there was none."""


_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
"""Faults that leave nothing to ask rules about."""


def custom_object(
    obj: Object, old: Object | None, type_: Node, scale: ScalePaths | None = None
) -> Errors:
    """A custom object, and the schema and the rules of its kind; and what its Scale is made of."""
    faults = list(value(obj, type_.schema, "", _NOTHING if old is None else old))
    yield from faults
    if scale is not None:
        yield from _scale(obj, scale)
    if _BLOCKING.isdisjoint(fault.reason for fault in faults):
        yield from rules.custom_object(obj, old, type_)
    elif rules.of(type_) is not None:
        yield invalid(
            "<nil>",
            None,
            "some validation rules were not checked because the object was invalid; "
            "correct the existing errors to complete validation",
        )


def _scale(obj: Object, scale: ScalePaths) -> Errors:
    """The number of replicas, where there is one, is a number that is not negative."""
    for path in (scale.spec_replicas, scale.status_replicas):
        found: Any = obj
        for name in path.split(".")[1:]:
            if not isinstance(found, dict):
                yield _no_number(path, found, "map[string]interface{}")
                break
            found = found.get(name)
            if found is None:
                break
        else:
            if isinstance(found, bool) or not isinstance(found, int):
                yield _no_number(path, found, "int64")
            elif found < 0:
                yield invalid(path, found, "should be a non-negative integer")


def _no_number(path: str, found: Any, wanted: str) -> FieldError:
    types = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}"}
    given = types.get(type(found), "map[string]interface {}")
    shown = str(found).lower() if isinstance(found, bool) else found
    detail = f"{path} accessor error: {shown} is of the type {given}, expected {wanted}"
    return invalid(path, 0, detail)


def value(given: Any, schema: Schema, path: str, before: Any = _NOTHING) -> Errors:
    """A value at a path, and the schema of that place; `before` is the value that was there."""
    if before is not _NOTHING and given == before:
        return
    if given is None and schema.get("nullable"):
        return
    type_ = _wrong_type(given, schema)
    if type_:
        yield _type_invalid(path, _type_of(given), type_)
        if type_ == "integer" and isinstance(given, float):
            text = f"Checked value must be of type integer (default format) in {path}"
            yield invalid("<nil>", "", text)
        return
    if "enum" in schema and given not in schema["enum"]:
        listed = [each if isinstance(each, str) else json.dumps(each) for each in schema["enum"]]
        yield not_supported(path, given, listed)
    match given:
        case str():
            yield from _text(given, schema, path)
        case bool():
            pass
        case int() | float():
            yield from _number(given, schema, path)
        case list():
            yield from _list(given, schema, path, before)
        case dict():
            yield from _struct(given, schema, path, before)
    yield from _combined(given, schema, path)


# -- Types -----------------------------------------------------------------------------------------


def _type_of(given: Any) -> str:
    names_ = {str: "string", bool: "boolean", int: "integer", dict: "object", list: "array"}
    return names_.get(type(given), "null" if given is None else "number")


def _wrong_type(given: Any, schema: Schema) -> str:
    """The type that a value should have had; empty if it has it."""
    found = _type_of(given)
    if schema.get("x-kubernetes-int-or-string"):
        return "" if found in ("integer", "string") else "integer,string"
    wanted: str = schema.get("type", "")
    if not wanted or found == wanted or (found, wanted) == ("integer", "number"):
        return ""
    is_whole = found == "number" and wanted == "integer" and given.is_integer()
    return "" if is_whole else wanted


def _type_invalid(path: str, shown: str, type_: str) -> FieldError:
    quoted = json.dumps(shown, ensure_ascii=False)
    message = f"Invalid value: {quoted}: {path} in body must be of type {type_}: {quoted}"
    return FieldError("FieldValueTypeInvalid", path, message)


def _unfit(path: str, given: Any, why: str) -> FieldError:
    return invalid(path, given, f"{path} in body should {why}")


# -- Texts and numbers -----------------------------------------------------------------------------


def _text(given: str, schema: Schema, path: str) -> Errors:
    if len(given) > schema.get("maxLength", math.inf):
        yield too_long(path, schema["maxLength"])
    if len(given) < schema.get("minLength", 0):
        yield _unfit(path, given, f"be at least {schema['minLength']} chars long")
    if "pattern" in schema and not _matches(given, schema["pattern"]):
        yield _unfit(path, given, f"match '{schema['pattern']}'")
    fits = _FORMATS.get(schema.get("format", ""))
    if fits is not None and not fits(given):
        yield _type_invalid(path, given, schema["format"])


def _matches(given: str, expression: str) -> bool:
    try:
        return regex.matches(expression, given)
    except regex.PatternError:
        return True  # the definition itself is refused for it


def _number(given: float, schema: Schema, path: str) -> Errors:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    factor = schema.get("multipleOf")
    if factor and isinstance(given, int) and not int(factor):  # as the real server reckons
        detail = f"factor MultipleOf declared for {path} must be positive: {int(factor)}"
        yield invalid(path, given, detail)
        factor = None
    if schema.get("exclusiveMaximum") and given >= high:
        yield _unfit(path, given, f"be less than {_plain(high)}")
    elif given > high:
        yield _unfit(path, given, f"be less than or equal to {_plain(high)}")
    if schema.get("exclusiveMinimum") and given <= low:
        yield _unfit(path, given, f"be greater than {_plain(low)}")
    elif given < low:
        yield _unfit(path, given, f"be greater than or equal to {_plain(low)}")
    if factor and not math.isclose(given / factor, round(given / factor), abs_tol=1e-9):
        yield _unfit(path, given, f"be a multiple of {_plain(factor)}")
    bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""))
    if bits and schema.get("type") == "integer" and not -(2**bits) <= given < 2**bits:
        text = f"Checked value must be of type integer with format {schema['format']} in {path}"
        yield invalid("<nil>", "", text)


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


# -- Lists and maps --------------------------------------------------------------------------------


def _too_many(path: str, have: int, most: int) -> FieldError:
    return FieldError(
        "FieldValueTooMany", path, f"Too many: {have}: must have at most {most} items"
    )


def _list(given: list[Any], schema: Schema, path: str, before: Any) -> Errors:
    if len(given) > schema.get("maxItems", math.inf):
        yield _too_many(path, len(given), schema["maxItems"])
    if len(given) < schema.get("minItems", 0):
        yield _unfit(path, given, f"have at least {schema['minItems']} items")
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys", ()) if kind == "map" else ()
    known = (
        {_identity(each, keys): each for each in before} if keys and type(before) is list else {}
    )
    for index, inner in enumerate(given):
        was = known.get(_identity(inner, keys), _NOTHING)
        yield from value(inner, schema.get("items", {}), f"{path}[{index}]", was)
    if kind in ("map", "set"):
        seen: set[str] = set()
        for index, inner in enumerate(given):
            identity = _identity(inner, keys)
            if identity in seen:
                yield duplicate(f"{path}[{index}]", json.loads(identity))
            seen.add(identity)


def _identity(item: Any, keys: tuple[str, ...]) -> str:
    """What tells an item from others: its keys, or all of it."""
    if keys and isinstance(item, dict):
        item = {key: item[key] for key in keys if key in item}
    return json.dumps(item, sort_keys=True)


def _struct(given: Object, schema: Schema, path: str, before: Any) -> Errors:
    most, least = schema.get("maxProperties", math.inf), schema.get("minProperties", 0)
    if len(given) > most:
        yield _too_many(path, len(given), int(most))
    if len(given) < least:
        yield _unfit(path, given, f"have at least {least} properties")
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in given:
            yield required(_below(path, name))
    if schema.get("x-kubernetes-embedded-resource"):
        for name in ("apiVersion", "kind"):
            if name not in given:
                yield required(_below(path, name))
            elif not given[name]:
                yield required(_below(path, name), "must not be empty")
    for name, inner in given.items():
        child = properties.get(name, rest)
        if isinstance(child, Mapping):
            was = before.get(name, _NOTHING) if type(before) is dict else _NOTHING
            yield from value(inner, child, _below(path, name), was)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# -- Combined schemas ------------------------------------------------------------------------------


def _combined(given: Any, schema: Schema, path: str) -> Errors:
    """allOf, anyOf, oneOf and not. Their sentences bear no field, as with the real server."""

    def fits(each: Schema) -> bool:
        return next(value(given, each, path), None) is None

    def must(what: str) -> FieldError:
        return invalid("<nil>", "", f'"{path}" must {what}')

    faults = [fault for each in schema.get("allOf", ()) for fault in value(given, each, path)]
    if faults and "$ref" not in schema:  # metadata: what restricts its names is no alternative
        yield must("validate all the schemas (allOf)")
    yield from faults
    if "anyOf" in schema and not any(map(fits, schema["anyOf"])):
        yield must("validate at least one schema (anyOf)")
        yield from value(given, schema["anyOf"][0], path)
    if "oneOf" in schema:
        matches = sum(map(fits, schema["oneOf"]))
        if not matches:
            yield must("validate one and only one schema (oneOf). Found none valid")
            yield from value(given, schema["oneOf"][0], path)
        elif matches > 1:
            what = f"validate one and only one schema (oneOf). Found {matches} valid alternatives"
            yield must(what)
    if "not" in schema and fits(schema["not"]):
        yield must("not validate the schema (not)")


# -- Formats ---------------------------------------------------------------------------------------


def _like(expression: str) -> Callable[[str], bool]:
    compiled = re.compile(expression, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _made_by(make: Callable[[str], object]) -> Callable[[str], bool]:
    """Whether something can be made of a text without a ValueError."""

    def fits(text: str) -> bool:
        try:
            make(text)
        except ValueError:
            return False
        return True

    return fits


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None or text[10:11] not in ("T", "t"):
        raise ValueError(text)
    return instant


def _cidr(text: str) -> object:
    if "/" not in text:
        raise ValueError(text)
    return ip_network(text, strict=False)


def _base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise ValueError(text) from error


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


_HEX = "[0-9A-Fa-f]"

_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "bsonobjectid": _like(f"{_HEX}{{24}}"),
    "byte": _made_by(_base64),
    "cidr": _made_by(_cidr),
    "date": lambda text: len(text) == 10 and _made_by(datetime.fromisoformat)(text),
    "date-time": _made_by(_instant),
    "duration": _like(
        r"(\d+(\.\d+)?\s*(ns|us|µs|μs|ms|s|m|h))+"
        r"|\d+\s*(nanoseconds?|microseconds?|milliseconds?|seconds?|minutes?|hours?|days?|d|weeks?"
        r"|w)|0"
    ),
    "email": _like(r"[^@\s]+@[^@\s]+"),
    "hexcolor": _like(f"#?({_HEX}{{3}}|{_HEX}{{6}})"),
    "hostname": _like(
        r"(?=.{1,255}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
        r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?"
    ),
    "ipv4": _made_by(IPv4Address),
    "ipv6": _made_by(IPv6Address),
    "k8s-long-name": lambda text: not names.dns_subdomain(text),
    "k8s-short-name": lambda text: not names.dns_label(text),
    "mac": _like(f"{_HEX}{{2}}([:-]{_HEX}{{2}}){{5}}"),
    "rgbcolor": _like(r"rgb\((\s*\d{1,3}\s*,){2}\s*\d{1,3}\s*\)"),
    "ssn": _like(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _uri,
    **{
        f"uuid{version}": _like(
            f"{_HEX}{{8}}-?{_HEX}{{4}}-?{version or _HEX}{_HEX}{{3}}-?{_HEX}{{4}}-?{_HEX}{{12}}"
        )
        for version in ("", "3", "4", "5")
    },
}
"""Whether a text is of a format; formats that are not here say nothing."""
