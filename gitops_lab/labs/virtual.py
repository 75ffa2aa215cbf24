"""A lab in virtual time, for notebooks and programs: nothing to start, nothing to wait for."""

from __future__ import annotations

from gitops_lab.labs.format import find, load
from gitops_lab.labs.progress import Progress, Unsaved
from gitops_lab.labs.session import Session
from gitops_lab.labs.world import VirtualWorld


def start(name: str, *, seed: int = 1, progress: Progress | None = None) -> Session:
    """Begin a lab in a virtual world of its own.

    Args:
        name: the lab's id, number or folder.
        seed: the learner's: what is drawn, and so the right answers, follow from it.
        progress: where progress is kept; in memory if None.

    Raises:
        UsageError: there is no such lab.
    """
    lab = load(find(name), seed)
    worlds = [VirtualWorld(lab.arms, seed)]

    def restart() -> VirtualWorld:
        worlds[-1].close()
        worlds.append(VirtualWorld(lab.arms, seed))
        return worlds[-1]

    session = Session(
        lab,
        worlds[0],
        progress or Unsaved(seed),
        now=lambda: worlds[-1].sandbox.clock.now(),
        restart=restart,
    )
    session.begin()
    return session
