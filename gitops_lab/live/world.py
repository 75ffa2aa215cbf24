"""The live world: the sandbox on the wall's clock, its clusters behind HTTPS, its repository open.

It is wired like `gitops_lab.sandbox`, with two differences. People come in from outside, with
kubectl and git. And the deployers are outside, too: each reaches its cluster over HTTPS, with its
own credentials and no more rights than those, by the adapter that serves real clusters.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from gitops_lab.cluster.commands import Progress
from gitops_lab.cluster.images import Image
from gitops_lab.errors import ForgeError, UsageError
from gitops_lab.forge import Forge, ForgeGit, Repository
from gitops_lab.forge.spool import NOTHING
from gitops_lab.journal import Entry, Journal
from gitops_lab.live.arm import LiveArm
from gitops_lab.live.backends import backend
from gitops_lab.live.cluster import LiveCluster
from gitops_lab.live.git import LiveGit
from gitops_lab.model import Object, Revision
from gitops_lab.sandbox import BRANCH, ArmDescription, KeptStatuses, described
from gitops_lab.state import Setup
from kubesim.auth.kubeconfig import write
from kubesim.clock import WallClock
from kubesim.files import write_private

REPOSITORY = "app"
"""What the sandbox's repository is called."""

POLL = 0.05
"""Time between two looks for pushes that came by `git push`, in seconds on the wall."""

REMEMBERED = 1000
"""How many entries of the journal stay in memory once they are in its file."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that takes no more."""

NOTE = 1.0
"""Time between two notes of how far the clock is ahead, in seconds on the wall."""


class LiveWorld:
    """A sandbox on the wall's clock: one repository, and one cluster for each arm.

    Args:
        folder: where it keeps what it must keep; it goes on with what an older process left there.
        setup: what it is made of.
        name: what it is called.
        progress: is told what goes on while clusters are made.

    Raises:
        UsageError: an arm that does not exist, the same arm twice, a speed not above zero, or
            parts that do not go together.
        LabError: what is kept is damaged.
    """

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
        if setup.backend != "simulated" and setup.speed != 1:
            raise UsageError(
                f"real clusters do not run {setup.speed:g} times as fast", fix="leave --speed out"
            )
        if not 0 < setup.pace < float("inf"):
            raise UsageError(f"nothing waits 1/{setup.pace:g} of its time", fix="try 1, or 10")
        deaf = [
            each.name
            for each in self._descriptions
            if each.policy.on_event and each.deployer.credentials.inside
        ]
        if setup.backend != "simulated" and setup.agent == "inside" and deaf:
            raise UsageError(
                f"nobody can tell an agent inside a real cluster that Git moved: {deaf[0]}",
                fix="leave that arm out, or run the agents here: --agent outside",
            )
        self.backend = backend(setup, folder, name, progress)
        self.notes: list[str] = []
        """What people should know of how this world came up, in sentences."""
        self.troubles: dict[str, str] = {}
        """What cannot be kept at present, and why, in sentences."""
        self._lead = Lead(folder / "lead", tell=self.notes.append)
        self.clock = WallClock(speed=setup.speed, lead=self._lead.read())
        self.journal = Journal(self.clock)
        self._seed = SystemRandom().getrandbits(64)
        self._written = 0
        self._heard: dict[str, str] = {}  # the newest commit of each branch that was told of
        self._path = folder / "git" / f"{REPOSITORY}.git"
        self._forge = Forge(self._path.parent, now=self.clock.now)
        there = self._path.exists()
        self.repository = (self._forge.open if there else self._forge.create)(REPOSITORY, BRANCH)
        self.statuses = KeptStatuses()
        self.arms: dict[str, LiveArm] = {}

    def random(self, name: str) -> Random:
        """A source of draws of its own for each part."""
        return Random(f"{self._seed}/{name}")

    def open_repository(self) -> Repository:
        """The repository, read independently of anybody else who reads it."""
        return Repository(self._path, now=self.clock.now, branch=BRANCH)

    def open_git(self) -> ForgeGit:
        """Every repository by its URL, read independently of anything else that reads them."""
        hosts = {f"{host}:{self.git.port}" for host in ("127.0.0.1", "localhost")}
        hosts.add(f"{self.git.host}:{self.git.inside_port}")
        return ForgeGit(
            self.git.url(REPOSITORY, account="", inside=True),
            repository=lambda name: Repository(
                self._path.with_name(f"{name}.git"), now=self.clock.now, branch=BRANCH
            ),
            hosts=[*hosts],
        )

    def _open(self, name: str) -> Repository:
        path = self._path.with_name(f"{name}.git")
        if not path.exists():
            raise ForgeError(f"there is no repository {name!r}")
        return Repository(path, now=self.clock.now, branch=BRANCH)

    def __getitem__(self, arm: str) -> LiveArm:
        if arm not in self.arms:
            raise UsageError(f"there is no arm {arm!r}", fix=f"choose from {', '.join(self.arms)}")
        return self.arms[arm]

    async def open(self) -> None:
        """See that the clusters are there; this may take a minute.

        Raises:
            LabError: they cannot be made. What was made is removed again.
        """
        agents = [each for each in self._descriptions if each.deployer.credentials.inside]
        await self.backend.open(
            [each.identity for each in self._descriptions],
            [each.identity for each in agents],
        )

    async def offer(self, *images: Image) -> None:
        """Have images on the nodes of every cluster, if they cannot pull them.

        Raises:
            LabError: they cannot be made.
        """
        await self.backend.offer([each.identity for each in self._descriptions], images)

    async def start(self, ports: Mapping[str, Any] | None = None) -> None:
        """Open the Git server, set every deployer to work, and write the learner's kubeconfig.

        The clusters are there (`open`).

        Args:
            ports: what `ports` was before, if anything listened before.
        """
        ports = ports or {}
        self.git = LiveGit(
            self._forge,
            self.folder / "git-server",
            readers=[each.identity for each in self._descriptions],
            wall=self.clock.wall(),
            host=self.backend.host,
            bind=self.backend.bind,
            tell=self.notes.append,
        )
        await self.git.start(ports.get("git", 0), ports.get("git_inside", 0))
        self.arms = {each.name: self._arm(each) for each in self._descriptions}
        for arm in self.arms.values():
            outside, inside = ports.get("clusters", {}).get(arm.name, (0, 0))
            await arm.start((outside, inside))
        write(merged(arm.cluster.admin() for arm in self.arms.values()), self.folder / "kubeconfig")
        self._read_back()
        self._deliver(self.clock.now())
        self._remind()
        self.clock.drive("lead", self._keep_lead)
        self.clock.drive("forge", self._deliver)
        self.clock.after_each.append(self._look)

    async def run(self) -> None:
        """Let time pass until this is cancelled."""
        await self.clock.run()

    async def stop(self) -> None:
        """End every connection, and every wait for one."""
        await self.git.stop()
        for arm in self.arms.values():
            await arm.stop()
        self._write()

    # -- what people ask of it ------------------------------------------------------------------

    def description(self) -> dict[str, Any]:
        """Where everything is, as JSON values."""
        return {
            "speed": self.clock.speed,
            "git": self.git.url(REPOSITORY),
            "git_folder": self.repository.url,
            "git_configuration": str(self.git.configuration),
            "clusters": {arm.name: arm.cluster.url for arm in self.arms.values()},
            "kubeconfigs": {
                arm.name: str(arm.cluster.folder / "admin.kubeconfig") for arm in self.arms.values()
            },
            "notes": self.notes,
        }

    @property
    def ports(self) -> dict[str, Any]:
        """Where everything listens, as JSON values: what `start` wants to know next time."""
        clusters = {arm.name: arm.cluster.ports for arm in self.arms.values()}
        return {
            "git": self.git.port,
            "git_inside": self.git.inside_port,
            "clusters": clusters,
        }

    def _arm(self, description: ArmDescription) -> LiveArm:
        cluster = self.backend.cluster(
            description.name,
            description.identity,
            clock=self.clock,
            random=self.random(description.name),
            tell=self.notes.append,
        )
        return LiveArm(description, cluster, self, inside=self.setup.agent == "inside")

    def status(self) -> dict[str, Any]:
        """What is true of every arm, as JSON values."""
        self._look()
        return {
            **self.description(),
            "troubles": [*self.troubles.values(), *self._failures()],
            "arms": [arm.status() for arm in self.arms.values()],
        }

    def _failures(self) -> Iterator[str]:
        """What a controller or a deployer fails at again and again, in sentences."""
        for name, why in self.clock.troubles.items():
            yield f"{name} fails and is tried again: {why}"
        for arm in self.arms.values():
            if isinstance(arm.cluster, LiveCluster):
                yield from (f"{arm.name}: {each}" for each in arm.cluster.simulated.troubles)

    def pause(self, *arms: str) -> None:
        """Pause the deployers of these arms, or of all."""
        for arm in [self[name] for name in arms or self.arms]:
            arm.host.pause()

    def resume(self, *arms: str) -> None:
        """Resume the deployers of these arms, or of all."""
        for arm in [self[name] for name in arms or self.arms]:
            arm.host.resume()

    def disconnect(self, *arms: str) -> None:
        """Cut the clusters of these arms, or of all, off from outside."""
        for arm in [self[name] for name in arms or self.arms]:
            arm.disconnect()

    def reconnect(self, *arms: str) -> None:
        """Let the clusters of these arms, or of all, be reached from outside again."""
        for arm in [self[name] for name in arms or self.arms]:
            arm.reconnect()

    async def step(self, arm: str) -> list[str]:
        """Step one deployer by hand; what it did, line by line."""
        return await self[arm].step()

    # -- what goes on by itself -----------------------------------------------------------------

    def _deliver(self, now: float) -> float:
        """Drain the hook's spool: each push reaches every arm once."""
        try:
            with self._going_on("what was pushed"):
                for event in self.repository.deliver():
                    self._hear(event.branch, event.after, forced=event.forced)
                for news in self.repository.news():
                    if news.is_news:
                        self.journal.record(
                            "forge", news.name, news.subject, news.text, **news.data
                        )
        except ForgeError as error:
            self.journal.record("forge", "missed", "", str(error))
        return now + POLL * self.clock.speed

    def _hear(self, branch: str, commit: str, *, forced: bool = False, why: str = "") -> None:
        """Tell every arm that a branch moved, unless that was told already.

        Word of a push comes again if the process was killed before it could say that it has heard.
        """
        if self._heard.get(branch) == commit[:7]:
            return
        self._heard[branch] = commit[:7]
        self.journal.record("forge", "pushed", commit[:7], why, branch=branch, forced=forced)
        self._write()
        if branch == BRANCH and commit != NOTHING:
            for arm in self.arms.values():
                arm.moved()
                arm.host.notify(Revision(branch, commit))

    def _remind(self) -> None:
        """Tell of a commit whose deployment nobody may have heard of, or nobody brought to an end.

        A process that ends takes with it what its deployers had been told, and a push that is
        under way then may be stored without its hook being run.
        """
        for branch in self.repository.branches:
            self._hear(branch, self.repository.tip(branch), why="found in Git; no hook told of it")
        tip = self.repository.tip()
        for arm in self.arms.values():
            is_new = arm.deployer.applied != str(Revision(BRANCH, tip))
            if tip and is_new and not arm.host.was_told:
                arm.host.notify(Revision(BRANCH, tip))

    def _keep_lead(self, now: float) -> float:
        """Keep the lead that the clock will have when this is called again, and then some."""
        with self._going_on("the sandbox's time"):
            self._lead.write(self.clock.lead(3 * NOTE))
        return now + NOTE * self.clock.speed

    def _look(self, _: float = 0) -> None:
        for arm in self.arms.values():
            arm.look()
        self._write()

    @contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """Go on where a full disk refuses something; `troubles` tells of it while it does."""
        try:
            yield
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.troubles[what] = f"{what} cannot be kept: {error.strerror}; free some space"
        else:
            self.troubles.pop(what, None)

    @property
    def _journal_path(self) -> Path:
        return self.folder / "journal.jsonl"

    def _read_back(self) -> None:
        """Find in the journal what was told of pushes, and cut off an entry written in part."""
        try:
            file = self._journal_path.open("rb+")
        except FileNotFoundError:
            return
        with file:
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                if b'"pushed"' in line:
                    with suppress(ValueError, KeyError, TypeError):  # who reads it is told so
                        entry = Entry.from_json(line.decode())
                        self._heard[entry.data["branch"]] = entry.subject
            file.truncate(whole)

    def _write(self) -> None:
        """Append to the journal's file what is new, all of it or nothing."""
        entries = self.journal.since(self._written)
        if not entries:
            return
        lines = "".join(entry.to_json() + "\n" for entry in entries).encode()
        with self._going_on("the journal"), self._journal_path.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                while lines:
                    lines = lines[file.write(lines) or 0 :]
            except OSError:
                file.truncate(size)
                raise
            self._written += len(entries)
            self.journal.forget(self._written - REMEMBERED)


class Lead:
    """How far the sandbox's clock is ahead of the wall, in a file.

    A sandbox that ran fast goes on where it was, and time in it never goes back, though a process
    that is killed cannot say when that happened: what is kept is the lead that will be reached.

    Args:
        path: the file; it need not exist.
        tell: is told, in a sentence, if the file is damaged.
    """

    def __init__(self, path: Path, *, tell: Callable[[str], None] = lambda text: None) -> None:
        self._path, self._tell = path, tell

    def read(self) -> float:
        """The lead in seconds; none if nothing is kept, or nothing that makes sense."""
        try:
            lead = float(self._path.read_text())
        except FileNotFoundError:
            return 0.0
        except ValueError:
            lead = float("nan")
        if 0 <= lead < float("inf"):
            return lead
        self._tell(
            f"{self._path} is damaged: how far the sandbox's clock was ahead is not known, "
            "and time in it may have gone back"
        )
        return 0.0

    def write(self, lead: float) -> None:
        """Keep it."""
        write_private(self._path, repr(max(lead, 0.0)))


def merged(configs: Iterable[Object]) -> Object:
    """One kubeconfig with the contexts of several; the first one's is the current one."""
    first, *others = configs
    lists = ("clusters", "users", "contexts")
    return {**first, **{part: [e for c in (first, *others) for e in c[part]] for part in lists}}
