"""One arm of the live world: a cluster, its deployer wherever that runs, and who watches both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from random import Random
from typing import Any, Protocol

from gitops_lab.deployers.deployer import Context, Deployer, GitAccess, Needs
from gitops_lab.errors import LabError
from gitops_lab.forge import GitSource, Repository
from gitops_lab.journal import Journal
from gitops_lab.live.cluster import ArmCluster, LiveCluster
from gitops_lab.live.distant import Distant
from gitops_lab.live.git import LiveGit
from gitops_lab.live.local import Local
from gitops_lab.live.metrics import ArmMetrics
from gitops_lab.live.storage import Storage
from gitops_lab.model import Object, ObjectKey
from gitops_lab.observer import Observer
from gitops_lab.ports import Git, Statuses
from gitops_lab.sandbox import LEARNER, OBSERVER, ArmDescription, status_line
from gitops_lab.state import Setup
from kubesim.auth.kubeconfig import write
from kubesim.clock import WallClock

GLANCE, SHORTEST = 2.0, 0.5
"""Time between two looks at a cluster that tells nobody of its changes, in seconds on the wall: as
a rule, and where the pace is fast at least."""


class World(Protocol):
    """What an arm needs of the sandbox that it is a part of."""

    setup: Setup
    clock: WallClock
    journal: Journal
    repository: Repository
    git: LiveGit

    def open_repository(self) -> Repository:
        """The repository, read independently of anybody else who reads it."""

    @property
    def statuses(self) -> Statuses:
        """Where deployers report what became of a commit."""

    def open_git(self) -> Git:
        """Every repository by its URL, read independently of anything else that reads them."""

    def random(self, name: str) -> Random:
        """A source of draws of its own for each part."""


class LiveArm:
    """One live cluster and the deployer that serves it.

    Args:
        description: which deployer, and its policy.
        cluster: where it deploys to.
        inside: whether an agent runs in a pod of its cluster.
        world: the sandbox that it is a part of.
    """

    def __init__(
        self, description: ArmDescription, cluster: ArmCluster, world: World, *, inside: bool
    ) -> None:
        self.name, self.cluster, self.world = description.name, cluster, world
        # Fetching takes the time that it takes.
        policy = description.policy.faster(world.setup.pace)
        self.policy = replace(policy, fetch=0.0, namespace=cluster.home or policy.namespace)
        self.description, self.journal = description, world.journal.by(description.name)
        self.inside = inside and description.deployer.credentials.inside
        if isinstance(cluster, LiveCluster):
            step = cluster.simulated.step
            self._cluster_task = world.clock.drive(f"{self.name}/cluster", step)
            cluster.metrics = self._metrics = ArmMetrics(world.journal, self.name, world.clock.now)

    async def start(self, ports: tuple[int, int] = (0, 0)) -> None:
        """Open the cluster, and set the deployer to work.

        Args:
            ports: where the cluster listened before, if it did.
        """
        await self.cluster.start(ports)
        self.hand = self.cluster.connect(LEARNER)
        self.needs = self._needs()
        for obj in (*self.needs.objects, *(self.needs.workload if self.inside else ())):
            self.hand.apply(obj, manager="installer")
        write(self.cluster.admin(), self.cluster.folder / "admin.kubeconfig")
        self.host = self._host()
        self.observer = Observer(
            self.host.deployer,
            self._source(),
            self.cluster.connect(OBSERVER),
            self.journal,
        )
        if self.world.repository.tip():  # taken over from an older process
            self.observer.moved()
        self.cluster.on_change(self._changed)
        if not self.cluster.tells:
            self._observing = self.world.clock.drive(
                f"{self.name}/observer", self._glance, apart=True
            )

    async def stop(self) -> None:
        """End every connection, the deployer's as well."""
        await self.cluster.stop()

    @property
    def deployer(self) -> Any:
        """The deployer, or what one sees of it from here."""
        return self.host.deployer

    def get(self, key: ObjectKey) -> Object | None:
        """A live object as people see it; None if there is none."""
        return self.hand.get(key)

    async def step(self) -> list[str]:
        """Have the deployer do its next bounded piece of work now, and tell what it did."""
        position = len(self.world.journal)
        await self.host.step()
        entries = self.world.journal.since(position)
        return [str(entry) for entry in entries if entry.actor == self.name] or ["nothing to do"]

    def moved(self) -> None:
        """The branch moved, and so did what the observer compares with."""
        if self.cluster.tells:
            self.observer.moved()
        else:
            self._has_moved = True
            self.glance()

    def glance(self) -> None:
        """Look at the cluster now, even if it tells of its changes itself."""
        if self.cluster.tells:
            self.look()
        else:
            self.world.clock.wake(self._observing)

    def disconnect(self) -> None:
        """Cut the cluster off from everybody outside; who is inside still reaches it."""
        if self.cluster.is_reachable():
            self.cluster.disconnect()
            self.journal.record("outage", "cluster", "cannot be reached from outside")

    def reconnect(self) -> None:
        """Let those outside reach the cluster again."""
        if not self.cluster.is_reachable():
            self.cluster.reconnect()
            self.journal.record("restored", "cluster", "can be reached from outside again")

    def look(self) -> None:
        """Compare what is true with what should be, unless the deployer is at work just now."""
        if self.cluster.tells and not self.host.is_busy:
            self.observer.deployer = self.host.deployer
            self.observer.look()
        if self._metrics is not None:
            self._metrics.look()

    def status(self) -> dict[str, Any]:
        """What is true of this arm, as JSON values."""
        seen = self.observer.last
        return {
            "name": self.name,
            "server": self.cluster.url,
            "agent": "inside" if self.inside else "outside",
            "paused": self.host.paused,
            "reachable": self.cluster.is_reachable(),
            "applied": self.deployer.applied,
            "line": " ".join((status_line(self.name, seen), *self._marks())),
            **(asdict(seen) if seen is not None else {}),
        }

    # -- how it is done -------------------------------------------------------------------------

    def _host(self) -> Local | Distant:
        """Where the deployer runs."""
        if self.inside and not self.cluster.tells:
            return Distant(
                self.description.identity,
                self.policy,
                cluster=self.cluster.connect(OBSERVER),
                scale=self._scale,
                journal=self.journal,
            )
        path = self.cluster.folder / "deployer.kubeconfig"
        write(self.cluster.credentials(self.description.deployer.credentials), path)
        connection = self.cluster.for_deployer(path)
        storage = Storage(self.cluster.folder / "ci.json")

        def make() -> Deployer:
            # Repositories of its own: they are read in the deployer's thread.
            deployer = self.description.deployer(
                Context(
                    name=self.description.identity,
                    source=self._source(),
                    cluster=connection,
                    policy=self.policy,
                    journal=self.journal,
                    random=self.world.random(f"{self.name}/deployer"),
                    git=self.world.open_git(),
                    statuses=self.world.statuses,
                    connect=connection.impersonate,
                    storage=storage,
                    home=self.needs.home,
                    pod=self._pod if self.inside else lambda controller: "in-process",
                )
            )
            deployer.applied = storage.get("revision", "")
            return deployer

        name, clock, journal = self.name, self.world.clock, self.journal
        if not self.inside:
            return Local(name, make, clock=clock, journal=journal)
        return Local(name, make, clock=clock, journal=journal, pod=self._own_pod, scale=self._scale)

    def _needs(self) -> Needs:
        """What the deployer needs in its cluster."""
        name, git, kind = self.description.identity, self.world.git, self.description.deployer
        access = GitAccess(
            url=git.url(self.world.repository.name, account=name, inside=True),
            username=name,
            token=git.tokens[name],
            authority=git.authority.ca_pem,
        )
        description = replace(self.description, policy=self.policy)
        return kind.needs(
            description.site(
                self.cluster.user(kind.credentials),
                access,
                rights=self.world.setup.rights,
                namespace=self.cluster.home,
            )
        )

    def _source(self) -> GitSource:
        """What the arm deploys, from a repository that nothing else reads."""
        repository = self.world.open_repository()
        return GitSource(repository, self.description.branch, self.description.path)

    def _scale(self, replicas: int) -> None:
        """Have the Deployments of the deployer's controllers run so many pods each."""
        for name in self.needs.controllers:
            key = ObjectKey("apps", "Deployment", self.needs.home, name)
            self.hand.patch(key, {"spec": {"replicas": replicas}}, manager="gitops-lab")

    def _own_pod(self) -> str:
        """The uid of the deployer's pod, if it consists of one controller and the pod is ready.

        A deployer of several controllers runs on, and asks for the pod of each itself.
        """
        first, *more = self.needs.controllers
        return "several" if more else self._pod(first)

    def _pod(self, controller: str) -> str:
        """The uid of the ready pod of a controller; empty if it has none."""
        assert isinstance(self.cluster, LiveCluster)
        prefix = f"{controller}-"
        for pod in self.cluster.simulated.api.store.list("", "pods", self.needs.home):
            metadata = pod["metadata"]
            conditions = pod.get("status", {}).get("conditions") or ()
            owners = (owner["name"] for owner in metadata.get("ownerReferences") or ())
            if (
                any(name.startswith(prefix) and "-" not in name[len(prefix) :] for name in owners)
                and "deletionTimestamp" not in metadata
                and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
            ):
                uid: str = metadata["uid"]
                return uid
        return ""

    def _marks(self) -> Iterator[str]:
        if self.host.paused:
            yield "[paused]"
        if not self.cluster.is_reachable():
            yield "[cut off]"

    def _changed(self, key: ObjectKey) -> None:
        self.world.clock.wake(self._cluster_task)
        if self.inside and key.kind == "Pod" and key.namespace == self.needs.home:
            self.host.wake()
        if self.needs.hears_of(key):
            self.host.changed(key)
        self.observer.changed(key)

    _has_moved = False
    _unseen = ""
    _metrics: ArmMetrics | None = None

    def _glance(self, now: float) -> float:
        """Look at a cluster that tells nobody of its changes, in a thread of its own."""
        try:
            self._see()
            self._unseen = ""
        except LabError as error:  # a real cluster may be busy, or not be reached for a moment
            if str(error) != self._unseen:
                self._unseen = str(error)
                self.journal.record("unseen", "cluster", self._unseen)
        glance = max(SHORTEST, GLANCE / self.world.setup.pace)
        return now + glance * self.world.clock.speed

    def _see(self) -> None:
        """Look once, at all that may have changed."""
        if self._has_moved or self.observer.fault:
            self._has_moved = False
            self.observer.moved()
        if isinstance(self.host, Distant):
            self.host.look()
        self.observer.deployer = self.host.deployer
        self.observer.forget()
        self.observer.look()
