"""What must hold for Deployments, ReplicaSets, StatefulSets, DaemonSets and their kin.

Source: pkg/apis/apps/validation and pkg/registry/apps (Kubernetes 1.37).
"""

from __future__ import annotations

from typing import Any

from kubesim.admission.validation import names
from kubesim.admission.validation.field import (
    IMMUTABLE,
    LABEL_SELECTOR,
    Errors,
    at_least,
    forbidden,
    immutable,
    in_go,
    invalid,
    invalids,
    not_supported,
    required,
)
from kubesim.admission.validation.labels import (
    check_labels,
    check_match,
    check_selector,
    is_empty,
)
from kubesim.admission.validation.pods import check_long_running, check_template
from kubesim.admission.validation.storage import check_claim_spec
from kubesim.model import Object

_STATEFUL_SET_UPDATABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def deployment(obj: Object, old: Object | None) -> Errors:
    """A Deployment; its selector is fixed."""
    spec = obj.get("spec", {})
    yield from at_least("spec.replicas", spec.get("replicas"))
    yield from _selector_and_template(spec, "deployment", "ReplicaSet")
    yield from _deployment_strategy(spec.get("strategy", {}), "spec.strategy")
    for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        yield from at_least(f"spec.{field}", spec.get(field))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        detail = "must be greater than minReadySeconds"
        yield invalid("spec.progressDeadlineSeconds", deadline, detail)
    yield from _same_selector(spec, old)


def replica_set(obj: Object, old: Object | None) -> Errors:
    """A ReplicaSet; its selector is fixed."""
    spec = obj.get("spec", {})
    yield from at_least("spec.replicas", spec.get("replicas"))
    yield from at_least("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selector_and_template(spec, "deployment", "ReplicaSet")
    yield from _same_selector(spec, old)


def replication_controller(obj: Object, _: Object | None) -> Errors:
    """A ReplicationController, the ReplicaSet of old, whose selector is a plain map."""
    spec = obj.get("spec", {})
    selector, template = (spec.get("selector") or {}), spec.get("template", {})
    yield from at_least("spec.minReadySeconds", spec.get("minReadySeconds"))
    if not selector:
        yield required("spec.selector")
    yield from check_labels(selector, "spec.selector")
    yield from at_least("spec.replicas", spec.get("replicas"))
    yield from check_match({"matchLabels": selector}, template, "spec.template")
    yield from check_template(template, "spec.template")
    yield from check_long_running(template, "spec.template", "ReplicationController")


def daemon_set(obj: Object, old: Object | None) -> Errors:
    """A DaemonSet; its selector is fixed."""
    spec = obj.get("spec", {})
    yield from _same_selector(spec, old)
    yield from _selector_and_template(spec, "daemonset", "DaemonSet")
    yield from at_least("spec.minReadySeconds", spec.get("minReadySeconds"))
    strategy = spec.get("updateStrategy", {})
    path = "spec.updateStrategy"
    if strategy.get("type") == "RollingUpdate":
        if "rollingUpdate" in strategy:
            yield from _daemon_rolling_update(strategy["rollingUpdate"], f"{path}.rollingUpdate")
        else:
            yield required(f"{path}.rollingUpdate")
    elif strategy.get("type") != "OnDelete":
        shown = in_go(strategy, "api.apps.v1.DaemonSetUpdateStrategy")
        yield not_supported(path, shown, ("RollingUpdate", "OnDelete"))
    yield from at_least("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def stateful_set(obj: Object, old: Object | None) -> Errors:
    """A StatefulSet; much of its spec is fixed, since pods and claims bear its traces."""
    spec = obj.get("spec", {})
    claims = spec.get("volumeClaimTemplates", [])
    yield from _stateful_policies(spec)
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
        yield from at_least(f"spec.{field}", spec.get(field))
    yield from at_least("spec.ordinals.start", spec.get("ordinals", {}).get("start"))
    yield from _selector_and_template(spec, "statefulset", "StatefulSet", claims)
    if spec.get("serviceName"):
        name = spec["serviceName"]
        yield from invalids("spec.serviceName", name, names.dns_label(name))
    for index, claim in enumerate(claims):
        yield from check_claim_spec(
            claim.get("spec", {}), f"spec.volumeClaimTemplates[{index}].spec"
        )
    if old is None:
        return
    if _fixed(spec) != _fixed(old.get("spec", {})):
        *most, last = (f"'{field}'" for field in _STATEFUL_SET_UPDATABLE)
        yield forbidden(
            "spec",
            f"updates to statefulset spec for fields other than {', '.join(most)} and {last} are "
            "forbidden",
        )


def _fixed(spec: Object) -> Object:
    """The part of a StatefulSet's spec that must stay as it is."""
    fixed = {field: spec[field] for field in spec if field not in _STATEFUL_SET_UPDATABLE}
    if "volumeClaimTemplates" in fixed:  # their status says nothing
        fixed["volumeClaimTemplates"] = [
            {field: claim[field] for field in claim if field != "status"}
            for claim in fixed["volumeClaimTemplates"]
        ]
    return fixed


def _stateful_policies(spec: Object) -> Errors:
    management = spec.get("podManagementPolicy", "")
    if not management:
        yield required("spec.podManagementPolicy")
    elif management not in ("OrderedReady", "Parallel"):
        detail = "must be 'OrderedReady' or 'Parallel'"
        yield invalid("spec.podManagementPolicy", management, detail)
    strategy, path = spec.get("updateStrategy", {}), "spec.updateStrategy"
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type", ""):
        case "":
            yield required(path)
        case "OnDelete":
            if rolling is not None:
                detail = "only allowed for updateStrategy 'RollingUpdate'"
                shown = in_go(rolling, "api.apps.v1.RollingUpdateStatefulSetStrategy")
                yield invalid(f"{path}.rollingUpdate", shown, detail)
        case "RollingUpdate":
            if rolling is not None:
                at = f"{path}.rollingUpdate"
                yield from at_least(f"{at}.partition", rolling.get("partition"))
                unavailable = rolling.get("maxUnavailable")
                if unavailable is not None:
                    at = f"{at}.maxUnavailable"
                    yield from check_int_or_percent(unavailable, at)
                    if _number(unavailable) == 0:
                        yield invalid(at, unavailable, "cannot be 0")
                    yield from check_at_most_all(unavailable, at)
        case _:
            shown = in_go(strategy, "api.apps.v1.StatefulSetUpdateStrategy")
            yield invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")
    retention = spec.get("persistentVolumeClaimRetentionPolicy")
    if retention is not None:
        for field in ("whenDeleted", "whenScaled"):
            if retention.get(field) not in ("Retain", "Delete"):
                at = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
                yield not_supported(at, retention.get(field, ""), ("Retain", "Delete"))


def controller_revision(obj: Object, old: Object | None) -> Errors:
    """A ControllerRevision, which keeps what a controller once was told."""
    if "data" not in obj:
        yield required("data", "data is mandatory")
    yield from at_least("revision", obj.get("revision"))
    if old is not None:
        yield from immutable("data", obj.get("data"), old.get("data"))


def _selector_and_template(
    spec: Object, kind: str, owner: str, claims: list[Object] | None = None
) -> Errors:
    selector, template = spec.get("selector"), spec.get("template", {})
    faults = list(check_selector(selector, "spec.selector"))
    if selector is None and kind != "daemonset":
        yield required("spec.selector")
    yield from faults
    if selector is not None and is_empty(selector):
        yield invalid("spec.selector", selector, f"empty selector is invalid for {kind}")
    if faults and kind != "daemonset":
        detail = "" if kind == "statefulset" else "invalid label selector"
        yield invalid("spec.selector", in_go(selector, LABEL_SELECTOR), detail)
        return
    yield from check_match(selector, template, "spec.template")
    yield from check_template(template, "spec.template", claims or ())
    yield from check_long_running(template, "spec.template", owner)


def _same_selector(spec: Object, old: Object | None) -> Errors:
    if old is not None:
        before = old.get("spec", {}).get("selector")
        if spec.get("selector") != before:
            yield invalid("spec.selector", in_go(spec.get("selector"), LABEL_SELECTOR), IMMUTABLE)


def _deployment_strategy(strategy: Object, path: str) -> Errors:
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type", ""):
        case "Recreate":
            if rolling is not None:
                yield forbidden(
                    f"{path}.rollingUpdate",
                    "may not be specified when strategy `type` is 'Recreate'",
                )
        case "RollingUpdate":
            if rolling is None:
                detail = "this should be defaulted and never be nil"
                yield required(f"{path}.rollingUpdate", detail)
            else:
                yield from _rolling_update(rolling, f"{path}.rollingUpdate")
        case _:
            shown = in_go(strategy, "api.apps.v1.DeploymentStrategy")
            yield not_supported(path, shown, ("Recreate", "RollingUpdate"))


def _rolling_update(rolling: Object, path: str) -> Errors:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    yield from check_int_or_percent(unavailable, f"{path}.maxUnavailable")
    yield from check_int_or_percent(surge, f"{path}.maxSurge")
    if _number(unavailable) == 0 and _number(surge) == 0:
        detail = "may not be 0 when `maxSurge` is 0"
        yield invalid(f"{path}.maxUnavailable", unavailable, detail)
    yield from check_at_most_all(unavailable, f"{path}.maxUnavailable")


def _daemon_rolling_update(rolling: Object, path: str) -> Errors:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    for field, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        yield from check_int_or_percent(value, f"{path}.{field}")
    for field, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        yield from check_at_most_all(value, f"{path}.{field}")
    if _number(unavailable) and _number(surge):
        detail = "may not be set when maxUnavailable is non-zero"
        yield invalid(f"{path}.maxSurge", surge, detail)
    elif not _number(unavailable) and not _number(surge):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def check_int_or_percent(value: Any, path: str) -> Errors:
    """A number that is not negative, or a percentage."""
    if isinstance(value, str):
        yield from invalids(path, value, names.percent(value))
    else:
        yield from at_least(path, value)


def check_at_most_all(value: Any, path: str) -> Errors:
    """No percentage above a hundred."""
    if isinstance(value, str) and _number(value) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def _number(value: int | str) -> int:
    """The number in a number or percentage; 0 for what is neither, which is reported apart."""
    if isinstance(value, str):
        return 0 if names.percent(value) else int(value.removesuffix("%"))
    return value
