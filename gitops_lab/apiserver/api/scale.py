"""The scale subresource: the number of replicas, whatever the workload.

Source: autoscaling/v1 Scale and the ScaleREST of the apps registries.
"""

from __future__ import annotations

from typing import Any

from gitops_lab.apiserver.resources import Resource
from gitops_lab.model import Object

API_VERSION, KIND = "autoscaling/v1", "Scale"

RESOURCE = Resource("autoscaling", "v1", KIND, "scales", "scale", namespaced=True)
"""What a Scale is checked as. Nobody serves it on its own: it is a view of something else."""


def scale_of(obj: Object) -> Object:
    """The Scale of a workload."""
    metadata = obj["metadata"]
    own = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = obj["spec"].get("selector") or {}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {key: metadata[key] for key in own if key in metadata},
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": {
            "replicas": obj.get("status", {}).get("replicas", 0),
            "selector": selector_text(selector),
        },
    }


def scaled(obj: Object, scale: Object) -> Object:
    """The workload with a Scale's number of replicas."""
    return {**obj, "spec": {**obj["spec"], "replicas": scale.get("spec", {}).get("replicas", 0)}}


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
