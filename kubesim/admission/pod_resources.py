"""What a pod's containers ask for or may use, all together.

Source: k8s.io/component-helpers `resource` (PodRequests, PodLimits; Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from kubesim.quantity import Quantity

Number = TypeVar("Number", Decimal, Quantity)

_POD_LEVEL = ("cpu", "memory", "hugepages-")


def total(
    pod_spec: Mapping[str, Any], kind: str, read: Callable[[str], Number]
) -> dict[str, Number]:
    """The sum over a pod.

    All containers run together; init containers run before them, one at a time, next to the
    sidecars that stand before each. What the pod says for itself as a whole counts instead.

    Args:
        pod_spec: the spec of the pod.
        kind: `requests` or `limits`.
        read: makes a number of a quantity.
    """

    def amounts(of: Mapping[str, Any]) -> dict[str, Number]:
        given = (of.get("resources") or {}).get(kind) or {}
        return {name: read(amount) for name, amount in given.items()}

    together: dict[str, Number] = {}
    for container in pod_spec.get("containers") or ():
        _add(together, amounts(container))
    sidecars: dict[str, Number] = {}
    peak: dict[str, Number] = {}
    for container in pod_spec.get("initContainers") or ():
        own = amounts(container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, own)
            _add(together, own)
        now = dict(sidecars)
        if container.get("restartPolicy") != "Always":
            _add(now, own)
        _raise(peak, now)
    _raise(together, peak)
    for name, amount in amounts(pod_spec).items():
        if name.startswith(_POD_LEVEL):
            together[name] = amount
    for name, amount in (pod_spec.get("overhead") or {}).items():
        if kind == "requests" or together.get(name):
            _add(together, {name: read(amount)})
    return together


def _add(to: dict[str, Number], more: Mapping[str, Number]) -> None:
    for name, amount in more.items():
        to[name] = to[name] + amount if name in to else amount


def _raise(to: dict[str, Number], least: Mapping[str, Number]) -> None:
    for name, amount in least.items():
        to[name] = max(to[name], amount) if name in to else amount
