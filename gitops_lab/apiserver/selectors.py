"""Selectors: which objects a list, a watch or a deletion is about.

Source: apimachinery `labels.Parse` and `fields.ParseSelector`; the fields that can be selected
are those of the registry strategies (pkg/registry/*/strategy.go, Kubernetes 1.37).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from gitops_lab.errors import ApiError
from gitops_lab.model import Object

Predicate = Callable[[Object], bool]

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<op>in|notin)\s+\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^=!\s]+)\s*(?P<op>==|=|!=)\s*(?P<value>\S*)$")
_ORDER = re.compile(r"^(?P<key>[^<>\s]+)\s*(?P<op>[<>])\s*(?P<value>-?\d+)$")
_KEY = re.compile(r"^([a-z0-9A-Z]([-a-z0-9A-Z.]*[a-z0-9A-Z])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")


@lru_cache(maxsize=1024)
def labels(selector: str) -> Predicate:
    """The predicate of a label selector, such as `app=web,tier notin (cache),!canary`.

    Raises:
        ApiError: 400 BadRequest: it cannot be parsed.
    """
    tests = [_label_test(part, selector) for part in _split(selector)]

    def matches(obj: Object) -> bool:
        found: Mapping[str, str] = obj["metadata"].get("labels") or {}
        return all(test(found) for test in tests)

    return matches


def label_selector(selector: Mapping[str, Any] | None) -> Callable[[Mapping[str, str]], bool]:
    """The predicate of a LabelSelector object; None selects nothing, an empty one everything."""
    if selector is None:
        return lambda labels: False
    equal: Mapping[str, str] = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()

    def matches(labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in equal.items()) and all(
            _expression(expression, labels) for expression in expressions
        )

    return matches


def fields(selector: str, group: str, plural: str) -> Predicate:
    """The predicate of a field selector, such as `metadata.name=web,status.phase!=Running`.

    Raises:
        ApiError: 400 BadRequest: it cannot be parsed, or the resource lacks such a field.
    """
    tests = [_field_test(part, group, plural) for part in _split(selector)]
    return lambda obj: all(test(obj) for test in tests)


SELECTABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "namespaces"): ("status.phase",),
    ("", "secrets"): ("type",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("", "replicationcontrollers"): ("status.replicas",),
    ("", "events"): (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
    ),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
    ("certificates.k8s.io", "certificatesigningrequests"): ("spec.signerName",),
}  # fmt: skip
"""What can be selected beside metadata.name and metadata.namespace."""


def _split(selector: str) -> list[str]:
    parts = re.split(r",(?![^()]*\))", selector)
    return [part.strip() for part in parts if part.strip()]


def _label_test(part: str, selector: str) -> Callable[[Mapping[str, str]], bool]:
    def bad(what: str) -> ApiError:
        return ApiError(400, "BadRequest", f'unable to parse requirement: {what}')

    def key_of(text: str) -> str:
        if not _KEY.match(text):
            raise bad(f'<nil>: Invalid value: "{text}": name part must consist of alphanumeric characters')
        return text

    if match := _SET.match(part):
        key, values = key_of(match["key"]), {value.strip() for value in match["values"].split(",")}
        if match["op"] == "in":
            return lambda found: found.get(key) in values
        return lambda found: found.get(key) not in values
    if match := _EQUAL.match(part):
        key, value = key_of(match["key"]), match["value"]
        if not _VALUE.match(value):
            raise bad(f'values[0][{key}]: Invalid value: "{value}": a valid label must be an empty string or consist of alphanumeric characters')
        if match["op"] == "!=":
            return lambda found: found.get(key) != value
        return lambda found: found.get(key) == value
    if match := _ORDER.match(part):
        key, bound, sign = key_of(match["key"]), int(match["value"]), match["op"]

        def compares(found: Mapping[str, str]) -> bool:
            text = found.get(key, "")
            if not re.fullmatch(r"-?\d+", text):
                return False
            return int(text) > bound if sign == ">" else int(text) < bound

        return compares
    if part.startswith("!"):
        key = key_of(part[1:].strip())
        return lambda found: key not in found
    key = key_of(part)
    return lambda found: key in found


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _field_test(part: str, group: str, plural: str) -> Predicate:
    match = _EQUAL.match(part)
    if match is None:
        raise ApiError(400, "BadRequest", f"invalid selector: '{part}'; can't understand '{part}'")
    path, value, differs = match["key"], match["value"], match["op"] == "!="
    known = ("metadata.name", "metadata.namespace", *SELECTABLE.get((group, plural), ()))
    if path not in known:
        raise ApiError(400, "BadRequest", f'field label not supported: {path}')
    steps = ("status", "succeeded") if path == "status.successful" else tuple(path.split("."))
    if plural == "events" and path in ("source", "reportingComponent"):
        steps = ("source", "component")

    def matches(obj: Object) -> bool:
        found: Any = obj
        for step in steps:
            found = found.get(step) if isinstance(found, dict) else None
        text = str(found).lower() if isinstance(found, bool) else str(found if found is not None else "")
        if isinstance(found, type(None)) and path in ("spec.unschedulable", "spec.hostNetwork"):
            text = "false"
        if found is None and path in ("status.replicas", "status.successful"):
            text = "0"
        return (text != value) if differs else (text == value)

    return matches
