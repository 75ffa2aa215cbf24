"""ResourceQuotas: what a namespace may use up, and what it has used.

A request is checked against what is used, as each quota's status says, and charged to it once it
is stored; what is given back is found by counting again, which the quota controller does.

Source: apiserver `pkg/admission/plugin/resourcequota` and pkg/controller/resourcequota
(Kubernetes 1.37). The real plugin refuses what comes before the controller has counted for the
first time ("status unknown for quota"); here the plugin counts itself then, as if the controller
had been quick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kubesim import refusals
from kubesim.admission.usage import (
    CLAIMS,
    PODS,
    SERVICES,
    Amounts,
    matches,
    measured,
    missing,
    usage,
)
from kubesim.model import Object
from kubesim.quantity import Quantity
from kubesim.store import Key, Store

GROUP, PLURAL = "", "resourcequotas"

_UNCOUNTED = (("", "events"), ("events.k8s.io", "events"))
_NOTHING = Quantity()


class Charge(NamedTuple):
    """What a request adds to one quota.

    Args:
        quota: the quota as stored.
        status: its status once the request is stored.
    """

    quota: Object
    status: Mapping[str, Any]


def counted(store: Store, quota: Object) -> dict[str, Any]:
    """A quota's status, from the objects that there are."""
    hard, namespace = quota["spec"].get("hard") or {}, quota["metadata"]["namespace"]
    used: Amounts = dict.fromkeys(hard, _NOTHING)
    for resource in dict.fromkeys(measured(name) for name in hard):
        if resource is None:
            continue
        for obj in store.list(*resource, namespace):
            if matches(quota, resource, obj):
                for name, amount in usage(resource, obj).items():
                    if name in used:
                        used[name] += amount
    return {"hard": hard, "used": _written(used)}


def charges(
    store: Store, key: Key, old: Object | None, new: Object, subresource: str
) -> Sequence[Charge]:
    """What a write adds to the quotas of its namespace.

    Args:
        store: where the quotas are.
        key: what is written.
        old: the object before; None if it is new.
        new: the object after.
        subresource: what of it is written.

    Raises:
        ApiError: 403 Forbidden: more than a quota allows, or not enough said for it to tell.
    """
    resource = key[:2]
    if not key.namespace or not _is_measured(resource, old, subresource):
        return ()
    quotas = store.list(GROUP, PLURAL, key.namespace)
    if not quotas:
        return ()
    concerned: list[tuple[Object, Mapping[str, Any]]] = []
    for quota in quotas:
        names = [name for name in quota["spec"].get("hard") or () if measured(name) == resource]
        if names and matches(quota, resource, new):
            lacks = missing(new, names) if resource == PODS else ""
            if lacks:
                name = quota["metadata"]["name"]
                raise _forbidden(key, f"failed quota: {name}: must specify {lacks}")
            concerned.append((quota, _status(store, quota)))
    found = []
    for quota, status in concerned:
        before = usage(resource, old) if old and matches(quota, resource, old) else {}
        added = _added(usage(resource, new), before, status["hard"])
        if added:
            found.append(Charge(quota, {**status, "used": _used(key, quota, status, added)}))
    return found


def _is_measured(resource: tuple[str, str], old: Object | None, subresource: str) -> bool:
    """Whether a write can use up anything."""
    if old is None:
        return resource not in _UNCOUNTED
    if resource == PODS:
        return subresource == "resize"
    return (resource == SERVICES and not subresource) or resource == CLAIMS


def _status(store: Store, quota: Object) -> Mapping[str, Any]:
    """The status of a quota, counted if it does not tell of what is limited now."""
    status: Mapping[str, Any] = quota.get("status") or {}
    hard = quota["spec"].get("hard") or {}
    if status.get("hard") == hard and hard.keys() <= status.get("used", {}).keys():
        return status
    return counted(store, quota)


def _added(now: Amounts, before: Amounts, hard: Mapping[str, str]) -> Amounts:
    """What there is more of than before, as far as it is limited."""
    more = {name: now[name] - before.get(name, _NOTHING) for name in now if name in hard}
    return {name: amount for name, amount in more.items() if amount > _NOTHING}


def _used(key: Key, quota: Object, status: Mapping[str, Any], added: Amounts) -> dict[str, str]:
    """What is used of a quota with something added.

    Raises:
        ApiError: 403 Forbidden: it is too much.
    """
    used = {name: Quantity.of(amount) for name, amount in status["used"].items()}
    hard = {name: Quantity.of(status["hard"][name]) for name in added}
    exceeded = sorted(name for name in added if used[name] + added[name] > hard[name])
    if exceeded:
        requested, so_far, limited = (
            ",".join(f"{name}={amounts[name]}" for name in exceeded)
            for amounts in (added, used, hard)
        )
        raise _forbidden(
            key,
            f"exceeded quota: {quota['metadata']['name']}, requested: {requested}, "
            f"used: {so_far}, limited: {limited}",
        )
    return _written({name: used[name] + added.get(name, _NOTHING) for name in used})


def _written(amounts: Amounts) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}


def _forbidden(key: Key, why: str) -> Exception:
    return refusals.forbidden(key.group, key.plural, key.name, why)
