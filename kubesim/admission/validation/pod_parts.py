"""What must hold for the parts of a running pod that have an endpoint of their own: the amounts
that its containers ask for (`resize`), and containers to look around with (`ephemeralcontainers`).

Source: `ValidatePodResize` and `ValidatePodEphemeralContainersUpdate` of pkg/apis/core/validation
(Kubernetes 1.37). Left out: changing the amounts of a pod as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubesim.admission.pod_defaults import qos_class
from kubesim.admission.validation import names
from kubesim.admission.validation.amounts import check_requirements
from kubesim.admission.validation.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    invalids,
    not_found,
    required,
)
from kubesim.model import Object

_RESIZABLE = ("cpu", "memory")
_NOT_EPHEMERAL = (
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "startupProbe",
)


def resize(obj: Object, old: Object | None) -> Errors:
    """Other amounts for containers that run: more or less cpu and memory, in the same class."""
    spec, before = obj["spec"], (old or obj)["spec"]
    if "kubernetes.io/config.mirror" in (obj["metadata"].get("annotations") or {}):
        yield forbidden("", "static pods cannot be resized")
        return
    class_ = qos_class(spec)
    if class_ != qos_class(before):
        yield invalid("spec", class_, "Pod QOS Class may not change as a result of resizing")
    for kind in ("containers", "initContainers"):
        own, others = spec.get(kind) or [], before.get(kind) or []
        if len(own) != len(others):
            detail = f"{kind} may not be added or removed on resize"
            yield forbidden(f"spec.{kind}", detail)
            return
        for index, (new, former) in enumerate(zip(own, others, strict=True)):
            if new["name"] != former["name"]:
                detail = f"{kind} may not be renamed or reordered on resize"
                yield forbidden(f"spec.{kind}[{index}].name", detail)
            else:
                is_sidecar = kind == "containers" or new.get("restartPolicy") == "Always"
                yield from _amounts(new, former, is_sidecar, f"spec.{kind}[{index}].resources")
    if _without_amounts(spec) != _without_amounts(before):
        yield forbidden("spec", "only cpu and memory resources are mutable")


def _amounts(new: Object, old: Object, can_change: bool, path: str) -> Errors:
    after, before = new.get("resources") or {}, old.get("resources") or {}
    if after == before:
        return
    if not can_change:
        yield forbidden(path, "resources for non-sidecar init containers are immutable")
    for kind in ("requests", "limits"):
        if (before.get(kind) or {}).keys() - (after.get(kind) or {}).keys():
            yield forbidden(f"{path}.{kind}", f"resource {kind} cannot be removed")
    yield from check_requirements(after, path)


def _without_amounts(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A pod's spec without what can be resized."""
    return {
        **spec,
        **{
            kind: [_fixed(container) for container in spec.get(kind) or ()]
            for kind in ("containers", "initContainers")
        },
    }


def _fixed(container: Object) -> Object:
    resources = container.get("resources") or {}
    kept = {
        kind: {
            name: amount
            for name, amount in (resources.get(kind) or {}).items()
            if name not in _RESIZABLE
        }
        for kind in ("requests", "limits")
    }
    return {**container, "resources": {**resources, **kept}}


def ephemeral_containers(obj: Object, old: Object | None) -> Errors:
    """Further ephemeral containers; those that are there stay as they are."""
    spec, path = obj["spec"], "spec.ephemeralContainers"
    taken = {
        each["name"] for kind in ("containers", "initContainers") for each in spec.get(kind) or ()
    }
    main = {each["name"] for each in spec.get("containers") or ()}
    found: dict[str, Object] = {}
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        here, name = f"{path}[{index}]", container.get("name", "")
        if not name:
            yield required(f"{here}.name")
        elif name in taken or name in found:
            yield duplicate(f"{here}.name", name)
        else:
            yield from invalids(f"{here}.name", name, names.dns_label(name))
        if not container.get("image"):
            yield required(f"{here}.image")
        for field in _NOT_EPHEMERAL:
            if container.get(field):
                yield forbidden(f"{here}.{field}", "cannot be set for an Ephemeral Container")
        other = container.get("targetContainerName")
        if other and other not in main:
            yield not_found(f"{here}.targetContainerName", other)
        found[name] = container
    for container in (old or {"spec": {}})["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if name not in found:
            detail = f'existing ephemeral containers "{name}" may not be removed\n'
            yield forbidden(path, detail)
        elif found[name] != container:
            detail = f'existing ephemeral containers "{name}" may not be changed\n'
            yield forbidden(path, detail)
