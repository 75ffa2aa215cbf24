"""What must hold for Namespaces, Nodes, quotas, limits, budgets and priorities.

Source: pkg/apis/core/validation, pkg/apis/policy/validation, pkg/apis/scheduling/validation
(Kubernetes 1.37).
"""

from __future__ import annotations

from kubesim.admission.validation import names
from kubesim.admission.validation.amounts import (
    QUOTA,
    check_container_resource_name,
    check_quantity,
    check_quota_name,
    check_resource_name,
)
from kubesim.admission.validation.field import (
    IMMUTABLE,
    Errors,
    duplicate,
    forbidden,
    immutable,
    in_go,
    invalid,
    invalids,
    not_supported,
    one_of,
    required,
)
from kubesim.admission.validation.labels import check_selector
from kubesim.admission.validation.metadata import (
    check_finalizer,
    check_finalizer_domain,
)
from kubesim.admission.validation.scheduling import check_taints
from kubesim.admission.validation.workloads import (
    check_at_most_all,
    check_int_or_percent,
)
from kubesim.model import Object
from kubesim.quantity import canonical, parse

_HIGHEST_PRIORITY = 1_000_000_000
_SYSTEM_PRIORITIES = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}
_SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)
_OF_PODS = frozenset(
    {
        "pods",
        "cpu",
        "memory",
        "limits.cpu",
        "limits.memory",
        "requests.cpu",
        "requests.memory",
    }
)
"""What a quota that is for some pods only may count."""

_LIMIT_TYPES = ("Container", "PersistentVolumeClaim", "Pod")


def namespace(obj: Object, _: Object | None) -> Errors:
    """A Namespace."""
    for finalizer in obj.get("spec", {}).get("finalizers", ()):
        yield from check_finalizer(finalizer, "spec.finalizers")
        yield from check_finalizer_domain(finalizer, "spec.finalizers")


def node(obj: Object, old: Object | None) -> Errors:
    """A Node; once it has them, its pods' range of addresses and its provider's name stay."""
    spec = obj.get("spec", {})
    yield from check_taints(spec.get("taints", ()), "metadata.taints")  # the real server's path
    ranges = spec.get("podCIDRs", [])
    for index, cidr in enumerate(ranges):
        yield from invalids(f"spec.podCIDRs[{index}]", cidr, names.cidr(cidr))
    before = {} if old is None else old.get("spec", {})
    if before.get("podCIDRs") and ranges != before["podCIDRs"]:
        yield forbidden(
            "spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'
        )
    provider = before.get("providerID")
    if provider and spec.get("providerID") != provider:
        detail = 'node updates may not change providerID except from "" to valid'
        yield forbidden("spec.providerID", detail)


def resource_quota(obj: Object, old: Object | None) -> Errors:
    """A ResourceQuota; to which objects it applies is fixed."""
    spec = obj.get("spec", {})
    for name, amount in spec.get("hard", {}).items():
        yield from check_quota_name(name, f"spec.hard[{name}]")
        yield from check_quantity(name, amount, f"spec.hard[{name}]")
    scopes = spec.get("scopes", [])
    for scope in scopes:
        if scope not in _SCOPES:
            yield invalid("spec.scopes", scopes, "unsupported scope")
        for name in sorted(spec.get("hard", {})):
            if scope in _SCOPES and name in QUOTA and name not in _scoped(scope):
                yield invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    for one, other in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
        if one in scopes and other in scopes:
            yield invalid("spec.scopes", scopes, "conflicting scopes")
    for requirement in spec.get("scopeSelector", {}).get("matchExpressions", ()):
        yield from _scope(requirement, "spec.scopeSelector.matchExpressions")
    if old is not None and set(scopes) != set(old.get("spec", {}).get("scopes", ())):
        yield invalid("spec.scopes", scopes, IMMUTABLE)


def _scoped(scope: str) -> frozenset[str]:
    """The resources of which a quota may count those of a scope only."""
    match scope:
        case "BestEffort":
            return frozenset({"pods"})
        case "VolumeAttributesClass":
            return frozenset({"persistentvolumeclaims", "requests.storage"})
    return _OF_PODS


def _scope(requirement: Object, path: str) -> Errors:
    name, operator = requirement.get("scopeName", ""), requirement.get("operator", "")
    values = requirement.get("values") or []
    if name not in _SCOPES:
        yield invalid(f"{path}.scopeName", name, "unsupported scope")
    if operator in ("In", "NotIn"):
        if not values:
            yield required(
                f"{path}.values",
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            )
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield invalid(
                f"{path}.values",
                values,
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            )
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")


def limit_range(obj: Object, _: Object | None) -> Errors:
    """A LimitRange: smallest, default and largest amounts, in this order."""
    seen: set[str] = set()
    for index, limit in enumerate(obj.get("spec", {}).get("limits") or ()):
        path, kind = f"spec.limits[{index}]", limit.get("type", "")
        faults = names.label_key(kind)
        yield from invalids(f"{path}.type", kind, faults)
        if not faults and "/" not in kind and kind not in _LIMIT_TYPES:
            detail = "must be a standard limit type or fully qualified"
            yield invalid(f"{path}.type", kind, detail)
        if kind in seen:
            yield duplicate(f"{path}.type", kind)
        seen.add(kind)
        yield from _limit(limit, kind, path)


def _limit(limit: Object, kind: str, path: str) -> Errors:
    check = check_container_resource_name if kind in ("Container", "Pod") else check_resource_name
    for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        if kind == "Pod" and field.startswith("default"):
            if limit.get(field):
                detail = "may not be specified when `type` is 'Pod'"
                yield forbidden(f"{path}.{field}", detail)
            continue
        for name in limit.get(field, {}):
            yield from check(name, f"{path}.{field}[{name}]")
    if kind == "PersistentVolumeClaim":
        if "storage" not in limit.get("min", {}) and "storage" not in limit.get("max", {}):
            yield required(
                f"{path}.limits",
                "either minimum or maximum storage value is required, but neither was provided",
            )
    # Each line: the smaller of two amounts, the larger, and which of them is to blame.
    for low, high, blamed, shown, words in (
        ("min", "max", "min", "min", ("min value", "max value")),
        ("min", "defaultRequest", "defaultRequest", "defaultRequest",
         ("min value", "default request value")),
        ("defaultRequest", "max", "defaultRequest", "defaultRequest",
         ("default request value", "max value")),
        ("defaultRequest", "default", "defaultRequest", "defaultRequest",
         ("default request value", "default limit value")),
        ("min", "default", "default", "min", ("min value", "default value")),
        ("default", "max", "default", "max", ("default value", "max value")),
    ):  # fmt: skip
        for name, amount in limit.get(low, {}).items():
            other = limit.get(high, {}).get(name)
            if other is not None and parse(amount) > parse(other):
                small, large = words
                yield invalid(
                    f"{path}.{blamed}[{name}]",
                    canonical(limit[shown][name]),
                    f"{small} {canonical(amount)} is greater than {large} {canonical(other)}",
                )
    for name, ratio in limit.get("maxLimitRequestRatio", {}).items():
        if parse(ratio) < 1:
            detail = f"ratio {canonical(ratio)} is less than 1"
            yield invalid(f"{path}.maxLimitRequestRatio[{name}]", canonical(ratio), detail)


def disruption_budget(obj: Object, _: Object | None) -> Errors:
    """A PodDisruptionBudget: how many pods must stay, or how many may go, not both."""
    spec = obj.get("spec", {})
    if "minAvailable" in spec and "maxUnavailable" in spec:
        shown = in_go(spec, "api.policy.v1.PodDisruptionBudgetSpec")
        yield invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        if field in spec:
            yield from check_int_or_percent(spec[field], f"spec.{field}")
            yield from check_at_most_all(spec[field], f"spec.{field}")
    yield from check_selector(spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy", "AlwaysAllow")
    supported = ("AlwaysAllow", "IfHealthyBudget")
    if policy not in supported:
        yield not_supported("spec.unhealthyPodEvictionPolicy", policy, supported)


def priority_class(obj: Object, old: Object | None) -> Errors:
    """A PriorityClass; how much it weighs is fixed."""
    name, value = obj.get("metadata", {}).get("name", ""), obj.get("value", 0)
    if name.startswith("system-"):
        if _SYSTEM_PRIORITIES.get(name) != value or obj.get("globalDefault"):
            yield forbidden(
                "metadata.name",
                "priority class names with 'system-' prefix are reserved for system use only. "
                f"error: {name} is not a known system priority class",
            )
    elif value > _HIGHEST_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {_HIGHEST_PRIORITY}"
        yield forbidden("value", detail)
    policy = obj.get("preemptionPolicy", "PreemptLowerPriority")
    yield from one_of("preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))
    if old is None:
        return
    if value != old.get("value", 0):
        yield forbidden("value", "may not be changed in an update.")
    yield from immutable(
        "preemptionPolicy", obj.get("preemptionPolicy"), old.get("preemptionPolicy")
    )
