"""Labels, annotations and label selectors.

Source: apimachinery `apis/meta/v1/validation` and `api/validation/objectmeta.go` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    forbidden,
    invalid,
    invalids,
    required,
    too_long,
)
from kubesim.model import Object
from kubesim.selectors import label_selector

ANNOTATIONS_LIMIT = 256 * 1024
"""All annotations of an object together, keys and values, in bytes."""


def check_labels(labels: Mapping[str, str], path: str) -> Errors:
    """Keys are label keys, values are label values."""
    for key, value in labels.items():
        yield from invalids(path, key, names.label_key(key))
        yield from invalids(path, value, names.label_value(value))


def check_annotations(annotations: Mapping[str, str], path: str) -> Errors:
    """Keys are label keys in any case; values are anything that fits."""
    size = 0
    for key, value in annotations.items():
        yield from invalids(path, key, names.label_key(key.lower()))
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_LIMIT:
        yield too_long(path, ANNOTATIONS_LIMIT)


def check_selector(selector: Mapping[str, Any] | None, path: str) -> Errors:
    """A label selector as `matchLabels` and `matchExpressions` spell it."""
    if not selector:
        return
    if "matchLabels" in selector:
        yield from check_labels(selector["matchLabels"], f"{path}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions", ())):
        yield from _requirement(requirement, f"{path}.matchExpressions[{index}]")


def _requirement(requirement: Mapping[str, Any], path: str) -> Errors:
    operator, values = requirement.get("operator", ""), (requirement.get("values") or [])
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(
                f"{path}.values",
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    key = requirement.get("key", "")
    yield from invalids(f"{path}.key", key, names.label_key(key))
    for index, value in enumerate(values):
        yield from invalids(f"{path}.values[{index}]", value, names.label_value(value))


def is_empty(selector: Mapping[str, Any]) -> bool:
    """Whether a selector asks for nothing."""
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def check_match(selector: Mapping[str, Any] | None, template: Object, path: str) -> Errors:
    """The pods made from a template must be those that the selector selects."""
    if any(check_selector(selector, path)):
        return  # its own faults are reported where it stands
    labels = template.get("metadata", {}).get("labels")
    if selector is None or not label_selector(selector)(labels or {}):
        yield invalid(
            f"{path}.metadata.labels", labels, "`selector` does not match template `labels`"
        )
