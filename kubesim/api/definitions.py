"""What a CustomResourceDefinition has the API server serve.

Source: apiextensions-apiserver `pkg/apiserver/customresource_{handler,discovery_controller}.go`
(Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kubesim.admission import structural
from kubesim.model import Object
from kubesim.resources import Resource, ScalePaths, priority

GROUP, PLURAL = "apiextensions.k8s.io", "customresourcedefinitions"

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer under which a definition waits for its instances to be gone."""

_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""What can be done with a custom resource, in the order in which discovery lists it."""

_VERBS_OF_THE_LEAVING = ("delete", "deletecollection", "get", "list", "watch")


def is_definition(key: Sequence[str]) -> bool:
    """Whether a key, or a group and plural, is that of a definition."""
    return tuple(key[:2]) == (GROUP, PLURAL)


def holds(definition: Object, condition: str) -> bool:
    """Whether a condition of a definition's status is True."""
    conditions: Iterable[Mapping[str, Any]] = definition.get("status", {}).get("conditions") or ()
    return any(
        each.get("type") == condition and each.get("status") == "True" for each in conditions
    )


def resources(definition: Object) -> list[Resource]:
    """What is served on account of a definition: one resource for each served version.

    A definition that is not established has nothing served; nothing can be created any more in one
    that is being deleted.
    """
    accepted = definition.get("status", {}).get("acceptedNames") or {}
    if not (holds(definition, "Established") and accepted.get("kind") and accepted.get("plural")):
        return []
    versions = definition["spec"]["versions"]
    served = [_resource(definition, each) for each in versions if each.get("served")]
    if len(versions) == 1:
        return served
    stored_as = storage(definition)
    return [replace(each, stored_as=stored_as) for each in served]


def storage(definition: Object) -> Resource:
    """What an established definition's objects are stored as, be it served or not."""
    versions = definition["spec"]["versions"]
    return _resource(definition, next(each for each in versions if each.get("storage")))


def _deprecation(definition: Object, version: Object) -> str:
    """What is said of a deprecated version: its own words, or which version to use instead."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, kind = definition["spec"]["group"], definition["status"]["acceptedNames"]["kind"]
    said = f"{group}/{version['name']} {kind} is deprecated"
    newer = [
        each["name"]
        for each in definition["spec"]["versions"]
        if each.get("served") and not each.get("deprecated")
    ]
    best = max(newer, key=priority, default="")
    return f"{said}; use {group}/{best} {kind}" if best else said


def _resource(definition: Object, version: Object) -> Resource:
    spec, accepted = definition["spec"], definition["status"]["acceptedNames"]
    below = version.get("subresources") or {}
    is_leaving = holds(definition, "Terminating")
    scale = below.get("scale")
    return Resource(
        group=spec["group"],
        version=version["name"],
        kind=accepted["kind"],
        plural=accepted["plural"],
        singular=accepted.get("singular", ""),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(accepted.get("shortNames") or ()),
        categories=tuple(accepted.get("categories") or ()),
        verbs=_VERBS_OF_THE_LEAVING if is_leaving else _VERBS,
        subresources=tuple(name for name in ("status", "scale") if name in below),
        generation=True,
        schema=structural.node(version["schema"]["openAPIV3Schema"]),
        selectable=tuple(
            each["jsonPath"].removeprefix(".") for each in version.get("selectableFields") or ()
        ),
        deprecation=_deprecation(definition, version),
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        scale=None
        if scale is None
        else ScalePaths(
            scale["specReplicasPath"],
            scale["statusReplicasPath"],
            scale.get("labelSelectorPath", ""),
        ),
    )


def with_stored_version(definition: Object) -> Object:
    """The definition with its storage version among those that objects may be stored in."""
    status = definition.get("status", {})
    known = status.get("storedVersions") or []
    versions = definition.get("spec", {}).get("versions") or ()
    name = next((each.get("name", "") for each in versions if each.get("storage")), "")
    if not name or name in known:
        return definition
    return {**definition, "status": {**status, "storedVersions": [*known, name]}}


def warnings(definition: Object) -> Iterator[str]:
    """What a definition asks for that is not done here; it may not have been validated yet."""
    name, spec = definition["metadata"].get("name", ""), definition.get("spec") or {}
    if (spec.get("conversion") or {}).get("strategy") == "Webhook":
        yield f"{name}: the conversion webhook is not called here; only the apiVersion is converted"
