"""Objects that are stored in one API version and served in two.

Autoscalers are stored as autoscaling/v2 and served as v1 too; Events are stored as core/v1 and
served as events.k8s.io/v1 too. Every other built-in kind has one version; of custom kinds that have
several, only the apiVersion is converted (conversion strategy None).

Source: pkg/apis/autoscaling/v1/conversion.go, pkg/apis/events/v1/conversion.go and
apiextensions-apiserver pkg/apiserver/conversion/nop_converter.go (Kubernetes 1.37).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kubesim.admission import structural
from kubesim.model import Object
from kubesim.resources import Resource

Convert = Callable[[Object], Object]


@dataclass(frozen=True)
class Conversion:
    """How a served version relates to the stored one.

    Both directions take partial objects too, such as apply configurations, and add nothing to them.

    Args:
        api_version: the version that is stored.
        store: from the served version to the stored one.
        serve: from the stored version to the served one.
    """

    api_version: str
    store: Convert
    serve: Convert


def conversion(resource: Resource) -> Conversion | None:
    """The conversion of a resource whose objects are stored in another version, if it is one."""
    if resource.stored_as is not None:
        return _by_name(resource, resource.stored_as)
    return _CONVERSIONS.get((resource.api_version, resource.kind))


# -- Custom kinds ----------------------------------------------------------------------------------


def _by_name(served: Resource, stored: Resource) -> Conversion:
    """Fields that the stored version lacks are lost; older ones may be stored as well."""

    def store(obj: Object) -> Object:
        return structural.decoded(_in_version(obj, stored), stored.node)[0]

    return Conversion(stored.api_version, store, lambda obj: _in_version(obj, served))


def _in_version(obj: Object, resource: Resource) -> Object:
    if obj["apiVersion"] == resource.api_version:
        return obj
    return {**obj, "apiVersion": resource.api_version}


# -- Autoscalers -----------------------------------------------------------------------------------

_HELD = "autoscaling.alpha.kubernetes.io/"
"""Annotations in which v1 holds what only v2 has fields for."""

_CPU = "targetCPUUtilizationPercentage"
_CURRENT_CPU = "currentCPUUtilizationPercentage"


def _autoscaler_to_v2(obj: Object) -> Object:
    annotations = dict(obj.get("metadata", {}).get("annotations") or {})
    metrics = _held(annotations, "metrics") or []
    behavior = _held(annotations, "behavior")
    current = _held(annotations, "current-metrics") or []
    conditions = _held(annotations, "conditions")
    result = {**obj, "apiVersion": "autoscaling/v2"}
    _put_annotations(result, annotations)
    if "spec" in obj:
        spec = {key: value for key, value in obj["spec"].items() if key != _CPU}
        if _CPU in obj["spec"]:
            metrics = [_cpu_metric("target", obj["spec"][_CPU]), *metrics]
        if metrics:
            spec["metrics"] = metrics
        if behavior:
            spec["behavior"] = behavior
        result["spec"] = spec
    if "status" in obj:
        status = {key: value for key, value in obj["status"].items() if key != _CURRENT_CPU}
        if _CURRENT_CPU in obj["status"]:
            current = [_cpu_metric("current", obj["status"][_CURRENT_CPU]), *current]
        if current:
            status["currentMetrics"] = current
        if conditions:
            status["conditions"] = conditions
        result["status"] = status
    return result


def _autoscaler_to_v1(obj: Object) -> Object:
    annotations = dict(obj.get("metadata", {}).get("annotations") or {})
    result = {**obj, "apiVersion": "autoscaling/v1"}
    if "spec" in obj:
        spec = dict(obj["spec"])
        cpu, others = _split_cpu(spec.pop("metrics", None) or [], "target")
        if cpu is not None:
            spec[_CPU] = cpu
        _hold(annotations, "metrics", others)
        _hold(annotations, "behavior", spec.pop("behavior", None))
        result["spec"] = spec
    if "status" in obj:
        status = dict(obj["status"])
        cpu, others = _split_cpu(status.pop("currentMetrics", None) or [], "current")
        if cpu is not None:
            status[_CURRENT_CPU] = cpu
        _hold(annotations, "current-metrics", others)
        _hold(annotations, "conditions", status.pop("conditions", None))
        status.setdefault("currentReplicas", 0)
        result["status"] = status
    _put_annotations(result, annotations)
    return result


def _cpu_metric(what: str, percentage: int) -> dict[str, Any]:
    """A v2 metric of cpu utilisation; `what` is target (in a spec) or current (in a status)."""
    value = {"averageUtilization": percentage}
    if what == "target":
        value = {"type": "Utilization", **value}  # type: ignore[dict-item]
    return {"type": "Resource", "resource": {"name": "cpu", what: value}}


def _split_cpu(metrics: list[dict[str, Any]], what: str) -> tuple[int | None, list[dict[str, Any]]]:
    """The utilisation of the first metric that v1 has a field for, and the other metrics."""
    for index, metric in enumerate(metrics):
        resource = metric.get("resource") or {}
        utilisation = (resource.get(what) or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and utilisation is not None:
            return utilisation, [*metrics[:index], *metrics[index + 1 :]]
    return None, metrics


def _held(annotations: dict[str, str], what: str) -> Any:
    """What an annotation holds, which is taken out; None if it is not there or no JSON."""
    text = annotations.pop(_HELD + what, None)
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _hold(annotations: dict[str, str], what: str, value: Any) -> None:
    if value:
        annotations[_HELD + what] = json.dumps(value, separators=(",", ":"))


def _put_annotations(obj: Object, annotations: Mapping[str, str]) -> None:
    """Give an object these annotations, in a metadata of its own."""
    metadata = obj.get("metadata", {})
    if annotations == (metadata.get("annotations") or {}):
        return
    metadata = {key: value for key, value in metadata.items() if key != "annotations"}
    if annotations:
        metadata["annotations"] = dict(annotations)
    obj["metadata"] = metadata


# -- Events ----------------------------------------------------------------------------------------

_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
"""Fields of an Event by their names in events.k8s.io/v1, with their names in core/v1."""

_BACK = {old: new for new, old in _RENAMED.items()}


def _event_to_core(obj: Object) -> Object:
    renamed = {_RENAMED.get(key, key): value for key, value in obj.items()}
    return {**renamed, "apiVersion": "v1"}


def _event_from_core(obj: Object) -> Object:
    renamed = {_BACK.get(key, key): value for key, value in obj.items()}
    return {**renamed, "apiVersion": "events.k8s.io/v1"}


_CONVERSIONS = {
    ("autoscaling/v1", "HorizontalPodAutoscaler"): Conversion(
        "autoscaling/v2", _autoscaler_to_v2, _autoscaler_to_v1
    ),
    ("events.k8s.io/v1", "Event"): Conversion("v1", _event_to_core, _event_from_core),
}
