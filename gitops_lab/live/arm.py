"""One arm of the live world: a cluster behind HTTPS, and a deployer that comes from outside."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from gitops_lab.apiserver.auth.grants import deployer_rights
from gitops_lab.apiserver.auth.kubeconfig import write
from gitops_lab.apiserver.auth.users import split_account
from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.forge import GitSource
from gitops_lab.live.cluster import LiveCluster
from gitops_lab.live.storage import Storage
from gitops_lab.model import Object, ObjectKey, Revision
from gitops_lab.observer import Observer
from gitops_lab.sandbox import BRANCH, LEARNER, OBSERVER, ArmDescription, status_line

if TYPE_CHECKING:
    from gitops_lab.live.world import LiveWorld


class LiveArm:
    """One live cluster and the deployer that serves it.

    Args:
        description: which deployer, and its policy.
        world: the sandbox that it is a part of.
    """

    def __init__(self, description: ArmDescription, world: LiveWorld) -> None:
        self.name, self.description, self.world = description.name, description, world
        self.journal = world.journal.by(self.name)
        self.paused = False
        self.cluster = LiveCluster(
            self.name,
            world.folder / "clusters" / self.name,
            clock=world.clock,
            random=world.random(self.name),
            tell=world.notes.append,
        )
        self._cluster_task = world.clock.drive(f"{self.name}/cluster", self.cluster.simulated.step)
        self._told: deque[Revision] = deque()
        self._by_hand: asyncio.Future[None] | None = None

    async def start(self, ports: tuple[int, int] = (0, 0)) -> None:
        """Open the cluster, and set the deployer to work.

        Args:
            ports: where the cluster listened before, if it did.
        """
        await self.cluster.start(ports)
        description, simulated = self.description, self.cluster.simulated
        installer = simulated.connect(LEARNER)
        for obj in (*description.deployer.prerequisites, *rights(description)):
            installer.apply(obj, manager="installer")
        folder = self.cluster.folder
        write(self.cluster.admin(), folder / "kubeconfig")
        path, cache = folder / "deployer.kubeconfig", folder / "discovery.json"
        write(self.cluster.credentials(description.deployer.credentials), path)
        cache.unlink(missing_ok=True)  # an older process's
        self._connection = KubeconfigCluster(self.name, path, cache=cache)
        self.deployer = description.deployer(
            in_cluster(description),
            # A repository of its own: it is read in the deployer's thread.
            source=GitSource(self.world.open_repository(), branch=BRANCH),
            cluster=self._connection,
            # Fetching takes the time that it takes.
            policy=replace(description.policy, fetch=0.0),
            journal=self.journal,
            random=self.world.random(f"{self.name}/deployer"),
        )
        self.deployer.storage = Storage(folder / "ci.json")
        self.deployer.applied = self.deployer.storage.get("revision", "")
        self.observer = Observer(
            self.deployer,
            GitSource(self.world.repository, branch=BRANCH),
            simulated.connect(OBSERVER),
            self.journal,
        )
        if self.world.repository.tip():  # taken over from an older process
            self.observer.moved()
        simulated.on_change(self._changed)
        self._task = self.world.clock.drive(f"{self.name}/deployer", self._step, apart=True)

    async def stop(self) -> None:
        """End every connection, the deployer's as well."""
        self._connection.close()
        await self.cluster.stop()

    async def step(self) -> list[str]:
        """Have the deployer do its next bounded piece of work now, and tell what it did.

        If it looks at Git at intervals, it does not wait for the end of this one.
        """
        position = len(self.world.journal)
        asked = self._by_hand = self._by_hand or asyncio.get_running_loop().create_future()
        self.world.clock.wake(self._task)
        await asked
        entries = self.world.journal.since(position)
        return [str(entry) for entry in entries if entry.actor == self.name] or ["nothing to do"]

    def notify(self, revision: Revision) -> None:
        """Tell the deployer that the branch moved; while it is paused, the word waits for it."""
        self._told.append(revision)
        if self.deployer.policy.on_event:
            self.world.clock.wake(self._task)

    @property
    def was_told(self) -> bool:
        """Whether there is word for the deployer that it has not heard yet."""
        return bool(self._told)

    def pause(self) -> None:
        """Have the deployer do nothing more, unless it is stepped by hand."""
        if not self.paused:
            self.paused = True
            self.journal.record("outage", "deployer", "paused")

    def resume(self) -> None:
        """Have the deployer go on."""
        if self.paused:
            self.paused = False
            self.journal.record("restored", "deployer", "resumed")
            self.world.clock.wake(self._task)

    def disconnect(self) -> None:
        """Cut the cluster off from everybody outside; who is inside still reaches it."""
        if self.cluster.simulated.reachable:
            self.cluster.simulated.reachable = False
            self.journal.record("outage", "cluster", "cannot be reached from outside")

    def reconnect(self) -> None:
        """Let those outside reach the cluster again."""
        if not self.cluster.simulated.reachable:
            self.cluster.simulated.reachable = True
            self.journal.record("restored", "cluster", "can be reached from outside again")

    def look(self) -> None:
        """Compare what is true with what should be, unless the deployer is at work just now."""
        if not self._task.running:
            self.observer.look()

    def status(self) -> dict[str, Any]:
        """What is true of this arm, as JSON values."""
        seen = self.observer.last
        return {
            "name": self.name,
            "server": self.cluster.url,
            "paused": self.paused,
            "reachable": self.cluster.simulated.reachable,
            "applied": self.deployer.applied,
            "line": " ".join((status_line(self.name, seen), *self._marks())),
            **(asdict(seen) if seen is not None else {}),
        }

    def _marks(self) -> Iterator[str]:
        if self.paused:
            yield "[paused]"
        if not self.cluster.simulated.reachable:
            yield "[cut off]"

    def _step(self, now: float) -> float | None:
        """Step the deployer, in its own thread; nothing else touches it while it steps."""
        by_hand = self._by_hand
        if self.paused and by_hand is None:
            return None
        while self._told:
            self.deployer.notify(self._told.popleft())
        if by_hand is not None and self.deployer.policy.interval is not None:
            self.deployer.next_look = min(self.deployer.next_look, now)
        again = self.deployer.step(now)
        if by_hand is not None:
            self._by_hand = None
            by_hand.get_loop().call_soon_threadsafe(by_hand.set_result, None)
        return None if self.paused else again

    def _changed(self, key: ObjectKey) -> None:
        self.world.clock.wake(self._cluster_task)
        self.observer.changed(key)


def rights(description: ArmDescription) -> tuple[Object, ...]:
    """The roles by which an arm's deployer may do its work, and no other.

    They hold in every namespace, for Git decides which namespaces there are. Roles it cannot write:
    a manifest with one is refused.
    """
    user = description.deployer.credentials.user
    account = split_account(user)
    return deployer_rights(
        user,
        name=in_cluster(description),
        namespaces=None,
        prunes=description.policy.prune,
        memory=account[0] if account else "",
        creates_namespaces=True,
    )


def in_cluster(description: ArmDescription) -> str:
    """The name of an arm's deployer in its cluster: what a label and a name may be."""
    return description.name.replace("+", "-")
