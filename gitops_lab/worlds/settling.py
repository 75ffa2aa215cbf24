"""Settling: letting time pass until nothing happens any more."""

from __future__ import annotations

from typing import Protocol

from gitops_lab.model import ObjectKey
from gitops_lab.worlds.world import World

SHORTEST = 60.0
"""The shortest time in which nothing may have happened, in seconds: retries are that far apart."""

STEP = 1.0
"""How often to look, in seconds of the world."""

RESTLESS = frozenset({("coordination.k8s.io", "Lease"), ("", "Event"), ("", "Node")})
"""Group and kind of objects that change for ever in a cluster that is at rest."""


class Run(Protocol):
    """Lets time pass."""

    def __call__(self, *, seconds: float) -> None:
        """Let so many seconds of the world pass."""


def settled(world: World, run: Run, *, horizon: float | None, limit: float) -> bool:
    """Let time pass until nothing has happened for a while; whether it came to that.

    What counts: an entry in the journal, a change of a live object, and a deployer in the middle of
    a run. What does not: heartbeats, and looks that find nothing new.

    Args:
        world: the world.
        run: lets time pass in it.
        horizon: for how long nothing may have happened, in seconds; if None, a little longer than
            the longest interval of a deployer.
        limit: give up after so many seconds.
    """
    if horizon is None:
        intervals = (arm.policy.interval or 0.0 for arm in world.arms.values())
        horizon = max(SHORTEST, 1.1 * max(intervals, default=0.0) + STEP)
    changes = _Changes()
    for cluster in set(world.clusters.values()):
        cluster.on_change(changes.see)
    quiet, passed, seen = 0.0, 0.0, (len(world.journal), changes.count)
    while passed < limit:
        run(seconds=STEP)
        passed += STEP
        now = (len(world.journal), changes.count)
        is_at_work = any(arm.deployer.is_at_work for arm in world.arms.values())
        quiet = 0.0 if now != seen or is_at_work else quiet + STEP
        if quiet >= horizon:
            return True
        seen = now
    return False


class _Changes:
    """Counts changes of live objects that matter."""

    def __init__(self) -> None:
        self.count = 0

    def see(self, key: ObjectKey) -> None:
        self.count += (key.group, key.kind) not in RESTLESS
