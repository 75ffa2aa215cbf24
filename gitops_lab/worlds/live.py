"""The live world: the clock on the wall, clusters behind HTTPS, and a Git server for people.

People come in from outside, with kubectl and git. The deployers are outside, too: each reaches its
cluster over HTTPS, with its own credentials and no more rights than those, by the adapter that
serves real clusters.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import SystemRandom
from typing import Any

from gitops_lab.cluster.commands import Progress
from gitops_lab.cluster.images import Image
from gitops_lab.deployers.deployer import GitAccess
from gitops_lab.deployers.policy import Policy
from gitops_lab.errors import ForgeError, UsageError
from gitops_lab.forge import Forge, ForgeGit, PushEvent, Repository
from gitops_lab.forge.upkeep import remove_left_over
from gitops_lab.model import ObjectKey, Revision
from gitops_lab.state import Setup
from gitops_lab.worlds.arm import Arm, ArmHost
from gitops_lab.worlds.arms import BRANCH, ArmDescription, described
from gitops_lab.worlds.backends import backend
from gitops_lab.worlds.cluster import OBSERVER, OwnedCluster
from gitops_lab.worlds.forge_server import ForgeServer
from gitops_lab.worlds.hosts import Worker
from gitops_lab.worlds.journal_file import JournalFile
from gitops_lab.worlds.lateness import Lateness
from gitops_lab.worlds.lead import Lead
from gitops_lab.worlds.merging import merged
from gitops_lab.worlds.metrics import ArmMetrics
from gitops_lab.worlds.polling import PolledArm
from gitops_lab.worlds.remote import RemotePod
from gitops_lab.worlds.storage import Storage
from gitops_lab.worlds.world import REPOSITORY, World
from kubesim.auth.kubeconfig import write
from kubesim.clock import WallClock

POLL = 0.05
"""Time between two looks for pushes that came by `git push`, in seconds on the wall."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that takes no more."""

NOTE = 1.0
"""Time between two notes of how far the clock is ahead, in seconds on the wall."""


class LiveWorld(World):
    """A world on the clock on the wall. It has an event loop: call it from there.

    Args:
        folder: where it keeps what it must keep; it goes on with what an older process left there.
        setup: what it is made of.
        name: what it is called.
        progress: called with a line for each step while clusters are made.

    Raises:
        UsageError: an arm that does not exist, the same arm twice, a speed not above zero, or
            parts that do not go together.
        LabError: what is kept is damaged.
    """

    clock: WallClock

    def __init__(
        self,
        folder: Path,
        setup: Setup,
        *,
        name: str = "default",
        progress: Progress = lambda line: None,
    ) -> None:
        self._descriptions = described(setup.arms)
        self.folder, self.setup = folder, setup
        self._check()
        self.backend = backend(setup, folder, name, progress)
        self.notes: list[str] = []
        """What people should know of how this world came up, in sentences."""
        self.troubles: dict[str, str] = {}
        """What cannot be kept at present, and why, in sentences."""
        self._lead = Lead(folder / "lead", note=self.notes.append)
        self.clock = WallClock(speed=setup.speed, lead=self._lead.read(time.time()))
        self._path = folder / "git" / f"{REPOSITORY}.git"
        forge = Forge(self._path.parent, now=self.clock.now)
        repository = (forge.open if self._path.exists() else forge.create)(REPOSITORY, BRANCH)
        remove_left_over(repository.path, now=self.clock.wall())
        super().__init__(
            clock=self.clock,
            forge=forge,
            repository=repository,
            rights=setup.rights,
            seed=SystemRandom().getrandbits(64),
        )
        self._file = JournalFile(folder / "journal.jsonl", self.journal)
        self._pushed: dict[str, str] = {}
        """The newest commit of each branch that the arms were told of."""
        self._metrics: list[ArmMetrics] = []
        self._lateness = Lateness()
        self._owned: dict[str, OwnedCluster] = {}

    def _check(self) -> None:
        """See that the parts of the setup go together.

        Raises:
            UsageError: they do not.
        """
        setup = self.setup
        if setup.backend != "simulated" and setup.speed != 1:
            raise UsageError(
                f"real clusters do not run {setup.speed:g} times as fast", fix="leave --speed out"
            )
        if not 0 < setup.pace < float("inf"):
            raise UsageError(f"the pace {setup.pace:g} is impossible", fix="try 1, or 10")
        for each in self._descriptions:
            if setup.backend != "simulated" and each.deployer.only_simulated:
                raise UsageError(
                    f"the arm {each.name!r} runs on simulated clusters only",
                    fix=each.deployer.only_simulated,
                )
        deaf = [
            each.name
            for each in self._descriptions
            if each.policy.on_event and each.deployer.credentials.inside
        ]
        if setup.backend != "simulated" and setup.agent == "inside" and deaf:
            raise UsageError(
                f"an agent inside a real cluster cannot be told that Git moved: {deaf[0]}",
                fix="leave that arm out, or run the agents here: --agent outside",
            )

    async def open(self) -> None:
        """See that the clusters are there; this may take a minute.

        Raises:
            LabError: they cannot be made. What was made is removed again.
        """
        await self.backend.open(
            [each.identity for each in self._descriptions if not each.cluster],
            [each.identity for each in self._descriptions if each.deployer.credentials.inside],
        )

    async def offer(self, *images: Image) -> None:
        """Have images on the nodes of every cluster, if they cannot pull them.

        Raises:
            LabError: they cannot be made.
        """
        own = [each.identity for each in self._descriptions if not each.cluster]
        await self.backend.offer(own, images)

    async def set_up(self, ports: Mapping[str, Any] | None = None) -> None:
        """Open the Git server, set every deployer to work, and write the learner's kubeconfig.

        The clusters are there (`open`).

        Args:
            ports: what `ports` was before, if anything listened before.
        """
        ports = ports or {}
        self.server = ForgeServer(
            self.forge,
            self.folder / "git-server",
            readers=[each.identity for each in self._descriptions],
            wall=self.clock.wall(),
            host=self.backend.host,
            bind=self.backend.bind,
            note=self.notes.append,
        )
        await self.server.start(ports.get("git", 0), ports.get("git_inside", 0))
        for each in self._descriptions:
            if not each.cluster:
                outside, inside = ports.get("clusters", {}).get(each.name, (0, 0))
                await self._start_cluster(each, (outside, inside))
        for each in self._descriptions:
            self._start_arm(each)
        kubeconfigs = (cluster.admin() for cluster in self._owned.values())
        write(merged(kubeconfigs), self.folder / "kubeconfig")
        self._pushed = self._file.read_pushes()
        self._deliver(self.clock.now())
        self._remind()
        self.clock.drive("lead", self._keep_lead)
        self.clock.drive("forge", self._deliver)
        self.clock.after_each.append(lambda _: self.look())

    def remember_all(self) -> None:
        """Keep the whole journal in memory: for a world that does not run for days."""
        self._file.remembered = sys.maxsize

    async def run(self) -> None:
        """Let time pass until this is cancelled."""
        await self.clock.run()

    async def shut_down(self) -> None:
        """End every connection, and every wait for one."""
        await self.server.stop()
        for cluster in self._owned.values():
            await cluster.stop()
        self._write()

    async def step(self, arm: str) -> list[str]:
        """Have the deployer of an arm do its next bounded piece of work now; what it did."""
        position, host = len(self.journal), self[arm].host
        assert isinstance(host, Worker | RemotePod)
        await host.step()
        entries = self.journal.since(position)
        return [str(entry) for entry in entries if entry.actor == arm] or ["nothing to do"]

    # -- what people look at ---------------------------------------------------------------------

    def description(self) -> dict[str, Any]:
        """Where everything is, as JSON values."""
        return {
            "speed": self.clock.speed,
            "rights": self.rights,
            "git": self.server.url(REPOSITORY),
            "git_folder": self.repository.url,
            "git_configuration": str(self.server.configuration),
            "clusters": {name: cluster.url for name, cluster in self._owned.items()},
            "kubeconfigs": {
                name: str(cluster.folder / "admin.kubeconfig")
                for name, cluster in self._owned.items()
            },
            "notes": self.notes,
        }

    @property
    def ports(self) -> dict[str, Any]:
        """Where everything listens, as JSON values: what `set_up` wants to know next time."""
        return {
            "git": self.server.port,
            "git_inside": self.server.inside_port,
            "clusters": {name: cluster.ports for name, cluster in self._owned.items()},
        }

    def state(self) -> dict[str, Any]:
        """What is true of every arm, as JSON values."""
        self.look()
        return {
            **self.description(),
            "now": self.clock.now(),
            "troubles": [*self.troubles.values(), *self._failures()],
            "arms": [arm.state() for arm in self.arms.values()],
        }

    def look(self) -> None:
        """Have every arm's watcher look, and keep what is new."""
        super().look()
        for metrics in self._metrics:
            metrics.look()
        self._write()

    def _failures(self) -> Iterator[str]:
        """What a controller or a deployer fails at again and again, in sentences."""
        for name, why in self.clock.troubles.items():
            yield f"{name} fails and is tried again: {why}"
        for name, cluster in self._owned.items():
            yield from (f"{name}: {each}" for each in cluster.troubles)

    # -- what goes on by itself ------------------------------------------------------------------

    def pushed(self, event: PushEvent) -> None:
        """Tell every arm that follows it that a branch moved, unless it was told already.

        The event comes again if the process was killed before it could confirm it.
        """
        if self._pushed.get(event.branch) != event.after[:7]:
            self._pushed[event.branch] = event.after[:7]
            super().pushed(event)
            self._write()

    def _deliver(self, now: float) -> float:
        """Look for pushes."""
        try:
            with self._tolerant("what was pushed"):
                self.deliver()
        except ForgeError as error:
            self.journal.record("forge", "missed", "", str(error))
        late = self._lateness.note((self.clock.now() - now) / self.clock.speed, self.clock.wall())
        self.troubles.pop("pace", None)
        if late:
            self.troubles["pace"] = late
        return now + POLL * self.clock.speed

    def _remind(self) -> None:
        """Tell the arms of commits that they may not have heard of, or not finished.

        A process that ends loses what its deployers had been told, and a push that is under way
        then may be stored without its hook being run.
        """
        for branch in self.repository.branches:
            tip = self.repository.tip(branch)
            self.pushed(PushEvent("", REPOSITORY, branch, tip, tip))
        for arm in self.arms.values():
            branch = arm.description.branch
            tip = self.repository.tip(branch)
            is_new = arm.deployer.applied != str(Revision(branch, tip))
            if tip and is_new and not arm.host.has_news:
                arm.host.notify(Revision(branch, tip))

    def _keep_lead(self, now: float) -> float:
        """Keep the lead that the clock will have when this is called again, and then some."""
        with self._tolerant("the sandbox's time"):
            later = 3 * NOTE * self.clock.speed
            self._lead.write(self.clock.lead(3 * NOTE), self.clock.now() + later)
        return now + NOTE * self.clock.speed

    def _write(self) -> None:
        with self._tolerant("the journal"):
            self._file.write()

    @contextmanager
    def _tolerant(self, what: str) -> Iterator[None]:
        """Go on where a full disk refuses something; `troubles` says so while it does."""
        try:
            yield
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.troubles[what] = f"{what} cannot be kept: {error.strerror}; free some space"
        else:
            self.troubles.pop(what, None)

    # -- how it is set up ------------------------------------------------------------------------

    async def _start_cluster(self, arm: ArmDescription, ports: tuple[int, int]) -> None:
        cluster = self.backend.cluster(
            arm.name,
            arm.identity,
            clock=self.clock,
            random=self.random(arm.name),
            note=self.notes.append,
        )
        await cluster.start(ports)
        self.clusters[arm.name] = self._owned[arm.name] = cluster
        write(cluster.admin(), cluster.folder / "admin.kubeconfig")
        if cluster.step is not None:
            task = self.clock.drive(f"{arm.name}/cluster", cluster.step)
            cluster.on_change(lambda key: self.clock.wake(task))

    def _start_arm(self, description: ArmDescription) -> None:
        name = description.name
        cluster = self._owned[description.cluster or name]
        self.clusters[name] = cluster
        metrics = ArmMetrics(self.journal, name, self.clock.now)
        cluster.metrics.append(metrics)
        self._metrics.append(metrics)
        kind = Arm if cluster.reports_changes else PolledArm
        in_pods = self.setup.agent == "inside"
        arm = self.arms[name] = kind(description, cluster, self, in_pods=in_pods)
        arm.set_up()
        if isinstance(arm, PolledArm):
            arm.poll(self.clock, pace=self.setup.pace)
        if self.repository.tip(description.branch):  # taken over from an older process
            arm.take_over()

    def host(self, arm: Arm) -> ArmHost:
        """What runs an arm's deployer: a pod of a real cluster, or a thread of this process."""
        identity, controllers = arm.description.identity, arm.needs.controllers

        def scale(replicas: int) -> None:
            for name in controllers:
                key = ObjectKey("apps", "Deployment", arm.needs.home, name)
                arm.kubectl.patch(key, {"spec": {"replicas": replicas}}, manager="gitops-lab")

        def pod() -> str:
            if len(controllers) > 1:
                return "several"  # the deployer asks for the pod of each itself
            return arm.cluster.pod_of(arm.needs.home, controllers[0])

        if arm.in_pods and not arm.cluster.reports_changes:
            cluster = arm.cluster.connect(OBSERVER)
            return RemotePod(
                identity, arm.policy, cluster=cluster, scale=scale, journal=arm.journal
            )
        make, clock, journal = arm.make_deployer, self.clock, arm.journal
        if not arm.in_pods:
            return Worker(arm.name, make, clock=clock, journal=journal)
        return Worker(arm.name, make, clock=clock, journal=journal, pod=pod, scale=scale)

    def open_repository(self) -> Repository:
        """The repository, read independently of anything else that reads it."""
        return self._open(REPOSITORY)

    def open_git(self) -> ForgeGit:
        """Every repository by its URL, read independently of anything else that reads them."""
        hosts = {f"{host}:{self.server.port}" for host in ("127.0.0.1", "localhost")}
        hosts.add(f"{self.server.host}:{self.server.inside_port}")
        url = self.server.url(REPOSITORY, account="", inside=True)
        return ForgeGit(url, repository=self._open, hosts=[*hosts])

    def git_access(self, account: str) -> GitAccess:
        """How a pod in a cluster reads the repository."""
        return GitAccess(
            url=self.server.url(REPOSITORY, account=account, inside=True),
            username=account,
            token=self.server.tokens[account],
            authority=self.server.authority.ca_pem,
        )

    def storage(self, arm: Arm) -> Storage:
        """What an arm's deployer keeps outside its cluster, in a file."""
        return Storage(self.folder_of(arm) / "ci.json")

    def adapted(self, policy: Policy) -> Policy:
        """A policy at this world's pace; fetching takes the time that it takes."""
        return replace(policy.faster(self.setup.pace), fetch=0.0)

    def folder_of(self, arm: Arm, served: str = "") -> Path:
        """Where the credentials of an arm's deployer are kept, and what it keeps."""
        owner = served or arm.description.cluster
        folder = self._owned[owner or arm.name].folder
        if owner:
            folder = folder / arm.description.identity
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _open(self, name: str) -> Repository:
        path = self._path.with_name(f"{name}.git")
        if not path.exists():
            raise ForgeError(f"there is no repository {name!r}")
        return Repository(path, now=self.clock.now, branch=BRANCH)
