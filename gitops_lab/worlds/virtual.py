"""The virtual world: simulated time, and clusters in this process."""

from __future__ import annotations

import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Self

from gitops_lab.cluster.simulated import SimulatedCluster, SimulatedConnection
from gitops_lab.deployers.deployer import RIGHTS, GitAccess
from gitops_lab.forge import Forge, ForgeGit, Repository
from gitops_lab.ports import CommitState, Credentials, Statuses
from gitops_lab.worlds.arm import Arm
from gitops_lab.worlds.arms import BRANCH, ArmDescription, described
from gitops_lab.worlds.hosts import InProcess
from gitops_lab.worlds.settling import settled
from gitops_lab.worlds.world import REPOSITORY, Text, World
from kubesim.clock import SimClock
from kubesim.controllers.images import Catalogue

URL = f"https://git.gitops-lab.example/{REPOSITORY}.git"
"""The repository's address in a world without network."""

TWO = ("push-on-commit", "pull+self-heal")
"""The arms that are told apart at a glance."""


class Unkept:
    """Commit statuses of a large fleet: each would be a commit of its own."""

    def set(
        self, commit: str, context: str, state: CommitState, description: str = "", url: str = ""
    ) -> None:
        """Keep nothing."""


class VirtualCluster(SimulatedCluster):
    """The cluster of an arm in virtual time."""

    reports_changes, home, url = True, "", ""

    def deployer_connection(self, holder: Credentials, folder: Path | None) -> SimulatedConnection:
        """A connection with a deployer's own credentials."""
        return self.connect(holder)

    def user(self, holder: Credentials) -> str:
        """As whom the cluster knows the holder."""
        return holder.user

    def pod_of(self, namespace: str, controller: str) -> str:
        """Deployers have no pods in virtual time."""
        return ""

    def is_reachable(self) -> bool:
        """Whether it can be reached from outside."""
        return self.reachable

    def disconnect(self) -> None:
        """Cut it off from everything outside; what is inside still reaches it."""
        self.reachable = False

    def reconnect(self) -> None:
        """Let it be reached from outside again."""
        self.reachable = True


class VirtualWorld(World):
    """A world in virtual time: one repository, and one cluster for each arm.

    Args:
        arms: names of standard arms (see `ARMS`), or descriptions of your own.
        seed: every draw in this world follows from it.
        images: how container images behave; the default catalogue if None.
        observe: journal the truth about every arm after each change; a large fleet may do without.
        rights: what the deployers may do in their clusters, one of `RIGHTS`.

    Raises:
        UsageError: an arm that does not exist, or the same arm twice, or no such rights.
    """

    clock: SimClock

    def __init__(
        self,
        *arms: str | ArmDescription,
        seed: int = 0,
        images: Catalogue | None = None,
        observe: bool = True,
        rights: str = RIGHTS[0],
    ) -> None:
        chosen = described(arms or TWO)
        self.clock, self.images, self.observe = SimClock(), images, observe
        self._directory = tempfile.TemporaryDirectory(prefix="gitops-lab-")
        try:
            forge = Forge(Path(self._directory.name), now=self.clock.now)
            repository = forge.create(REPOSITORY, branch=BRANCH)
            super().__init__(
                clock=self.clock, forge=forge, repository=repository, rights=rights, seed=seed
            )
            self.git = ForgeGit(URL, repository=self._open)
            for each in chosen:
                if not each.cluster:
                    self.clusters[each.name] = self._cluster(each.name)
            for each in chosen:
                cluster = self.clusters.setdefault(
                    each.name, self.clusters[each.cluster or each.name]
                )
                self.arms[each.name] = arm = Arm(each, cluster, self, in_pods=False)
                arm.watches = observe
            for arm in self.arms.values():
                arm.set_up()
        except BaseException:
            self._directory.cleanup()
            raise
        self.clock.after_each.append(lambda _: self.look())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove everything this world has put on disk."""
        self.forge.close()
        self._directory.cleanup()

    # -- time ------------------------------------------------------------------------------------

    def run(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Let virtual time pass."""
        self.deliver()
        self.clock.run(seconds=seconds, minutes=minutes, hours=hours)

    def settle(self, *, horizon: float | None = None, limit: float = 3600) -> bool:
        """Let time pass until nothing has happened for a while; whether it came to that.

        Args:
            horizon: for how long nothing may have happened, in seconds; if None, a little longer
                than the longest interval of a deployer.
            limit: give up after so many seconds.
        """
        self.deliver()
        return settled(self, self.clock.run, horizon=horizon, limit=limit)

    def step(self, arm: str) -> Text:
        """Have the deployer of an arm do its next bounded piece of work now; what it did.

        If it looks at Git at intervals, it does not wait for the end of this one.
        """
        host, position, now = self[arm].host, len(self.journal), self.clock.now()
        assert isinstance(host, InProcess)
        again = host.step()
        lines = [str(entry) for entry in self.journal.since(position)] or ["nothing to do"]
        if again is not None and again != float("inf"):
            lines.append(f"wants to be called again in {max(again - now, 0):.0f} s")
        return Text("\n".join(lines))

    # -- what arms ask of their world ------------------------------------------------------------

    def host(self, arm: Arm) -> InProcess:
        """What runs an arm's deployer: the clock, in this thread."""
        return InProcess(arm.name, arm.make_deployer, clock=self.clock, journal=arm.journal)

    def open_repository(self) -> Repository:
        """The repository: there is one reader."""
        return self.repository

    def open_git(self) -> ForgeGit:
        """Every repository by its URL."""
        return self.git

    def statuses(self, repository: Repository) -> Statuses:
        """Where a deployer reports: the forge, unless this world is not observed."""
        return repository.statuses if self.observe else Unkept()

    def git_access(self, account: str) -> GitAccess:
        """There is no network, and no check of who reads."""
        return GitAccess(url=URL)

    def storage(self, arm: Arm) -> MutableMapping[str, str]:
        """What an arm's deployer keeps outside its cluster: in memory."""
        return {}

    def _open(self, name: str) -> Repository:
        return self.forge.repositories.get(name) or self.forge.open(name)

    def _cluster(self, name: str) -> VirtualCluster:
        cluster = VirtualCluster(
            name, clock=self.clock, random=self.random(name), images=self.images
        )
        task = self.clock.drive(f"{name}/cluster", cluster.step)
        cluster.on_change(lambda key: self.clock.wake(task))
        return cluster
