"""LimitRanges: what a namespace fills into its pods, and how much or little each may ask for.

Source: plugin/pkg/admission/limitranger (Kubernetes 1.37), in its words. Where the real server
names several faults in an order that changes, these are ordered by resource.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubesim.admission import pod_resources
from kubesim.admission.pod_defaults import qos_class
from kubesim.model import Object
from kubesim.quantity import Quantity

ANNOTATION = "kubernetes.io/limit-ranger"
"""Tells which amounts of a pod were not its own idea."""

_KINDS = {"containers": "container", "initContainers": "init container"}

Amounts = Mapping[str, Quantity]


def filled(pod: Object, ranges: Sequence[Object]) -> Object:
    """A new pod whose containers have the defaults of the LimitRanges of its namespace."""
    for each in ranges:
        pod = _filled(pod, each)
    return pod


def faults(pod: Object, old: Object | None, ranges: Sequence[Object]) -> list[str]:
    """What is wrong with a pod by the LimitRanges of its namespace.

    Args:
        pod: the pod.
        old: the pod as stored; amounts that it has already are not looked at again.
        ranges: the LimitRanges.
    """
    found: list[str] = []
    for limit in _limits(ranges, "Container"):
        for kind in ("containers", "initContainers"):
            before = {each["name"]: each for each in (old or {"spec": {}})["spec"].get(kind) or ()}
            for container in pod["spec"].get(kind) or ():
                own = _of(container)
                other = before.get(container["name"])
                found += _faults(limit, *own, *(_of(other) if other else (None, None)))
    for limit in _limits(ranges, "Pod"):
        found += _faults(limit, *_together(pod), *(_together(old) if old else (None, None)))
    return list(dict.fromkeys(found))


def claim_faults(claim: Object, old: Object | None, ranges: Sequence[Object]) -> list[str]:
    """What is wrong with a PersistentVolumeClaim by the LimitRanges of its namespace."""
    asked, before = _of(claim["spec"])[0], _of(old["spec"])[0] if old else {}
    found: list[str] = []
    for limit in _limits(ranges, "PersistentVolumeClaim"):
        for bound, is_wrong in (("min", Quantity.__lt__), ("max", Quantity.__gt__)):
            for name, enforced in _bounds(limit, bound):
                own = asked.get(name)
                if own is not None and own == before.get(name):
                    continue
                text = f"{bound}imum {name} usage per PersistentVolumeClaim is {enforced}"
                if own is None:
                    found.append(f"{text}.  No request is specified")
                elif is_wrong(own, enforced):
                    found.append(f"{text}, but request is {own}")
    return list(dict.fromkeys(found))


def _filled(pod: Object, limit_range: Object) -> Object:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for limit in _limits([limit_range], "Container"):
        requests |= limit.get("defaultRequest") or {}
        limits |= limit.get("default") or {}
    notes: list[str] = []
    spec = dict(pod["spec"])
    for kind, called in _KINDS.items():
        if spec.get(kind):
            spec[kind] = [
                _filled_container(container, requests, limits, called, notes)
                for container in spec[kind]
            ]
    if not notes:
        return pod
    metadata = pod["metadata"]
    told = f"LimitRanger plugin set: {'; '.join(notes)}"
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION: told}
    return {
        **pod,
        "metadata": {**metadata, "annotations": annotations},
        "spec": spec,
        "status": {**pod.get("status", {}), "qosClass": qos_class(spec)},
    }


def _filled_container(
    container: Object,
    requests: Mapping[str, str],
    limits: Mapping[str, str],
    called: str,
    notes: list[str],
) -> Object:
    resources = dict(container.get("resources") or {})
    changed = False
    for kind, defaults in (("requests", requests), ("limits", limits)):
        own = resources.get(kind) or {}
        added = {name: amount for name, amount in defaults.items() if name not in own}
        if added:
            resources[kind], changed = {**own, **added}, True
            names = ", ".join(sorted(added))
            notes.append(f"{names} {kind[:-1]} for {called} {container.get('name', '')}")
    return {**container, "resources": resources} if changed else container


def _faults(
    limit: Object,
    requests: Amounts,
    limits: Amounts,
    old_requests: Amounts | None,
    old_limits: Amounts | None,
) -> Iterator[str]:
    """What is wrong with the amounts of one container or pod."""
    kind = limit["type"]

    def is_as_before(name: str) -> bool:
        return (
            old_requests is not None
            and old_limits is not None
            and requests.get(name) == old_requests.get(name)
            and limits.get(name) == old_limits.get(name)
        )

    for bound in ("min", "max", "maxLimitRequestRatio"):
        for name, enforced in _bounds(limit, bound):
            if is_as_before(name):
                continue
            fault = _FAULTS[bound](enforced, requests.get(name), limits.get(name))
            if fault:
                what = (
                    f"{name} max limit to request ratio"
                    if bound == "maxLimitRequestRatio"
                    else f"{bound}imum {name} usage"
                )
                yield f"{what} per {kind} is {enforced}{fault}"


def _too_small(least: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    if request is None:
        return ".  No request is specified"
    if request < least:
        return f", but request is {request}"
    return f", but limit is {limit}" if limit is not None and limit < least else ""


def _too_large(most: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    if limit is None:
        return ".  No limit is specified"
    if limit > most:
        return f", but limit is {limit}"
    return f", but request is {request}" if request is not None and request > most else ""


def _too_far_apart(most: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    if not request:
        return ", but no request is specified or request is 0"
    if not limit:
        return ", but no limit is specified or limit is 0"
    ratio = limit.number / request.number
    return f", but provided ratio is {ratio:.6f}" if ratio > most.number else ""


_FAULTS = {"min": _too_small, "max": _too_large, "maxLimitRequestRatio": _too_far_apart}


def _limits(ranges: Sequence[Object], kind: str) -> Iterator[Object]:
    for each in ranges:
        for limit in each["spec"].get("limits") or ():
            if limit["type"] == kind:
                yield limit


def _bounds(limit: Object, bound: str) -> list[tuple[str, Quantity]]:
    return sorted((name, Quantity.of(amount)) for name, amount in (limit.get(bound) or {}).items())


def _of(container: Mapping[str, Any]) -> tuple[Amounts, Amounts]:
    resources = container.get("resources") or {}
    requests, limits = (
        {name: Quantity.of(amount) for name, amount in (resources.get(kind) or {}).items()}
        for kind in ("requests", "limits")
    )
    return requests, limits


def _together(pod: Object) -> tuple[Amounts, Amounts]:
    requests, limits = (
        pod_resources.total(pod["spec"], kind, Quantity.of) for kind in ("requests", "limits")
    )
    return requests, limits
