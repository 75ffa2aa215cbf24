"""Resource names and quantities: cpu, memory, storage, and how much of them.

Source: pkg/apis/core/validation and pkg/apis/core/helper (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from kubesim.admission.validation import names
from kubesim.admission.validation.field import Errors, invalid, invalids, not_found, required
from kubesim.errors import ApiError
from kubesim.quantity import canonical, parse

_CONTAINER = ("cpu", "ephemeral-storage", "memory")
_COUNTED = (
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
)
QUOTA = (
    *_CONTAINER,
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    *_COUNTED,
)
"""The unqualified names that a ResourceQuota may limit; hugepages come on top."""

_STANDARD = frozenset((*QUOTA, "storage"))
_HUGEPAGES = ("hugepages-", "requests.hugepages-", "limits.hugepages-")


def check_quantity(resource: str, amount: Any, path: str) -> Errors:
    """An amount is not negative, and whole if its resource comes in pieces."""
    number = parse(amount)
    if number < 0:
        yield invalid(path, canonical(amount), "must be greater than or equal to 0")
    if resource.startswith("hugepages-") and not _is_pages(resource, number):
        detail = f"{canonical(amount)} is not positive integer multiple of {resource}"
        yield invalid(path, canonical(amount), detail)
    if (resource in _COUNTED or _is_extended(resource)) and number != number.to_integral_value():
        yield invalid(path, canonical(amount), "must be an integer")


def check_resource_name(name: str, path: str) -> Errors:
    """A resource is a standard one, or its name has a domain."""
    faults = names.label_key(name)
    yield from invalids(path, name, faults)
    if not faults and "/" not in name and name not in _STANDARD and not _is_hugepages(name):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def check_container_resource_name(name: str, path: str) -> Errors:
    """Containers use cpu, memory, ephemeral storage, huge pages and what devices offer."""
    if name in _CONTAINER:
        return
    faults = list(check_resource_name(name, path))
    yield from faults
    if "/" not in name:
        if not name.startswith("hugepages-"):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and not _is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def check_quota_name(name: str, path: str) -> Errors:
    """A quota limits a standard resource, or the number of objects of a kind (`count/…`)."""
    yield from check_resource_name(name, path)
    if "/" not in name and name not in QUOTA and not _is_hugepages(name):
        yield invalid(path, name, "must be a standard resource for quota")


def check_requirements(
    requirements: Mapping[str, Any],
    path: str,
    *,
    claims: Collection[str] = (),
    check_name: Callable[[str, str], Errors] = check_container_resource_name,
) -> Errors:
    """What a container asks for must not be more than what it may use.

    Args:
        requirements: its `resources`.
        path: where they stand.
        claims: the resource claims of its pod.
        check_name: which resources there may be.
    """
    limits: Mapping[str, Any] = requirements.get("limits") or {}
    for name, amount in limits.items():
        yield from check_name(name, f"{path}.limits[{name}]")
        yield from check_quantity(name, amount, f"{path}.limits[{name}]")
    for index, claim in enumerate(requirements.get("claims", ())):
        if claim.get("name") not in claims:
            detail = "must be one of the names in pod.spec.resourceClaims"
            detail += "" if claims else " which is empty"
            yield not_found(f"{path}.claims[{index}]", claim.get("name", ""), detail)
    for name, amount in requirements.get("requests", {}).items():
        yield from check_name(name, f"{path}.requests[{name}]")
        yield from check_quantity(name, amount, f"{path}.requests[{name}]")
        overcommitted = _is_native(name) and not _is_hugepages(name)
        if name not in limits:
            if not overcommitted:
                yield required(
                    f"{path}.limits", "Limit must be set for non overcommitable resources"
                )
            continue
        limit = limits[name]
        if amount == limit:
            continue
        if not overcommitted and parse(amount) != parse(limit):
            detail = f"must be equal to {name} limit of {canonical(limit)}"
            yield invalid(f"{path}.requests", canonical(amount), detail)
        elif parse(amount) > parse(limit):
            detail = f"must be less than or equal to {name} limit of {canonical(limit)}"
            yield invalid(f"{path}.requests", canonical(amount), detail)


def _is_pages(resource: str, amount: Decimal) -> bool:
    """Whether an amount is made of whole huge pages, of which the resource's name says the size."""
    try:
        size = parse(resource.removeprefix("hugepages-"))
    except ApiError:
        return False
    return size > 0 and amount >= 0 and amount % size == 0


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _is_hugepages(name: str) -> bool:
    return name.startswith(_HUGEPAGES)


def _is_extended(name: str) -> bool:
    """Whether a resource is one that a device plugin or an administrator offers."""
    if _is_native(name) or name.startswith("requests."):
        return False
    return not names.label_key(f"requests.{name}")
