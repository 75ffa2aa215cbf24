"""The story told live: on clusters behind HTTPS, simulated or real, while people watch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gitops_lab.errors import UsageError
from gitops_lab.experiments.shop_image import shop
from gitops_lab.experiments.story import SETTLING, SHOP, Story, read_folder, versions
from gitops_lab.state import Setup
from gitops_lab.worlds.threaded import LiveSandbox

FIRST = "gitops-lab/shop:1.0.0"
"""The image that the story of the shop begins with."""


def run(
    setup: Setup, *, manifests: Path = SHOP, progress: Callable[[str], None] = lambda line: None
) -> LiveSandbox:
    """Make a live world of its own, run the story in it, and remove every trace of it.

    Args:
        setup: what the world is made of.
        manifests: the folder to run the story with.
        progress: called with a line for each thing that happens.

    Returns:
        The world that was: its journal, and its arms.

    Raises:
        UsageError: parts that do not go together, or a folder that the story cannot be run with.
        LabError: a cluster cannot be made, or not be removed.
    """
    read_folder(manifests)  # before anything is made for it
    is_ours = manifests == SHOP
    if setup.backend == "context" and is_ours:
        raise UsageError(
            f"the nodes of that cluster cannot pull {FIRST}, which no registry has",
            fix="tell the story with an application of yours: --manifests DIR",
        )
    name = f"demo-{os.getpid()}"
    images = [*map(shop, versions(FIRST))] if is_ours else []
    setup = replace(setup, identity=name)
    with LiveSandbox(setup, name=name, images=images, progress=progress) as world:
        _play(world, manifests, progress)
    return world


def _play(world: LiveSandbox, manifests: Path, progress: Callable[[str], None]) -> None:
    setup, begin = world.setup, time.monotonic()

    def say(what: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - begin), 60)
        progress(f"{minutes:02}:{seconds:02} {what}")

    world.journal.record(
        "story", "setting", setup.backend, real(setup), speed=setup.speed, pace=setup.pace
    )
    say("the deployers are set to work")
    world.run(minutes=SETTLING)
    story = Story(world, manifests)
    for number, chapter in enumerate(story.run(), 1):
        say(f"{chapter.title} ({number} of {len(story.chapters)})")
        world.run(minutes=chapter.minutes)
        for line in world.status().splitlines():
            progress(f"      {line}")
    say("the end")


def real(setup: Setup) -> str:
    """What is real about a story that was told live, in one sentence."""
    if setup.backend == "simulated":
        return (
            "Git and the network are real, the clusters are simulated, and the clock runs "
            f"{setup.speed:g} times as fast as yours"
        )
    return (
        "Git, the network, the clock and Kubernetes are real; the intervals and delays that are "
        f"ours are {setup.pace:g} times as short"
    )
