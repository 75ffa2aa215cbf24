"""The arithmetic of rolling updates: how many pods more, how many fewer, and whose.

Pure functions over specs and counts. Source: pkg/controller/deployment/util and
apimachinery's intstr of Kubernetes 1.37.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any, NamedTuple


class Bounds(NamedTuple):
    """How far a rolling update may go above and below the wanted number of pods."""

    surge: int
    unavailable: int


class Size(NamedTuple):
    """One ReplicaSet for the purpose of proportional scaling.

    Args:
        name: which one.
        replicas: its present `spec.replicas`.
        maximum: what `deployment.kubernetes.io/max-replicas` says of the size of the whole
            when it was last scaled; None if it does not say.
    """

    name: str
    replicas: int
    maximum: int | None


def portion(value: int | str, whole: int, *, up: bool) -> int:
    """A count, or a percentage of a whole, rounded as told."""
    if isinstance(value, int):
        return value
    return _divided(int(value.rstrip("%")) * whole, 100, up=up)


def bounds(spec: Mapping[str, Any]) -> Bounds:
    """Surge and unavailability that a Deployment's spec allows.

    The surge is rounded up and the unavailability down. If both come out as zero, one pod may be
    unavailable, since otherwise nothing could ever move.
    """
    strategy, replicas = spec.get("strategy") or {}, spec.get("replicas", 1)
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return Bounds(0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    surge = portion(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = portion(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == unavailable == 0:
        unavailable = 1
    return Bounds(surge, min(unavailable, replicas))


def grown(new: int, everything: int, wanted: int, surge: int) -> int:
    """The new ReplicaSet's next size: as far up as the surge leaves room for.

    Args:
        new: its present size.
        everything: the sizes of all ReplicaSets together, the new one included.
        wanted: the Deployment's `spec.replicas`.
    """
    room = wanted + surge - everything
    return new + min(room, wanted - new) if room > 0 else new


def proportional(
    newest_first: Sequence[Size], wanted: int, surge: int, reported: int
) -> dict[str, int]:
    """New sizes of several ReplicaSets when a Deployment is resized in the midst of a rollout.

    Each gets a share of the difference in proportion to its size, the largest first; what
    rounding leaves over goes to the largest.

    Args:
        newest_first: the ReplicaSets that have pods, newest first.
        wanted: the Deployment's `spec.replicas`.
        surge: how many pods it may have above that.
        reported: its `status.replicas`, for a ReplicaSet whose annotation tells no former size.
    """
    allowed = wanted + surge if wanted > 0 else 0
    to_add = allowed - sum(size.replicas for size in newest_first)
    in_order = newest_first if to_add > 0 else newest_first[::-1]
    by_size = sorted(in_order, key=lambda size: -size.replicas)
    added, sizes = 0, {}
    for size in by_size:
        part = _fraction(size, wanted, surge, reported)
        left = to_add - added
        part = min(part, left) if to_add > 0 else max(part, left)
        if not size.replicas or not left:
            part = 0
        sizes[size.name] = size.replicas + part
        added += part
    if by_size:
        largest = by_size[0].name
        sizes[largest] = max(sizes[largest] + to_add - added, 0)
    return sizes


def _fraction(size: Size, wanted: int, surge: int, reported: int) -> int:
    if wanted == 0:
        return -size.replicas
    before = size.maximum or reported or wanted
    return floor(size.replicas * (wanted + surge) / before + 0.5) - size.replicas


def _divided(numerator: int, denominator: int, *, up: bool) -> int:
    return ceil(numerator / denominator) if up else floor(numerator / denominator)
