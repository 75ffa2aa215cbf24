"""The story told live: on clusters behind HTTPS, simulated or real, while people watch."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from gitops_lab.errors import UsageError
from gitops_lab.experiments.shop_image import shop
from gitops_lab.experiments.story import SETTLING, SHOP, Story, read_folder, versions
from gitops_lab.forge import GitSource
from gitops_lab.live import LiveArm, LiveWorld
from gitops_lab.model import Manifest, ObjectKey, Revision
from gitops_lab.sandbox import BRANCH
from gitops_lab.state import Setup

FIRST = "gitops-lab/shop:1.0.0"
"""The image that the story of the shop begins with."""

Result = TypeVar("Result")


class Scene:
    """A live world as the story sees it. All of it happens on the world's event loop.

    Args:
        world: a live world that runs.
    """

    def __init__(self, world: LiveWorld) -> None:
        self.world, self.repository = world, world.repository
        self._source = GitSource(world.open_repository(), branch=BRANCH)

    @property
    def arms(self) -> Mapping[str, LiveArm]:
        """The world's arms."""
        return self.world.arms

    def commit(self, message: str, changes: Mapping[str, str | bytes | None]) -> Revision:
        """Commit files to the branch, and push them; the forge's hook tells whoever listens."""
        return self.repository.commit(message, changes)

    def revert(self) -> Revision:
        """Revert the branch's newest commit with a new commit, as `git revert HEAD` does."""
        return self.repository.revert()

    def desired(self) -> tuple[Manifest, ...]:
        """The objects that the branch's newest revision asks for."""
        arm = next(iter(self.arms.values()))
        artifact = self._source.fetch(self._source.head())
        found: tuple[Manifest, ...] = arm.deployer.desired(artifact, arm.hand)
        return found

    def drift(self, key: ObjectKey, patch: Mapping[str, Any], *arms: str) -> None:
        """Edit a live object by hand, past Git, in these arms or in all."""
        for arm in [self.world[name] for name in arms or self.arms]:
            arm.hand.patch(key, patch, manager="kubectl-edit")
            arm.journal.record("edited", key, f"edited by hand: {json.dumps(patch)}")
            arm.glance()

    def stop(self) -> None:
        """Take every deployer down."""
        for arm in self.arms.values():
            arm.host.stop()

    def start(self) -> None:
        """Bring every deployer back."""
        for arm in self.arms.values():
            arm.host.start()

    def chapter(self, title: str) -> None:
        """Begin a chapter of the story; measurements are told by chapter."""
        self.world.journal.record("story", "chapter", title)


async def tell(
    setup: Setup, *, manifests: Path = SHOP, progress: Callable[[str], None] = lambda line: None
) -> LiveWorld:
    """Make a live world of its own, tell the story in it, and remove every trace of it.

    Args:
        setup: what the world is made of.
        manifests: the folder to tell the story with.
        progress: is told what goes on.

    Returns:
        The world that was: its journal, and its arms.

    Raises:
        UsageError: parts that do not go together, or a folder that the story cannot be told with.
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
    setup = replace(setup, identity=name)
    with tempfile.TemporaryDirectory(prefix="gitops-lab-") as folder:
        world = LiveWorld(Path(folder), setup, name=name, progress=progress)
        await world.open()
        try:
            if is_ours:
                await world.offer(*map(shop, versions(FIRST)))
            await world.start()
            await _play(world, manifests, progress)
        finally:
            if setup.backend != "simulated":
                progress("removing what was made")
            await world.backend.remove()
    return world


async def _play(world: LiveWorld, manifests: Path, progress: Callable[[str], None]) -> None:
    """Tell the story in a world that was started, and stop that."""
    setup, loop = world.setup, asyncio.get_running_loop()
    begin, running = loop.time(), asyncio.ensure_future(world.run())

    async def last(minutes: float) -> None:
        """Let so much time pass, as long as the world goes on."""
        wait = 60 * minutes / setup.pace / setup.speed
        await asyncio.wait([running], timeout=wait)
        if running.done():
            running.result()  # raises what went wrong

    def say(what: str) -> None:
        minutes, seconds = divmod(int(loop.time() - begin), 60)
        progress(f"{minutes:02}:{seconds:02} {what}")

    try:
        world.journal.record(
            "story", "setting", setup.backend, real(setup), speed=setup.speed, pace=setup.pace
        )
        say("the deployers are set to work")
        await last(SETTLING)
        story = Story(Scene(world), manifests)
        for number, chapter in enumerate(story.tell(), 1):
            say(f"{chapter.title} ({number} of {len(story.chapters)})")
            await last(chapter.minutes)
            for arm in world.status()["arms"]:
                progress(f"      {arm['line']}")
        say("the end")
    finally:
        running.cancel()
        await asyncio.wait([running])
        await world.stop()


def real(setup: Setup) -> str:
    """What is real about a story that was told live, in one sentence."""
    if setup.backend == "simulated":
        return (
            "Git, the network and the clock are real and the clusters are simulated; time passes "
            f"{setup.speed:g} times as fast"
        )
    return (
        "Git, the network, the clock and Kubernetes are real; the intervals and delays that are "
        f"ours are {setup.pace:g} times as short"
    )


def finished(story: Coroutine[Any, Any, Result]) -> Result:
    """Run a story to its end, or until somebody ends it, with Ctrl-C or SIGTERM.

    Then it tidies up first, however often they ask.

    Raises:
        KeyboardInterrupt: it was Ctrl-C.
        SystemExit: it was SIGTERM.
    """
    asked: list[int] = []

    async def run() -> Result:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(story)

        def end(number: int) -> None:
            if not asked:
                task.cancel()
            asked.append(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
        return await task

    with suppress(asyncio.CancelledError):
        return asyncio.run(run())
    if asked[0] == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + asked[0])
