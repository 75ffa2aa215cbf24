"""A live world for programs that have no event loop: the same calls as in virtual time.

with LiveSandbox(Setup(("push-on-commit", "pull+self-heal"), speed=10)) as world:
    world.commit("first deploy", {"web.yaml": text})
    world.run(minutes=3)
    print(world.status())
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, ParamSpec, Self, TypeVar, cast

from gitops_lab.cluster.commands import Progress
from gitops_lab.cluster.images import Image
from gitops_lab.errors import UsageError
from gitops_lab.model import Manifest, Object, ObjectKey, Revision
from gitops_lab.state import Setup
from gitops_lab.worlds.arm import Arm
from gitops_lab.worlds.cluster import AdminConnection
from gitops_lab.worlds.live import LiveWorld
from gitops_lab.worlds.settling import settled
from gitops_lab.worlds.world import Text

P = ParamSpec("P")
T = TypeVar("T")


class LiveSandbox:
    """A world on the clock on the wall, of which nothing remains in the end.

    Its event loop has a thread of its own, and every call is carried out there.

    Args:
        setup: what it is made of.
        name: what it is called.
        images: what nodes of real clusters must have beside what they can pull.
        progress: called with a line for each step while clusters are made and removed.

    Raises:
        UsageError: parts that do not go together.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        name: str = "default",
        images: Sequence[Image] = (),
        progress: Progress = lambda line: None,
    ) -> None:
        self.setup, self.name, self._images, self._progress = setup, name, images, progress
        self._running: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            LabError: a cluster cannot be made.
        """
        self._directory = tempfile.TemporaryDirectory(prefix="gitops-lab-")
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="world", daemon=True)
        self._thread.start()
        self.world: LiveWorld | None = None
        try:
            self._wait_for(self._begin())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and remove every trace of it, however often a person interrupts."""
        ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        try:
            _patiently(ending.result)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            _patiently(self._thread.join)
            self._loop.close()
            self._directory.cleanup()

    def __getitem__(self, arm: str) -> LiveSandboxArm:
        if arm not in self.arms:
            raise UsageError(f"there is no arm {arm!r}", fix=f"choose from {', '.join(self.arms)}")
        return self.arms[arm]

    # -- what people do and look at: as in `World` -----------------------------------------------

    def commit(self, message: str, changes: Mapping[str, str | bytes | None]) -> Revision:
        """Commit files to the branch and push them; see `World.commit`."""
        return self.call(self._world.commit, message, changes)

    def replace(self, message: str, path: str, old: str, new: str) -> Revision:
        """Commit one file with a piece of its text replaced; see `World.replace`."""
        return self.call(self._world.replace, message, path, old, new)

    def revert(self) -> Revision:
        """Revert the branch's newest commit with a new one; see `World.revert`."""
        return self.call(self._world.revert)

    def drift(self, name: str | ObjectKey, patch: Mapping[str, Any] | None, *arms: str) -> None:
        """Edit a live object by hand, past Git; see `World.drift`."""
        self.call(self._world.drift, name, patch, *arms)

    def stop(self, *arms: str) -> None:
        """Take the deployers of these arms, or of all, down."""
        self.call(self._world.stop, *arms)

    def start(self, *arms: str) -> None:
        """Bring the deployers of these arms, or of all, back."""
        self.call(self._world.start, *arms)

    def pause(self, *arms: str) -> None:
        """Pause the deployers of these arms, or of all."""
        self.call(self._world.pause, *arms)

    def resume(self, *arms: str) -> None:
        """Resume the deployers of these arms, or of all."""
        self.call(self._world.resume, *arms)

    def disconnect(self, *arms: str) -> None:
        """Cut the clusters of these arms, or of all, off from outside."""
        self.call(self._world.disconnect, *arms)

    def reconnect(self, *arms: str) -> None:
        """Let the clusters of these arms, or of all, be reached from outside again."""
        self.call(self._world.reconnect, *arms)

    def chapter(self, title: str) -> None:
        """Begin a chapter of a story; see `World.chapter`."""
        self.call(self._world.chapter, title)

    def step(self, arm: str) -> Text:
        """Have the deployer of an arm do its next bounded piece of work now; what it did."""
        return Text("\n".join(self._wait_for(self._world.step(arm))))

    def status(self) -> Text:
        """One line an arm: what is true of it now."""
        return self.call(self._world.status)

    def why(self, arm: str, name: str = "") -> Text:
        """What an arm's deployer did and why; see `World.why`."""
        return self.call(self._world.why, arm, name)

    def desired(self, arm: str = "") -> tuple[Manifest, ...]:
        """The objects that the newest revision asks for; see `World.desired`."""
        return self.call(self._world.desired, arm)

    # -- time ------------------------------------------------------------------------------------

    def run(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Let so much time pass, at the world's speed and pace.

        Raises:
            ExceptionGroup: something in the world went wrong, and it has ended.
        """
        span = seconds + 60 * minutes + 3600 * hours
        self._wait_for(self._pass(span / self.setup.pace / self.setup.speed))

    def settle(self, *, horizon: float | None = None, limit: float = 3600) -> bool:
        """Let time pass until nothing has happened for a while; see `VirtualWorld.settle`."""
        if horizon is not None:
            horizon /= self.setup.pace
        return settled(self._world, self.run, horizon=horizon, limit=limit)

    # -- how it is done --------------------------------------------------------------------------

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry a call out on the world's event loop."""

        async def carry_out() -> T:
            return function(*args, **kwargs)

        return self._wait_for(carry_out())

    @property
    def _world(self) -> LiveWorld:
        if self.world is None:
            raise UsageError("this world has not begun", fix="use it in a `with` statement")
        return self.world

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _begin(self) -> None:
        folder = Path(self._directory.name)
        world = LiveWorld(folder, self.setup, name=self.name, progress=self._progress)
        world.remember_all()
        await world.open()
        self.world = world
        await world.offer(*self._images)
        await world.set_up()
        self.clock, self.journal = world.clock, world.journal
        self.repository = world.open_repository()
        self.arms = {name: LiveSandboxArm(arm, self) for name, arm in world.arms.items()}
        self._running = asyncio.ensure_future(world.run())

    async def _pass(self, seconds: float) -> None:
        """Wait for so many seconds on the wall, as long as the world goes on."""
        assert self._running is not None
        await asyncio.wait([self._running], timeout=seconds)
        if self._running.done():
            self._running.result()  # raises what went wrong

    async def _end(self) -> None:
        if self.world is None:
            return
        try:
            if self._running is not None:
                self._running.cancel()
                await asyncio.wait([self._running])
            await self.world.shut_down()
        finally:
            if self.setup.backend != "simulated":
                self._progress("removing what was made")
            await self.world.backend.remove()


class LiveSandboxArm:
    """One arm of a live world, for a program in another thread."""

    def __init__(self, arm: Arm, sandbox: LiveSandbox) -> None:
        self.name, self.policy, self.journal = arm.name, arm.policy, arm.journal
        self._arm, self._sandbox = arm, sandbox
        self.kubectl = cast(AdminConnection, _OnLoop(arm.kubectl, sandbox))

    @property
    def deployer(self) -> Any:
        """The deployer, for reading its attributes."""
        return self._arm.deployer

    def get(self, name: str | ObjectKey) -> Object | None:
        """A live object, named like `Deployment/web`; None if absent."""
        return self._sandbox.call(self._arm.get, name)

    def key(self, name: str | ObjectKey) -> ObjectKey:
        """The key of an object that is named like `Deployment/web`."""
        return self._sandbox.call(self._arm.key, name)

    def stop(self) -> None:
        """Take the deployer down."""
        self._sandbox.stop(self.name)

    def start(self) -> None:
        """Bring the deployer back."""
        self._sandbox.start(self.name)


class _OnLoop:
    """A connection whose every method is carried out on the world's event loop."""

    def __init__(self, connection: AdminConnection, sandbox: LiveSandbox) -> None:
        self._connection, self._sandbox = connection, sandbox

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._sandbox.call(found, *args, **kwargs)


def _patiently(wait_for: Callable[[], object]) -> None:
    """Wait for something to end, however often a person interrupts."""
    while True:
        try:
            wait_for()
            return
        except (KeyboardInterrupt, SystemExit):
            continue
