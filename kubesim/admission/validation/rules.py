"""Rules in CEL that a structural schema has for its objects: `x-kubernetes-validations`.

A rule on what an update leaves as it was is not asked again, unless it compares the two
(CRDValidationRatcheting, Kubernetes 1.33).

Source: apiextensions-apiserver `pkg/apiserver/schema/cel/{compilation,validation}.go` and
`pkg/apis/apiextensions/validation` (Kubernetes 1.37).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from kubesim.admission.validation.field import (
    NO_VALUE,
    Errors,
    FieldError,
    duplicate,
    forbidden,
    in_go,
    invalid,
    not_supported,
    required,
)
from kubesim.cel import CompileError, EvaluationError, Program, program, values
from kubesim.model import Object
from kubesim.schema import Node

Schema = Mapping[str, Any]

RULES = "x-kubernetes-validations"

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_RULE = "apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule"
_LONGEST_MESSAGE = 5 * 1024
_NOTHING = object()
"""Stands for the value before, where there was none."""

_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]")
"""A step of a `fieldPath`: `.name` or `['name']`."""

_BINDING = "[size(past) == 0 ? optional.none() : optional.of(past[0])].map(oldSelf,"
"""What binds `oldSelf` to a value that may be none; no such value can be handed to a program."""

_LINE = re.compile(r"<input>:(\d+):")


# -- The rules of a definition ---------------------------------------------------------------------


def definition(schema: Schema, path: str, *, is_root: bool, has_past: bool) -> Errors:
    """The rules at one place of a schema.

    Args:
        schema: of the place.
        path: of the schema, in the definition.
        is_root: whether a whole object is there.
        has_past: whether it can be told which value was there before.
    """
    for index, rule in enumerate(schema.get(RULES) or ()):
        yield from _rule(rule, schema, f"{path}.{RULES}[{index}]", is_root, has_past)


def _rule(rule: Object, schema: Schema, path: str, is_root: bool, has_past: bool) -> Errors:
    text, message = rule.get("rule", ""), rule.get("message", "")
    if not text.strip():
        yield required(f"{path}.rule", "rule is not specified")
        return
    if message and not message.strip():
        yield invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip():
        yield invalid(f"{path}.message", message, "must not contain line breaks")
    elif not message and "\n" in text.strip():
        detail = "message must be specified if rule contains line breaks"
        yield required(f"{path}.message", detail)
    if "reason" in rule and rule["reason"] not in _REASONS:
        yield not_supported(f"{path}.reason", rule["reason"], _REASONS)
    if "fieldPath" in rule and not _resolves(rule["fieldPath"], schema):
        yield invalid(f"{path}.fieldPath", rule["fieldPath"], "must be a valid path")
    for name, wanted, why in (
        ("rule", "bool", "cel expression must evaluate to a bool"),
        ("messageExpression", "string", "messageExpression must evaluate to a string"),
    ):
        if name not in rule:
            continue
        try:
            made = _compiled(rule[name], rule)
            type_ = _type_of(made, rule, schema, is_root)
        except CompileError as error:
            yield invalid(f"{path}.{name}", in_go(rule, _RULE), str(error))
            continue
        if type_ not in (wanted, "dyn"):
            yield invalid(f"{path}.{name}", in_go(rule, _RULE), why)
        if _compares(made) and not has_past:
            detail = "oldSelf cannot be used on the uncorrelatable portion of the schema within "
            detail += re.sub(r"\.items(\.|$).*", "", path)
            yield invalid(f"{path}.{name}", rule[name], detail)
    if rule.get("optionalOldSelf") and "oldSelf" not in text:
        detail = "may not be set if oldSelf is not used in rule"
        yield invalid(f"{path}.optionalOldSelf", True, detail)


def _type_of(made: Program, rule: Object, schema: Schema, is_root: bool) -> str:
    """The type of an expression's value; a CompileError if it reaches for what is not there."""
    try:
        seen = values.whole(schema) if is_root else schema
        return values.check(made, {"self": seen, "oldSelf": seen})
    except CompileError as error:
        raise _without_binding(error) if rule.get("optionalOldSelf") else error from None


def _compares(made: Program) -> bool:
    """Whether an expression asks what was there before."""
    return not made.names.isdisjoint(("oldSelf", "past"))


def _resolves(path: str, schema: Schema) -> bool:
    """Whether a `fieldPath` leads to a field that a schema has."""
    place, here = 0, schema
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:
            return False
        name = step[1] or step[2] or ""
        rest = here.get("additionalProperties")
        child = rest if isinstance(rest, Mapping) else (here.get("properties") or {}).get(name)
        if not isinstance(child, Mapping):
            return False
        place, here = step.end(), child
    return bool(path)


def _compiled(text: str, rule: Object) -> Program:
    """An expression of a rule. Where `oldSelf` may be nothing, it is bound as an optional value."""
    if not rule.get("optionalOldSelf"):
        return program(text, ("self", "oldSelf"))
    try:
        return program(f"{_BINDING}\n{text}\n)[0]", ("self", "past"))
    except CompileError as error:
        raise _without_binding(error) from None


def _without_binding(error: CompileError) -> CompileError:
    """A fault, told by the lines of the rule itself."""
    return CompileError(_LINE.sub(lambda found: f"<input>:{int(found[1]) - 1}:", str(error)))


# -- What objects are held to ----------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A place of a schema at which there are rules, or below which there are.

    Args:
        schema: of the place.
        rules: at the place itself.
        fields: the places below, by name of the field.
        rest: the place of what other fields have, or of a list's items.
        others: the same place again, as `allOf` has it.
        is_root: whether a whole object is there.
    """

    schema: Schema
    rules: Sequence[Object] = ()
    fields: Mapping[str, Place] = field(default_factory=dict)
    rest: Place | None = None
    others: Sequence[Place] = ()
    is_root: bool = False


@lru_cache(maxsize=256)
def of(type_: Node) -> Place | None:
    """The rules for a custom kind; None if there are none."""
    return _place(type_.schema, type_.schema, is_root=True)


def _place(schema: Schema, place: Schema, *, is_root: bool = False) -> Place | None:
    """The rules of a schema that is about a place, which has a schema of its own."""

    def below(name: str) -> Place | None:
        inner, own = schema.get(name), place.get(name)
        has_both = isinstance(inner, Mapping) and isinstance(own, Mapping)
        return _place(inner or {}, own or {}) if has_both else None

    known = place.get("properties") or {}
    found = {
        name: _place(inner, known[name])
        for name, inner in (schema.get("properties") or {}).items()
        if name in known
    }
    others = [_place(each, place, is_root=is_root) for each in schema.get("allOf") or ()]
    made = Place(
        place,
        schema.get(RULES) or (),
        {name: each for name, each in found.items() if each is not None},
        below("items") or below("additionalProperties"),
        [each for each in others if each is not None],
        is_root or bool(place.get("x-kubernetes-embedded-resource")),
    )
    return made if made.rules or made.fields or made.rest or made.others else None


def custom_object(obj: Object, old: Object | None, type_: Node) -> Errors:
    """A custom object, and the rules of its kind."""
    place = of(type_)
    if place is not None:
        yield from _held(obj, place, "", _NOTHING if old is None else old)


def _held(given: Any, place: Place, path: str, before: Any) -> Errors:
    if given is None:
        return
    for rule in place.rules:
        yield from _asked(rule, given, place, path, before)
    for other in place.others:
        yield from _held(given, other, path, before)
    if isinstance(given, dict):
        was = before if isinstance(before, dict) else {}
        for name, inner in given.items():
            if place.rest is not None:
                yield from _held(inner, place.rest, f"{path}[{name}]", was.get(name, _NOTHING))
            elif name in place.fields:
                at = f"{path}.{name}" if path else name
                yield from _held(inner, place.fields[name], at, was.get(name, _NOTHING))
    elif isinstance(given, list) and place.rest is not None:
        known = dict(_keyed(before, place.schema)) if isinstance(before, list) else {}
        for index, (key, inner) in enumerate(_keyed(given, place.schema)):
            was = known.get(key, _NOTHING)
            yield from _held(inner, place.rest, f"{path}[{index}]", was)


def _keyed(items: list[Any], schema: Schema) -> Iterator[tuple[object, Any]]:
    """A list's items, each with what it can be found again by after an update."""
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    for item in items:
        if keys and isinstance(item, dict):
            yield tuple(str(item.get(key)) for key in keys), item
        else:
            yield object(), item


def _asked(rule: Object, given: Any, place: Place, path: str, before: Any) -> Errors:
    """One rule, asked of one value."""
    at = path or "<nil>"
    said = (rule.get("message") or rule["rule"]).strip()
    try:
        made = _compiled(rule["rule"], rule)
    except CompileError as error:  # the definition is older than this server
        yield invalid(at, NO_VALUE, f"rule compile error: {error}")
        return
    compares = _compares(made)
    if before is _NOTHING:
        if compares and not rule.get("optionalOldSelf"):
            return
    elif not compares and given == before:
        return
    seen = {"self": values.value(given, place.schema, is_root=place.is_root)}
    if compares:
        was = values.value(before, place.schema, is_root=place.is_root)
        seen["oldSelf"] = None if before is _NOTHING else was
        seen["past"] = [] if before is _NOTHING else [was]
    try:
        holds = made.evaluate(seen)
    except EvaluationError as error:
        yield invalid(at, NO_VALUE, _failed(str(error), said))
        return
    if holds is not True:
        detail = _message(rule, seen) or rule.get("message", "").strip() or f"failed rule: {said}"
        yield _refused(rule, at if not rule.get("fieldPath") else _at(path, rule), detail)


def _failed(error: str, said: str) -> str:
    if error.startswith("no such overload"):
        return (
            f"'{error}': call arguments did not match a supported operator, function or macro "
            f"signature for rule: {said}"
        )
    if error.startswith("operation cancelled"):
        return (
            f"'{error}': no further validation rules will be run due to call cost exceeds limit "
            f"for rule: {said}"
        )
    return f"{error} evaluating rule: {said}"


def _message(rule: Object, seen: Mapping[str, Any]) -> str:
    """What a rule's `messageExpression` says; empty if it has none that can be shown."""
    if "messageExpression" not in rule:
        return ""
    try:
        said = _compiled(rule["messageExpression"], rule).evaluate(seen)
    except (CompileError, EvaluationError):
        return ""
    text = said.strip() if isinstance(said, str) else ""
    return "" if "\n" in text or len(text) > _LONGEST_MESSAGE else text


def _at(path: str, rule: Object) -> str:
    """The path of the field that a rule blames."""
    below = "".join(
        f".{step[1]}" if step[1] else f".{step[2]}" for step in _STEP.finditer(rule["fieldPath"])
    )
    return f"{path}{below}" if path else below.removeprefix(".")


def _refused(rule: Object, path: str, detail: str) -> FieldError:
    match rule.get("reason"):
        case "FieldValueForbidden":
            return forbidden(path, detail)
        case "FieldValueRequired":
            return required(path, detail)
        case "FieldValueDuplicate":
            return duplicate(path, NO_VALUE)
    return invalid(path, NO_VALUE, detail)
