"""The scale subresource: the number of replicas of any kind of workload.

Source: autoscaling/v1 Scale and the ScaleREST of the apps registries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.resources import Resource

API_VERSION, KIND = "autoscaling/v1", "Scale"

RESOURCE = Resource("autoscaling", "v1", KIND, "scales", "scale", namespaced=True)
"""What a Scale is checked as. It is not served on its own: it is a view of another object."""


def scale_of(obj: Object, resource: Resource, *, may_lack: bool = False) -> Object:
    """The Scale of a workload.

    Args:
        obj: the workload.
        resource: what it is.
        may_lack: a custom workload that does not say how many replicas it wants has a Scale
            without a number, such as a patch can give it.

    Raises:
        ApiError: 500 if a custom workload does not say how many replicas it wants.
    """
    if resource.scale is not None:
        wanted = _at(obj, resource.scale.spec_replicas)
        if wanted is None and not may_lack:
            what = f'the spec replicas field "{resource.scale.spec_replicas}" does not exist'
            raise ApiError(500, "InternalError", f"Internal error occurred: {what}")
        there = _at(obj, resource.scale.status_replicas) or 0
        selector = _at(obj, resource.scale.selector) if resource.scale.selector else ""
    else:
        wanted = obj["spec"].get("replicas", 0)
        there = obj.get("status", {}).get("replicas", 0)
        selector = selector_text(obj["spec"].get("selector") or {})
    metadata = obj["metadata"]
    own = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {key: metadata[key] for key in own if key in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": {"replicas": there, **({"selector": selector} if selector else {})},
    }


def check_patched(scale: Object, resource: Resource) -> None:
    """After a patch, a custom workload's Scale has a number.

    Source: `customresource/etcd.go` (Kubernetes 1.37).

    Raises:
        ApiError: 400 BadRequest.
    """
    if resource.scale is not None and (scale.get("spec") or {}).get("replicas") is None:
        path = resource.scale.spec_replicas
        raise refusals.bad_request(f'the spec replicas field "{path}" cannot be empty')


def scaled(obj: Object, scale: Object, resource: Resource) -> Object:
    """The workload with a Scale's number of replicas."""
    path = ".spec.replicas" if resource.scale is None else resource.scale.spec_replicas
    return _put(obj, path.split(".")[1:], scale.get("spec", {}).get("replicas", 0))


def _at(obj: Any, path: str) -> Any:
    """What is at a path such as `.spec.replicas`, or None."""
    for name in path.split(".")[1:]:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return obj


def _put(obj: Object, steps: Sequence[str], value: Any) -> Object:
    first, *rest = steps
    return {**obj, first: _put(obj.get(first) or {}, rest, value) if rest else value}


def selector_text(selector: dict[str, Any]) -> str:
    """A LabelSelector as clients write it in a query: `app=web,tier in (a,b)`.

    Source: apimachinery `metav1.FormatLabelSelector`; requirements are ordered by their keys.
    """
    if selector and "matchLabels" not in selector and "matchExpressions" not in selector:
        selector = {"matchLabels": selector}  # a ReplicationController's is a plain map
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(sorted(each.get("values") or ()))
        text = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }[each["operator"]]
        parts.append((key, text))
    return ",".join(text for _, text in sorted(parts))
