"""The live world: the sandbox on the wall's clock, its clusters behind HTTPS, its repository open.

It is wired like `gitops_lab.sandbox`, with two differences. People come in from outside, with
kubectl and git. And the deployers are outside, too: each reaches its cluster over HTTPS, with its
own credentials and no more rights than those, by the adapter that serves real clusters.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from gitops_lab.apiserver.auth import Authenticator, Authority, Authorizer, Tokens
from gitops_lab.apiserver.auth.grants import deployer_rights
from gitops_lab.apiserver.auth.kubeconfig import kubeconfig, write
from gitops_lab.apiserver.auth.roles import bootstrap_rbac
from gitops_lab.apiserver.auth.users import split_account
from gitops_lab.apiserver.http.server import Server
from gitops_lab.clock import WallClock
from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.deployers.deployer import Deployer
from gitops_lab.errors import ForgeError, UsageError
from gitops_lab.forge import Forge, GitSource, Repository
from gitops_lab.journal import Journal
from gitops_lab.model import Object, ObjectKey, Revision
from gitops_lab.observer import Observer
from gitops_lab.sandbox import BRANCH, LEARNER, OBSERVER, ArmDescription, described, status_line

POLL = 0.2
"""Time between two looks for pushes that came by `git push`, in seconds on the wall."""

TOKEN_SECONDS = 365 * 86_400
"""How long an agent's token is good. In a real cluster the kubelet renews it every hour."""


class LiveCluster:
    """A simulated cluster behind HTTPS on loopback, at two addresses.

    The one outside may be cut off (`simulated.reachable`); the one inside always answers.

    Args:
        name: what people call it.
        folder: where its kubeconfigs go.
        clock: tells it the time.
        random: draws what a cluster draws.
    """

    def __init__(self, name: str, folder: Path, *, clock: WallClock, random: Random) -> None:
        self.name, self.folder, self.clock = name, folder, clock
        self.authority = Authority.create(now=clock.now())
        self.simulated = SimulatedCluster(
            name, clock=clock, random=random, certificate=self.authority.ca_pem
        )
        api = self.simulated.api
        bootstrap_rbac(api)
        self.tokens = Tokens(self.authority.token_key, api.store, rng=random)
        authenticator, authorizer = Authenticator(self.tokens), Authorizer(api.store)
        self._outside, self._inside = (
            Server(
                api,
                authority=self.authority,
                authenticator=authenticator,
                authorizer=authorizer,
                now=clock.now,
                reachable=reachable,
            )
            for reachable in (lambda: self.simulated.reachable, lambda: True)
        )
        self.url = self.inside_url = ""

    async def start(self) -> None:
        """Begin to listen, on ports that are free: one for those outside, one for those inside."""
        self.folder.mkdir(mode=0o700, parents=True)
        self.url = f"https://127.0.0.1:{await self._outside.start()}"
        self.inside_url = f"https://127.0.0.1:{await self._inside.start()}"

    async def stop(self) -> None:
        """End every connection."""
        await self._outside.stop()
        await self._inside.stop()

    def admin(self) -> Object:
        """A kubeconfig whose holder may do everything."""
        certificate = self.authority.issue_client("admin", ("system:masters",))
        return kubeconfig(
            self.url,
            self.authority.ca_pem,
            certificate=certificate,
            cluster=self.name,
            user=f"{self.name}-admin",
        )

    def deployers(self, deployer: type[Deployer]) -> Object:
        """A kubeconfig for a kind of deployer: a certificate for a pipeline, a token for an agent.

        Args:
            deployer: which kind; its prerequisites exist already.
        """
        user = deployer.credentials.user
        url = self.inside_url if deployer.credentials.inside else self.url
        account = split_account(user)
        if account is None:
            proof: dict[str, Any] = {"certificate": self.authority.issue_client(user)}
        else:
            now = self.clock.now()
            proof = {"token": self.tokens.issue(*account, now=now, seconds=TOKEN_SECONDS)}
        return kubeconfig(url, self.authority.ca_pem, cluster=self.name, user=user, **proof)


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
        )
        self._cluster_task = world.clock.drive(f"{self.name}/cluster", self.cluster.simulated.step)
        self._told: deque[Revision] = deque()
        self._by_hand: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Open the cluster, and set the deployer to work."""
        await self.cluster.start()
        description, simulated = self.description, self.cluster.simulated
        installer = simulated.connect(LEARNER)
        for obj in (*description.deployer.prerequisites, *rights(description)):
            installer.apply(obj, manager="installer")
        path = self.cluster.folder / "deployer.kubeconfig"
        write(self.cluster.deployers(description.deployer), path)
        cache = self.cluster.folder / "discovery.json"
        self._connection = KubeconfigCluster(self.name, path, cache=cache)
        self.deployer = description.deployer(
            in_cluster(description),
            # A repository of its own: it is read in the deployer's thread.
            source=GitSource(self.world.open_repository(), branch=BRANCH),
            cluster=self._connection,
            policy=description.policy,
            journal=self.journal,
            random=self.world.random(f"{self.name}/deployer"),
        )
        self.observer = Observer(
            self.deployer,
            GitSource(self.world.repository, branch=BRANCH),
            simulated.connect(OBSERVER),
            self.journal,
        )
        if self.world.repository.tip():  # taken over from an older world
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
            "applied": self.deployer.applied,
            "line": status_line(self.name, seen) + (" [paused]" if self.paused else ""),
            **(asdict(seen) if seen is not None else {}),
        }

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


class LiveWorld:
    """A sandbox on the wall's clock: one repository, and one cluster for each arm.

    Args:
        folder: where it keeps what it must keep; an older world's repository is taken over.
        arms: names of standard arms.
        speed: how many seconds pass in it while one passes on the wall.

    Raises:
        UsageError: an arm that does not exist, the same arm twice, or a speed not above zero.
    """

    def __init__(self, folder: Path, arms: Sequence[str], *, speed: float = 1.0) -> None:
        chosen = described(arms)
        self.folder = folder
        self.clock = WallClock(speed=speed)
        self.journal = Journal(self.clock)
        self._seed = SystemRandom().getrandbits(64)
        self._written = 0
        forge = Forge(folder / "git", now=self.clock.now)
        self._path = forge.root / "app.git"
        self.repository = (
            self.open_repository() if self._path.exists() else forge.create("app", branch=BRANCH)
        )
        self.arms = {each.name: LiveArm(each, self) for each in chosen}

    def random(self, name: str) -> Random:
        """A source of draws of its own for each part."""
        return Random(f"{self._seed}/{name}")

    def open_repository(self) -> Repository:
        """The repository, read independently of anybody else who reads it."""
        return Repository(self._path, now=self.clock.now, branch=BRANCH)

    def __getitem__(self, arm: str) -> LiveArm:
        if arm not in self.arms:
            raise UsageError(f"there is no arm {arm!r}", fix=f"choose from {', '.join(self.arms)}")
        return self.arms[arm]

    async def start(self) -> None:
        """Open every cluster, and write the learner's kubeconfigs."""
        for arm in self.arms.values():
            await arm.start()
        configs = {arm.name: arm.cluster.admin() for arm in self.arms.values()}
        for name, config in configs.items():
            write(config, self.folder / "clusters" / name / "kubeconfig")
        write(merged(configs.values()), self.folder / "kubeconfig")
        self.clock.drive("forge", self._deliver)
        self.clock.after_each.append(self._look)

    async def run(self) -> None:
        """Let time pass until this is cancelled."""
        await self.clock.run()

    async def stop(self) -> None:
        """End every connection, and every wait for one."""
        for arm in self.arms.values():
            await arm.stop()
        self._write()

    # -- what people ask of it ------------------------------------------------------------------

    def description(self) -> dict[str, Any]:
        """Where everything is, as JSON values."""
        return {
            "speed": self.clock.speed,
            "git": self.repository.url,
            "clusters": {arm.name: arm.cluster.url for arm in self.arms.values()},
        }

    def status(self) -> dict[str, Any]:
        """What is true of every arm, as JSON values."""
        self._look()
        return {**self.description(), "arms": [arm.status() for arm in self.arms.values()]}

    def pause(self, *arms: str) -> None:
        """Pause the deployers of these arms, or of all."""
        for arm in [self[name] for name in arms or self.arms]:
            arm.pause()

    def resume(self, *arms: str) -> None:
        """Resume the deployers of these arms, or of all."""
        for arm in [self[name] for name in arms or self.arms]:
            arm.resume()

    async def step(self, arm: str) -> list[str]:
        """Step one deployer by hand; what it did, line by line."""
        return await self[arm].step()

    # -- what goes on by itself -----------------------------------------------------------------

    def _deliver(self, now: float) -> float:
        """Drain the hook's spool: each push reaches every arm once."""
        try:
            for event in self.repository.spool.drain():
                self.journal.record(
                    "forge", "pushed", event.after[:7], branch=event.branch, forced=event.forced
                )
                if event.branch != BRANCH or event.deleted:
                    continue
                for arm in self.arms.values():
                    arm.observer.moved()
                    arm.notify(Revision(event.branch, event.after))
        except ForgeError as error:
            self.journal.record("forge", "missed", "", str(error))
        return now + POLL * self.clock.speed

    def _look(self, _: float = 0) -> None:
        for arm in self.arms.values():
            arm.look()
        self._write()

    def _write(self) -> None:
        """Append to the journal's file what is new."""
        entries = self.journal.since(self._written)
        if entries:
            self._written += len(entries)
            with (self.folder / "journal.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(entry.to_json() + "\n" for entry in entries)


def merged(configs: Iterable[Object]) -> Object:
    """One kubeconfig with the contexts of several; the first one's is the current one."""
    first, *others = configs
    lists = ("clusters", "users", "contexts")
    return {**first, **{part: [e for c in (first, *others) for e in c[part]] for part in lists}}


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
