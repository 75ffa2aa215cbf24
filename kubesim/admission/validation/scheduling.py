"""What must hold for the wishes of a pod about where it runs.

Source: pkg/apis/core/validation/validation.go (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    Errors,
    duplicate,
    forbidden,
    in_go,
    invalid,
    invalids,
    not_supported,
    required,
)
from kubesim.admission.validation.labels import check_selector
from kubesim.model import Object

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
"""What a taint does to pods that do not tolerate it."""

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def check_tolerations(tolerations: Iterable[Object], path: str) -> Errors:
    """Which taints of nodes a pod puts up with."""
    for index, toleration in enumerate(tolerations):
        here = f"{path}[{index}]"
        key, value = toleration.get("key", ""), toleration.get("value", "")
        operator, effect = toleration.get("operator", ""), toleration.get("effect", "")
        if key:
            yield from invalids(f"{here}.key", key, names.label_key(key))
        elif operator != "Exists":
            yield invalid(
                f"{here}.operator",
                operator,
                'operator must be Exists when `key` is empty, which means "match all values and '
                'all keys"',
            )
        if "tolerationSeconds" in toleration and effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid(f"{here}.effect", effect, detail)
        if operator in ("", "Equal"):
            faults = names.label_value(value)
            if faults:
                yield invalid(f"{here}.operator", value, ";".join(faults))
        elif operator == "Exists":
            if value:
                detail = "value must be empty when `operator` is 'Exists'"
                yield invalid(f"{here}.operator", value, detail)
        else:
            yield not_supported(f"{here}.operator", operator, ("Equal", "Exists"))
        if effect and effect not in TAINT_EFFECTS:
            yield not_supported(f"{here}.effect", effect, TAINT_EFFECTS)


def check_added_tolerations(tolerations: list[Object], old: Iterable[Object], path: str) -> Errors:
    """A pod may learn to tolerate more, never less; only the seconds may change."""
    kept = [_without_seconds(toleration) for toleration in tolerations]
    if any(_without_seconds(toleration) not in kept for toleration in old):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden(path, detail)


def _without_seconds(toleration: Object) -> Object:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}


def check_affinity(affinity: Object, path: str) -> Errors:
    """Which nodes and which other pods a pod wants to be near, or far from."""
    nodes = affinity.get("nodeAffinity", {})
    if _REQUIRED in nodes:
        yield from check_node_selector(nodes[_REQUIRED], f"{path}.nodeAffinity.{_REQUIRED}")
    for index, wish in enumerate(nodes.get(_PREFERRED, ())):
        here = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
        yield from _weight(wish, here)
        yield from _node_term(wish.get("preference", {}), f"{here}.preference", strict=False)
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = affinity.get(kind, {})
        for index, term in enumerate(pods.get(_REQUIRED, ())):
            yield from _pod_term(term, f"{path}.{kind}.{_REQUIRED}[{index}]")
        for index, wish in enumerate(pods.get(_PREFERRED, ())):
            here = f"{path}.{kind}.{_PREFERRED}[{index}]"
            yield from _weight(wish, here)
            yield from _pod_term(wish.get("podAffinityTerm", {}), f"{here}.podAffinityTerm")


def _weight(wish: Object, path: str) -> Errors:
    weight = wish.get("weight", 0)
    if not 0 < weight <= 100:
        yield invalid(f"{path}.weight", weight, "must be in the range 1-100")


def check_node_selector(selector: Object, path: str) -> Errors:
    """Terms, any of which a node must meet."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _node_term(term, f"{path}.nodeSelectorTerms[{index}]")


def _node_term(term: Object, path: str, *, strict: bool = True) -> Errors:
    for index, requirement in enumerate(term.get("matchExpressions", ())):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = requirement.get("operator", ""), (requirement.get("values") or ())
        match operator:
            case "In" | "NotIn":
                if not values:
                    detail = "must be specified when `operator` is 'In' or 'NotIn'"
                    yield required(f"{here}.values", detail)
            case "Exists" | "DoesNotExist":
                if values:
                    detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    yield forbidden(f"{here}.values", detail)
            case "Gt" | "Lt":
                if len(values) != 1:
                    detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                    yield required(f"{here}.values", detail)
            case _:
                yield invalid(f"{here}.operator", operator, "not a valid selector operator")
        key = requirement.get("key", "")
        yield from invalids(f"{here}.key", key, names.label_key(key))
        for number, value in enumerate(values if strict else ()):
            yield from invalids(f"{here}.values[{number}]", value, names.label_value(value))
    for index, requirement in enumerate(term.get("matchFields", ())):
        here = f"{path}.matchFields[{index}]"
        operator, key = requirement.get("operator", ""), requirement.get("key", "")
        if operator not in ("In", "NotIn"):
            yield invalid(f"{here}.operator", operator, "not a valid selector operator")
        elif len(requirement.get("values") or ()) != 1:
            yield required(
                f"{here}.values",
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            )
        if key != "metadata.name":
            yield invalid(f"{here}.key", key, "not a valid field selector key")


def _pod_term(term: Object, path: str) -> Errors:
    for field in ("labelSelector", "namespaceSelector"):
        yield from check_selector(term.get(field), f"{path}.{field}")
    for namespace in term.get("namespaces", ()):
        yield from invalids(f"{path}.namespace", namespace, names.dns_label(namespace))
    topology = term.get("topologyKey", "")
    if not topology:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from invalids(f"{path}.topologyKey", topology, names.label_key(topology))


def check_spread(constraints: list[Object], path: str) -> Errors:
    """How evenly pods should be spread."""
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        skew = constraint.get("maxSkew", 0)
        if skew <= 0:
            yield invalid(f"{here}.maxSkew", skew, "must be greater than zero")
        topology = constraint.get("topologyKey", "")
        if not topology:
            yield required(f"{here}.topologyKey", "can not be empty")
        unsatisfiable = constraint.get("whenUnsatisfiable", "")
        supported = ("DoNotSchedule", "ScheduleAnyway")
        if unsatisfiable not in supported:
            yield not_supported(f"{here}.whenUnsatisfiable", unsatisfiable, supported)
        pairs = [(each.get("topologyKey", ""), each.get("whenUnsatisfiable", ""))
                 for each in constraints[index + 1 :]]  # fmt: skip
        if (topology, unsatisfiable) in pairs:
            pair = f"{{{topology}, {unsatisfiable}}}"
            yield duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", pair)
        domains = constraint.get("minDomains")
        if domains is not None:
            if domains <= 0:
                yield invalid(f"{here}.minDomains", domains, "must be greater than zero")
            if unsatisfiable != "DoNotSchedule":
                yield invalid(
                    f"{here}.minDomains",
                    domains,
                    "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not "
                    f"{unsatisfiable}",
                )
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if constraint.get(field, "Honor") not in ("Honor", "Ignore"):
                yield not_supported(f"{here}.{field}", constraint[field], ("Honor", "Ignore"))
        yield from check_selector(constraint.get("labelSelector"), f"{here}.labelSelector")


def check_taints(taints: Iterable[Object], path: str) -> Errors:
    """What keeps pods off a node."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        here = f"{path}[{index}]"
        key, value, effect = (taint.get(field, "") for field in ("key", "value", "effect"))
        yield from invalids(f"{here}.key", key, names.label_key(key))
        faults = names.label_value(value)
        if faults:
            yield invalid(f"{here}.value", value, ";".join(faults))
        if not effect:
            yield required(f"{here}.effect")
        elif effect not in TAINT_EFFECTS:
            yield not_supported(f"{here}.effect", effect, TAINT_EFFECTS)
        if (key, effect) in seen:
            yield duplicate(
                here,
                in_go(taint, "api.core.v1.Taint"),
                "taints must be unique by key and effect pair",
            )
        seen.add((key, effect))
