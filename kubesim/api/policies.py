"""Policies that are objects or labels: what refuses or warns after an object has become valid.

They are asked in the order of the real server's plugins: LimitRanger, PodSecurity,
PersistentVolumeClaimResize. (Quotas come last of all, see `quotas`.) Nothing is looked at where no
policy could be.

Source: plugin/pkg/admission and k8s.io/pod-security-admission/admission (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Callable

from kubesim import refusals
from kubesim.admission import limit_ranges, pod_security
from kubesim.model import Object
from kubesim.quantity import Quantity
from kubesim.store import Key, Store

Warn = Callable[[str], None]

MOST_PODS = 3_000
"""How many pods are looked at when a namespace gets a new level."""

_PODS, _CLAIMS, _NAMESPACES = ("", "pods"), ("", "persistentvolumeclaims"), ("", "namespaces")
_NOT_RESIZED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
    "must support resize"
)


def check(
    store: Store, warn: Warn, key: Key, old: Object | None, new: Object, subresource: str
) -> None:
    """Ask the policies that a write concerns.

    Args:
        store: where policies are.
        warn: is told what is allowed, but not well.
        key: what is written.
        old: the object before; None if it is new.
        new: the object after.
        subresource: what of it is written.

    Raises:
        ApiError: 403 Forbidden; 422 Invalid for labels of a namespace that say nothing.
    """
    resource = key[:2]
    if resource == _PODS:
        if subresource in ("", "ephemeralcontainers", "resize"):
            _check_limits(store, key, old, new, subresource)
            _check_pod(store, warn, key, old, new)
    elif subresource:
        return
    elif resource == _CLAIMS:
        _check_claim(store, key, old, new)
    elif resource == _NAMESPACES:
        _check_namespace(store, warn, old, new)
    elif resource in pod_security.CONTROLLERS:
        _check_template(store, warn, key, new)


def limits(store: Store, namespace: str) -> list[Object]:
    """The LimitRanges of a namespace."""
    return store.list("", "limitranges", namespace)


# LimitRanger


def _check_limits(
    store: Store, key: Key, old: Object | None, new: Object, subresource: str
) -> None:
    ranges = limits(store, key.namespace)
    if ranges and (old is None or subresource == "resize"):
        _refuse(key, limit_ranges.faults(new, old, ranges))


def _check_claim(store: Store, key: Key, old: Object | None, new: Object) -> None:
    ranges = limits(store, key.namespace)
    if ranges:
        _refuse(key, limit_ranges.claim_faults(new, old, ranges))
    if old is not None and _size(new) > _size(old):
        if (old.get("status") or {}).get("phase") != "Bound":
            raise _forbidden(key, "Only bound persistent volume claims can be expanded")
        name = new["spec"].get("storageClassName", "")
        class_ = store.get(("storage.k8s.io", "storageclasses", "", name))
        if class_ is None or not class_.get("allowVolumeExpansion"):
            raise _forbidden(key, _NOT_RESIZED)


def _refuse(key: Key, faults: list[str]) -> None:
    if faults:
        raise _forbidden(key, faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


def _size(claim: Object) -> Quantity:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return Quantity.of(requests.get("storage", "0"))


# PodSecurity


def _policy(store: Store, namespace: str) -> pod_security.Policy:
    found = store.get(("", "namespaces", "", namespace))
    return pod_security.policy_of(found) if found is not None else pod_security.Policy()


def _check_pod(store: Store, warn: Warn, key: Key, old: Object | None, new: Object) -> None:
    policy = _policy(store, key.namespace)
    if policy.enforce.is_free and policy.warn.is_free:
        return
    if old is not None and _looks_the_same(new, old):
        return
    found = pod_security.violations(new, policy.enforce)
    if found:
        text = f'violates PodSecurity "{policy.enforce}": {pod_security.described(found)}'
        raise _forbidden(key, text)
    _warn(warn, policy.warn, new)


def _check_template(store: Store, warn: Warn, key: Key, new: Object) -> None:
    level = _policy(store, key.namespace).warn
    template = None if level.is_free else pod_security.template_of(new)
    if template is not None:
        _warn(warn, level, template)


def _warn(warn: Warn, level: pod_security.Level, pod: Object) -> None:
    found = pod_security.violations(pod, level)
    if found:
        warn(f'would violate PodSecurity "{level}": {pod_security.described(found)}')


def _looks_the_same(new: Object, old: Object) -> bool:
    """Whether nothing of a pod has changed that a check looks at and that can change at all."""
    return all(
        [container["image"] for container in new["spec"].get(kind) or ()]
        == [container["image"] for container in old["spec"].get(kind) or ()]
        for kind in ("containers", "initContainers", "ephemeralContainers")
    ) and new["metadata"].get("annotations") == old["metadata"].get("annotations")


def _check_namespace(store: Store, warn: Warn, old: Object | None, new: Object) -> None:
    policy = pod_security.policy_of(new)
    name = new["metadata"]["name"]
    before = pod_security.policy_of(old) if old is not None else None
    if policy.faults and (before is None or policy.faults != before.faults):
        causes = [
            ("FieldValueInvalid", f'Invalid value: "{value}": {why}', f"metadata.labels[{label}]")
            for label, value, why in policy.faults
        ]
        raise refusals.invalid("", "Namespace", name, causes)
    if before is None or not _is_stricter(policy.enforce, before.enforce):
        return
    for text in _violators(store, name, policy.enforce):
        warn(text)


def _is_stricter(level: pod_security.Level, before: pod_security.Level) -> bool:
    """Whether pods that were all right may no longer be so."""
    if level == before or level.is_free:
        return False
    return level.minor != before.minor or before.name != "restricted"


def _violators(store: Store, namespace: str, level: pod_security.Level) -> list[str]:
    """What is said of the pods that are there already and would be refused now."""
    pods = store.list("", "pods", namespace)
    found: dict[str, list[str]] = {}
    for pod in pods[:MOST_PODS]:
        reasons = ", ".join(each.reason for each in pod_security.violations(pod, level))
        if reasons:
            found.setdefault(reasons, []).append(pod["metadata"]["name"])
    told = []
    if len(pods) > MOST_PODS:
        told.append(
            "new PodSecurity enforce level only checked against the first "
            f"{MOST_PODS} of {len(pods)} existing pods"
        )
    if found:
        told.append(
            f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level '
            f'"{level}"'
        )
    return told + sorted(f"{_together(names)}: {reasons}" for reasons, names in found.items())


def _together(names: list[str]) -> str:
    """Several pods, of which the first is named."""
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{names[0]} (and {others} other {'pod' if others == 1 else 'pods'})"


def _forbidden(key: Key, why: str) -> Exception:
    return refusals.forbidden(key.group, key.plural, key.name, why)
