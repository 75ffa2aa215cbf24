"""Filling in what is missing, without touching what was given.

Every function returns its argument itself if there is nothing to do, so that an object that is
complete costs next to nothing, and shares what did not change with what it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from kubesim.model import Object

Kind = tuple[str, str]
"""An API version and a kind."""

Rule = Callable[[Object], Object]
"""A default for one place: takes what is there, returns what should be there."""


def fill(obj: Object, defaults: Mapping[str, Any]) -> Object:
    """Fields that are absent, or empty where the default is not, with their defaults."""
    missing = None
    for key, value in defaults.items():
        present = obj.get(key)
        if present is None or (present == "" and value != ""):
            missing = {} if missing is None else missing
            # Copied, so that no two objects ever share a default that is a map or a list.
            missing[key] = deepcopy(value)
    return obj if missing is None else {**obj, **missing}


def fill_zero(obj: Object, defaults: Mapping[str, Any]) -> Object:
    """Fields that are absent or zero, with their defaults: Go cannot tell the two apart."""
    missing = {key: value for key, value in defaults.items() if not obj.get(key)}
    return {**obj, **missing} if missing else obj


def put(obj: Object, key: str, value: Any) -> Object:
    """A field set to a value."""
    return obj if key in obj and obj[key] == value else {**obj, key: value}


def drop(obj: Object, key: str) -> Object:
    """A field taken away."""
    return {name: value for name, value in obj.items() if name != key} if key in obj else obj


def within(obj: Object, key: str, rule: Rule) -> Object:
    """A rule for a field, if it is there."""
    inner = obj.get(key)
    if inner is None:
        return obj
    new = rule(inner)
    return obj if new is inner else {**obj, key: new}


def always(obj: Object, key: str, rule: Rule) -> Object:
    """A rule for a field that is made if it is not there."""
    inner = obj.get(key)
    new = rule({} if inner is None else inner)
    return obj if new is inner else {**obj, key: new}


def each(obj: Object, key: str, rule: Rule) -> Object:
    """A rule for the items of a list or the values of a map."""
    inner = obj.get(key)
    if not inner:
        return obj
    if isinstance(inner, dict):
        values = {name: rule(item) for name, item in inner.items()}
        same = all(values[name] is item for name, item in inner.items())
        return obj if same else {**obj, key: values}
    items = [rule(item) for item in inner]
    same = all(new is item for new, item in zip(items, inner, strict=True))
    return obj if same else {**obj, key: items}


def by(defaults: Mapping[str, Any]) -> Rule:
    """The rule that fills in these defaults."""
    return lambda obj: fill(obj, defaults)


def in_spec(rule: Rule) -> Rule:
    """The rule for an object that applies a rule to its spec, which is made if need be."""
    return lambda obj: always(obj, "spec", rule)


def chain(*rules: Rule) -> Rule:
    """Rules one after the other."""

    def apply(obj: Object) -> Object:
        for rule in rules:
            obj = rule(obj)
        return obj

    return apply


def with_status(**first: Any) -> Rule:
    """The rule for the first status of an object."""
    rule = by(first)
    return lambda obj: always(obj, "status", rule)
