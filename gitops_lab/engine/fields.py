"""Single fields of an object: those that Git does not declare, and those to be ignored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from gitops_lab.model import Object, ObjectKey, copied

SYSTEM = ("kube-", "kubelet", "local-path-provisioner", "endpoint")
"""Field managers whose names begin so are parts of Kubernetes: what they add is no surprise."""

BOOKKEEPING = ("metadata.annotations.kubectl.kubernetes.io/", "metadata.finalizers", "status")
"""Paths that tools and controllers write for themselves."""

_MISSING = object()


class ExtraField(NamedTuple):
    """A field that is live and that Git does not declare.

    Args:
        path: where it is, such as `spec.template.spec.containers[sidecar]`.
        manager: the field manager that wrote it.
    """

    path: str
    manager: str

    def __str__(self) -> str:
        return f"{self.path} ({self.manager})"


def extra_fields(live: Object, desired: Object, manager: str) -> tuple[ExtraField, ...]:
    """The fields that people and programs added to an object, and that Git does not declare.

    They are found in `metadata.managedFields`: what others own, is there, and is not in Git. A
    field that is added within another one is one with it.

    Args:
        live: the object as it is.
        desired: the object as Git declares it.
        manager: the deployer's own field manager.
    """
    found: dict[str, str] = {}
    for entry in live["metadata"].get("managedFields") or ():
        name = str(entry.get("manager", ""))
        if name == manager or entry.get("subresource") or name.startswith(SYSTEM):
            continue
        for path in _undeclared(entry.get("fieldsV1") or {}, live, desired, ""):
            if not path.startswith(BOOKKEEPING):
                found.setdefault(path, name)
    return tuple(ExtraField(path, name) for path, name in sorted(found.items()))


def _undeclared(fields: Mapping[str, Any], live: Any, desired: Any, path: str) -> Iterator[str]:
    """The outermost fields of a set that are live and not declared."""
    for element, below in fields.items():
        if element == ".":
            continue
        here, name = step_into(live, element)
        declared, _ = step_into(desired, element)
        if here is _MISSING:
            continue
        shown = f"{path}{name}" if name.startswith("[") else f"{path}.{name}".lstrip(".")
        if declared is not _MISSING:
            yield from _undeclared(below, here, declared, shown)
        elif here is not None and (here or not isinstance(here, dict)):
            yield shown


def step_into(value: Any, element: str) -> tuple[Any, str]:
    """What an element of `fieldsV1` leads to, and how people write it."""
    kind, _, text = element.partition(":")
    if kind == "f":
        found = value.get(text, _MISSING) if isinstance(value, dict) else _MISSING
        return found, text
    items = value if isinstance(value, list) else []
    if kind == "k":
        wanted = json.loads(text)
        name = ",".join(str(part) for part in wanted.values())
        matching = (i for i in items if isinstance(i, dict) and _matches(i, wanted))
        return next(matching, _MISSING), f"[{name}]"
    if kind == "v":
        wanted = json.loads(text)
        return (wanted if wanted in items else _MISSING), f"[{wanted}]"
    return _MISSING, element


def _matches(item: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    # Keys that have a default, such as a port's protocol, may be left out in Git.
    return all(item.get(name, value) == value for name, value in wanted.items())


# -- fields to ignore -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Ignore:
    """Fields that are no drift, by JSON pointer (RFC 6901).

    Args:
        pointers: such as `/spec/replicas` or `/spec/template/spec/containers/0/image`.
        kind: only objects of this kind; a pattern such as `*Set`. Empty is any.
        name: only objects of this name; a pattern. Empty is any.
    """

    pointers: tuple[str, ...]
    kind: str = ""
    name: str = ""

    def applies_to(self, key: ObjectKey) -> bool:
        """Whether this is about an object."""
        return fnmatchcase(key.kind, self.kind or "*") and fnmatchcase(key.name, self.name or "*")


def without_ignored(obj: Object, key: ObjectKey, rules: Sequence[Ignore]) -> Object:
    """An object without the fields to ignore."""
    return with_fields_of({}, obj, key, rules)


def with_fields_of(live: Object, obj: Object, key: ObjectKey, rules: Sequence[Ignore]) -> Object:
    """A desired object with the fields to ignore as they are live; absent where they are.

    To leave them out would not leave them alone: server-side apply removes a field that its owner
    does not send any more.
    """
    pointers = [pointer for rule in rules if rule.applies_to(key) for pointer in rule.pointers]
    if not pointers:
        return obj
    result = copied(obj)
    for pointer in pointers:
        steps = [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]
        _set(result, steps, _at(live, steps))
    return result


def _child(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step, _MISSING)
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    return _MISSING


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = _child(value, step)
    return value


def _set(obj: Any, steps: list[str], value: Any) -> None:
    """Set a field, or remove it; nothing happens where there is no place for it."""
    parent = _at(obj, steps[:-1])
    if isinstance(parent, dict):
        parent.pop(steps[-1], None)
        if value is not _MISSING:
            parent[steps[-1]] = value
    elif _child(parent, steps[-1]) is not _MISSING:
        if value is _MISSING:
            del parent[int(steps[-1])]
        else:
            parent[int(steps[-1])] = value
