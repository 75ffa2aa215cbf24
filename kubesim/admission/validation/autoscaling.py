"""What must hold for HorizontalPodAutoscalers and for the scale subresource.

Source: pkg/apis/autoscaling/validation (Kubernetes 1.37). An autoscaler of version 1 is checked as
what it is stored as, one of version 2.
"""

from __future__ import annotations

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    forbidden,
    invalid,
    invalids,
    not_supported,
    required,
)
from kubesim.admission.validation.labels import check_selector
from kubesim.model import Object
from kubesim.quantity import canonical, parse

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_SELECT_POLICIES = ("Disabled", "Max", "Min")
_LONGEST_WINDOW = 3600
_LONGEST_PERIOD = 1800


def autoscaler(obj: Object, _: Object | None) -> Errors:
    """A HorizontalPodAutoscaler."""
    spec = obj.get("spec", {})
    yield from _bounds(spec)
    for index, metric in enumerate(spec.get("metrics", ())):
        yield from _metric(metric, f"spec.metrics[{index}]")
    for direction in ("scaleUp", "scaleDown"):
        rules = spec.get("behavior", {}).get(direction)
        if rules is not None:
            yield from _scaling_rules(rules, f"spec.behavior.{direction}")


def scale(obj: Object, _: Object | None) -> Errors:
    """What the scale subresource takes."""
    replicas = obj.get("spec", {}).get("replicas", 0)
    if replicas < 0:
        yield invalid("spec.replicas", replicas, "must be greater than or equal to 0")


def _bounds(spec: Object) -> Errors:
    low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if low is not None and low < 1:
        yield invalid("spec.minReplicas", low, "must be greater than or equal to 1")
    if low == 0 and not any(
        metric.get("type") in ("Object", "External") for metric in spec.get("metrics", ())
    ):
        detail = "must specify at least one Object or External metric to support scaling to zero "
        yield forbidden("spec.metrics", f"{detail}replicas")
    if high < 1:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    if low is not None and high < low:
        detail = "must be greater than or equal to `minReplicas`"
        yield invalid("spec.maxReplicas", high, detail)
    ref = spec.get("scaleTargetRef", {})
    yield from _reference(ref, "spec.scaleTargetRef")
    api_version = ref.get("apiVersion", "")
    if "/" not in api_version and ref.get("kind") != "ReplicationController":
        detail = "apiVersion must specify API group"
        yield invalid("spec.scaleTargetRef.apiVersion", api_version, detail)


def _reference(ref: Object, path: str) -> Errors:
    for field in ("kind", "name"):
        value = ref.get(field, "")
        if value:
            yield from invalids(f"{path}.{field}", value, names.path_segment(value))
        else:
            yield required(f"{path}.{field}")


def _metric(metric: Object, path: str) -> Errors:
    kind = metric.get("type", "")
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        yield not_supported(f"{path}.type", kind, _SOURCES)
    given = [field for field in ("object", "external", "pods", "resource", "containerResource")
             if field in metric]  # fmt: skip
    if given:
        yield from _metric_source(given[0], metric[given[0]], f"{path}.{given[0]}")
    expected = _SOURCES.get(kind)
    if expected is not None and expected not in metric:
        detail = "must populate information for the given metric source"
        yield required(f"{path}.{expected}", detail)
    if len(given) != 1:
        for field in given:
            if field != expected:
                yield forbidden(f"{path}.{field}", "must populate the given metric source only")


def _metric_source(kind: str, source: Object, path: str) -> Errors:
    target, at = source.get("target", {}), f"{path}.target"
    if kind in ("resource", "containerResource"):
        if not source.get("name"):
            yield required(f"{path}.name", "must specify a resource name")
        if kind == "containerResource" and not source.get("container"):
            yield required(f"{path}.container", "must specify a container")
        yield from _target(target, at)
        if "averageUtilization" not in target and "averageValue" not in target:
            yield required(
                f"{at}.averageUtilization",
                "must set either a target raw value or a target utilization",
            )
        if "averageUtilization" in target and "averageValue" in target:
            yield forbidden(
                f"{at}.averageValue",
                "may not set both a target raw value and a target utilization",
            )
        return
    if kind == "object":
        yield from _reference(source.get("describedObject", {}), f"{path}.describedObject")
    name = source.get("metric", {}).get("name", "")
    if name:
        yield from invalids(f"{path}.metric.name", name, names.path_segment(name))
    else:
        yield required(f"{path}.metric.name", "must specify a metric name")
    yield from check_selector(source.get("metric", {}).get("selector"), f"{path}.metric.selector")
    yield from _target(target, at)
    if kind == "pods":
        if "averageValue" not in target:
            detail = "must specify a positive target averageValue"
            yield required(f"{at}.averageValue", detail)
    elif "value" not in target and "averageValue" not in target:
        detail = {
            "object": "must set either a target value or averageValue",
            "external": "must set either a target value for metric or a per-pod target",
        }[kind]
        yield required(f"{at}.averageValue", detail)
    elif kind == "external" and "value" in target and "averageValue" in target:
        detail = "may not set both a target value for metric and a per-pod target"
        yield forbidden(f"{at}.value", detail)


def _target(target: Object, path: str) -> Errors:
    kind = target.get("type", "")
    if not kind:
        yield required(f"{path}.type", "must specify a metric target type")
    if kind not in ("Utilization", "Value", "AverageValue"):
        detail = "must be either Utilization, Value, or AverageValue"
        yield invalid(f"{path}.type", kind, detail)
    for field in ("value", "averageValue"):
        if field in target and parse(target[field]) <= 0:
            yield invalid(f"{path}.{field}", canonical(target[field]), "must be positive")
    if target.get("averageUtilization", 1) < 1:
        detail = "must be greater than 0"
        yield invalid(f"{path}.averageUtilization", target["averageUtilization"], detail)


def _scaling_rules(rules: Object, path: str) -> Errors:
    window = rules.get("stabilizationWindowSeconds", 0)
    at = f"{path}.stabilizationWindowSeconds"
    if window < 0:
        yield invalid(at, window, "must be greater than or equal to zero")
    if window > _LONGEST_WINDOW:
        yield invalid(at, window, f"must be less than or equal to {_LONGEST_WINDOW}")
    select = rules.get("selectPolicy", "Max")
    if select not in _SELECT_POLICIES:
        yield not_supported(f"{path}.selectPolicy", select, _SELECT_POLICIES)
    policies = rules.get("policies", ())
    if not policies:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies):
        here = f"{path}.policies[{index}]"
        kind, period = policy.get("type", ""), policy.get("periodSeconds", 0)
        if kind not in ("Percent", "Pods"):
            yield not_supported(f"{here}.type", kind, ("Percent", "Pods"))
        for field in ("value", "periodSeconds"):
            number = policy.get(field, 0)
            if number <= 0:
                yield invalid(f"{here}.{field}", number, "must be greater than zero")
        if period > _LONGEST_PERIOD:
            detail = f"must be less than or equal to {_LONGEST_PERIOD}"
            yield invalid(f"{here}.periodSeconds", period, detail)
