"""Where a pod can go: selectors, affinity, taints and room on a node.

Source: Kubernetes 1.37, k8s.io/component-helpers/scheduling and
pkg/scheduler/framework/plugins (nodeaffinity, tainttoleration, noderesources).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from kubesim.admission import pod_resources
from kubesim.model import Object
from kubesim.quantity import parse

Amounts = dict[str, Decimal]
"""Amounts by the name of a resource, in its own unit: cores, bytes, pieces."""


def fits_node(pod_spec: Mapping[str, Any], node: Object) -> bool:
    """Whether a node satisfies a pod's nodeSelector and its required node affinity."""
    labels = node["metadata"].get("labels") or {}
    selector = pod_spec.get("nodeSelector") or {}
    if not selector.items() <= labels.items():
        return False
    required = ((pod_spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return required is None or selects_node(required, node)


def selects_node(selector: Mapping[str, Any], node: Object) -> bool:
    """Whether a node meets one of the terms of a NodeSelector (core/v1)."""
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        all(_meets(each, labels) for each in term.get("matchExpressions") or ())
        and all(_meets(each, fields) for each in term.get("matchFields") or ())
        for term in selector["nodeSelectorTerms"]
        if term.get("matchExpressions") or term.get("matchFields")
    )


def is_repelled(pod_spec: Mapping[str, Any], node: Object) -> bool:
    """Whether a node has a taint that keeps the pod off and that the pod does not tolerate."""
    tolerations = pod_spec.get("tolerations") or ()
    return any(
        taint["effect"] in ("NoSchedule", "NoExecute")
        and not any(tolerates(each, taint) for each in tolerations)
        for taint in (node.get("spec") or {}).get("taints") or ()
    )


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Whether a toleration allows for a taint (core/v1, Toleration.ToleratesTaint)."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def requests(pod_spec: Mapping[str, Any]) -> Amounts:
    """What a pod asks of its node."""
    return pod_resources.total(pod_spec, "requests", parse)


def total(pods: Iterable[Object]) -> Amounts:
    """What pods ask of their node all together, and how many they are."""
    found: Amounts = {"pods": Decimal(0)}
    for pod in pods:
        _add(found, requests(pod["spec"]))
        found["pods"] += 1
    return found


def shortages(
    wanted: Amounts, used: Amounts, allocatable: Mapping[str, Any]
) -> tuple[list[str], bool]:
    """What a node has too little of, and whether that would be so even if it were empty.

    Returns:
        The scheduler's words, such as `Insufficient cpu`, and whether evicting others is no help.
    """
    room = _amounts(allocatable)
    short = [
        name
        for name, amount in wanted.items()
        if amount and amount > room.get(name, Decimal(0)) - used.get(name, Decimal(0))
    ]
    words = [f"Insufficient {name}" for name in short]
    if used["pods"] + 1 > room.get("pods", Decimal(0)):
        words.append("Too many pods")
    return words, any(wanted[name] > room.get(name, Decimal(0)) for name in short)


def _meets(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels meet one expression of a node selector (core/v1)."""
    value, values = labels.get(requirement["key"]), requirement.get("values") or []
    operator = requirement["operator"]
    if operator in ("Gt", "Lt"):
        if value is None or not value.lstrip("-").isdigit():
            return False
        return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    meets: bool = {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[operator]
    return meets


def _amounts(quantities: Mapping[str, Any]) -> Amounts:
    return {name: parse(amount) for name, amount in quantities.items()}


def _add(to: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        to[name] = to.get(name, Decimal(0)) + amount
