"""The sandbox: one description in, a running world out. It wires everything and owns its clean-up.

with Sandbox("push-on-commit", "pull+self-heal", seed=1) as world:
    world.commit("first deploy", {"web.yaml": text})
    world.run(minutes=3)
    world.drift("Deployment/web", {"spec": {"replicas": 9}})
    print(world.status())
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Self

from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.deployers.deployer import RIGHTS, Context, Deployer, GitAccess, Site
from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.errors import UsageError
from gitops_lab.forge import Forge, ForgeGit, GitSource, Repository
from gitops_lab.frontends.argocd.deployer import POLICY as ARGOCD
from gitops_lab.frontends.argocd.deployer import ArgoCD
from gitops_lab.frontends.flux.deployer import FluxDeployer
from gitops_lab.journal import Journal, sync_in_words
from gitops_lab.model import Manifest, Object, ObjectKey, Revision
from gitops_lab.observer import Observation, Observer
from gitops_lab.ports import ADMINISTRATORS, Credentials
from kubesim.clock import SimClock
from kubesim.controllers.images import Catalogue

OBSERVER = Credentials("observer", inside=True, groups=ADMINISTRATORS)
LEARNER = Credentials("learner", inside=False, groups=ADMINISTRATORS)
BRANCH = "main"
LONGEST = 40
"""How long the name of a deployer in its cluster may be: its objects' names add to it."""

URL = "https://git.gitops-lab.example/app.git"
"""The repository's address in a world without network."""


@dataclass(frozen=True)
class ArmDescription:
    """One way of deploying: a kind of deployer, and its dials.

    Args:
        name: what people call the arm.
        deployer: the kind of deployer.
        policy: its dials.
        branch: the branch that it follows.
        path: the folder of the repository that it deploys.
    """

    name: str
    deployer: type[Deployer]
    policy: Policy
    branch: str = BRANCH
    path: str = "."

    @property
    def identity(self) -> str:
        """The deployer's name in its cluster: what a label and an object's name may be."""
        return re.sub("[^a-z0-9]+", "-", self.name.lower()).strip("-")[:LONGEST].strip("-")

    def site(self, user: str, git: GitAccess, *, rights: str, namespace: str = "") -> Site:
        """Where its deployer is going to work; see `Site`."""
        return Site(
            name=self.identity, user=user, policy=self.policy, git=git, rights=rights,
            namespace=namespace, branch=self.branch, path=self.path,
        )  # fmt: skip


# A pipeline that somebody sets up keeps no inventory; every agent that is in use does.
PUSH = Policy(on_event=True, prune=False, start=15)
PULL = Policy(interval=60)

ARMS = {
    arm.name: arm
    for arm in (
        ArmDescription("push-on-commit", PushDeployer, PUSH),
        ArmDescription(
            "push-on-schedule",
            PushDeployer,
            replace(PUSH, on_event=False, interval=180, self_heal=True),
        ),
        ArmDescription("pull", PullDeployer, PULL),
        ArmDescription("pull+self-heal", PullDeployer, replace(PULL, self_heal=True)),
        ArmDescription("pull+webhook", PullDeployer, replace(PULL, on_event=True)),
        ArmDescription("flux", FluxDeployer, PULL),
        ArmDescription("argocd", ArgoCD, ARGOCD),
    )
}
"""The standard arms. Each differs from a neighbour in as few dials as it can."""


class Text(str):
    """Lines for a person: a notebook shows them as they are, without quotes."""

    def __repr__(self) -> str:
        return str(self)


class KeptStatuses:
    """Commit statuses, kept in memory: the newest of each commit and context."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[str, str, str]] = {}

    def set(
        self, commit: str, context: str, state: str, description: str = "", url: str = ""
    ) -> None:
        """Set one status of a commit."""
        self.kept[commit, context] = (state, description, url)


class Arm:
    """One cluster and the deployer that serves it.

    Args:
        description: which deployer, and its policy.
        world: the sandbox that it is a part of.
    """

    def __init__(self, description: ArmDescription, world: Sandbox) -> None:
        self.name, self.world, self.down = description.name, world, False
        self.journal = world.journal.by(self.name)
        self.cluster = SimulatedCluster(
            self.name, clock=world.clock, random=world.random(self.name), images=world.images
        )
        self.kubectl = self.cluster.connect(LEARNER)
        credentials = description.deployer.credentials
        access = GitAccess(url=world.git.url)
        self.needs = description.deployer.needs(
            description.site(credentials.user, access, rights=world.rights)
        )
        for obj in self.needs.objects:
            self.kubectl.apply(obj, manager="installer")
            if obj["kind"] == "CustomResourceDefinition":
                self.cluster.step(world.clock.now())  # the next object may be of that kind
        source = GitSource(world.repository, branch=description.branch, path=description.path)
        self.deployer = description.deployer(
            Context(
                name=description.identity,
                source=source,
                cluster=self.cluster.connect(credentials),
                policy=description.policy,
                journal=self.journal,
                random=world.random(f"{self.name}/deployer"),
                git=world.git,
                statuses=world.statuses,
                connect=lambda user: self.cluster.connect(Credentials(user, inside=True)),
                home=self.needs.home,
            )
        )
        self.observer = Observer(
            self.deployer, source, self.cluster.connect(OBSERVER), self.journal
        )
        self._cluster_task = world.clock.drive(f"{self.name}/cluster", self.cluster.step)
        self._task = world.clock.drive(f"{self.name}/deployer", self._step_unless_down)
        self.cluster.on_change(self._changed)

    def step(self) -> Text:
        """Have the deployer do its next bounded piece of work now, and tell what it did.

        If it looks at Git at intervals, it does not wait for the end of this one.
        """
        position, now = len(self.world.journal), self.world.clock.now()
        if self.deployer.policy.interval is not None:
            self.deployer.next_look = min(self.deployer.next_look, now)
        again = self.deployer.step(now)
        lines = [str(entry) for entry in self.world.journal.since(position)]
        lines = lines or ["nothing to do"]
        if again is not None and again != float("inf"):
            self.world.clock.wake(self._task, again)
            lines.append(f"wants to be called again in {max(again - now, 0):.0f} s")
        return Text("\n".join(lines))

    def notify(self, revision: Revision) -> None:
        """Tell the deployer that the branch moved; if it is down, nobody hears."""
        if self.down:
            if self.deployer.policy.on_event:
                self.journal.record(
                    "missed", revision, "the event came while the deployer was down"
                )
        elif self.deployer.notify(revision):
            self.world.clock.wake(self._task)

    def stop(self) -> None:
        """Take the deployer down; its cluster goes on without it."""
        self.down = True
        self.journal.record("outage", "deployer")

    def start(self) -> None:
        """Bring the deployer back. What it missed, nobody tells it."""
        self.down = False
        self.journal.record("restored", "deployer")
        self.world.clock.wake(self._task)

    def get(self, name: str | ObjectKey) -> Object | None:
        """A live object, named like `Deployment/web` or `Deployment/shop/web`; None if absent."""
        return self.kubectl.get(self.key(name))

    def key(self, name: str | ObjectKey) -> ObjectKey:
        """The key of an object that is named like `Deployment/web` or `Deployment/shop/web`.

        Raises:
            UsageError: the name has another form, or no such kind exists.
        """
        if isinstance(name, ObjectKey):
            return name
        kind, _, rest = name.partition("/")
        found = next(
            (r for r in self.cluster.api.registry.all() if r.kind.lower() == kind.lower()), None
        )
        if found is None or not rest:
            raise UsageError(
                f"{name!r} names no object",
                fix="write it as Kind/name, or Kind/namespace/name, such as Deployment/web",
            )
        namespace, _, name = rest.rpartition("/")
        default = self.deployer.policy.namespace
        return ObjectKey(
            found.group, found.kind, (namespace or default) if found.namespaced else "", name
        )

    def _step_unless_down(self, now: float) -> float | None:
        return None if self.down else self.deployer.step(now)

    def _changed(self, key: ObjectKey) -> None:
        self.world.clock.wake(self._cluster_task)
        self.observer.changed(key)
        if self.needs.hears_of(key) and not self.down and self.deployer.changed(key):
            self.world.clock.wake(self._task)


class Sandbox:
    """A world in virtual time: one repository, and one cluster for each arm.

    Args:
        arms: names of standard arms (see `ARMS`), or descriptions of your own.
        seed: every draw in this world follows from it.
        images: how container images behave; the default catalogue if None.
        observe: journal the truth about every arm after each change; a large fleet may do without.
        rights: what the deployers may do in their clusters, one of `RIGHTS`.

    Raises:
        UsageError: an arm that does not exist, or the same arm twice.
    """

    def __init__(
        self,
        *arms: str | ArmDescription,
        seed: int = 0,
        images: Catalogue | None = None,
        observe: bool = True,
        rights: str = RIGHTS[0],
    ) -> None:
        if rights not in RIGHTS:
            raise UsageError(f"there are no rights {rights!r}", fix=f"use {' or '.join(RIGHTS)}")
        self.rights = rights
        chosen = described(arms or ("push-on-commit", "pull+self-heal"))
        self.seed, self.images, self.observe = seed, images, observe
        self.clock = SimClock()
        self.journal = Journal(self.clock)
        self._directory = tempfile.TemporaryDirectory(prefix="gitops-lab-")
        try:
            self.forge = Forge(Path(self._directory.name), now=self.clock.now)
            self.repository = self.forge.create("app", branch=BRANCH)
            self.git = ForgeGit(URL, repository=self._open)
            self.statuses = KeptStatuses()
            self.arms = {each.name: Arm(each, self) for each in chosen}
        except BaseException:
            self._directory.cleanup()
            raise
        self.clock.after_each.append(self._look)

    def random(self, name: str) -> Random:
        """A source of draws of its own for each part, so that one part never disturbs another."""
        return Random(f"{self.seed}/{name}")

    def _open(self, name: str) -> Repository:
        return self.forge.repositories.get(name) or self.forge.open(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove everything this world has put on disk."""
        self.forge.close()
        self._directory.cleanup()

    def __getitem__(self, arm: str) -> Arm:
        if arm not in self.arms:
            raise UsageError(f"there is no arm {arm!r}", fix=f"choose from {', '.join(self.arms)}")
        return self.arms[arm]

    # -- what people do -------------------------------------------------------------------------

    def commit(self, message: str, changes: Mapping[str, str | bytes | None]) -> Revision:
        """Commit files to the branch, push them, and let the forge's hook tell whoever listens.

        Args:
            message: the commit's message.
            changes: new content by path; None deletes the file.
        """
        revision = self.repository.commit(message, changes)
        self.deliver()
        return revision

    def replace(self, message: str, path: str, old: str, new: str) -> Revision:
        """Commit one file with a piece of its text replaced, as an editor or `sed` would.

        Raises:
            UsageError: the file does not contain the old text.
        """
        text = self.repository.read(path).decode()
        if old not in text:
            raise UsageError(f"{old!r} does not occur", where=path, fix="look at the file first")
        return self.commit(message, {path: text.replace(old, new)})

    def revert(self) -> Revision:
        """Revert the branch's newest commit with a new commit, as `git revert HEAD` does."""
        revision = self.repository.revert()
        self.deliver()
        return revision

    def drift(self, name: str | ObjectKey, patch: Mapping[str, Any] | None, *arms: str) -> None:
        """Edit a live object by hand, past Git, in these arms or in all.

        Args:
            name: the object, such as `Deployment/web`, or its key.
            patch: a JSON merge patch; None deletes the object.
            arms: the names of the arms.
        """
        for arm in map(self.__getitem__, arms or self.arms):
            key = arm.key(name)
            if patch is None:
                arm.kubectl.delete(key)
            else:
                arm.kubectl.patch(key, patch, manager="kubectl-edit")
            what = "deleted by hand" if patch is None else f"edited by hand: {json.dumps(patch)}"
            arm.journal.record("edited", key, what)
        self._look()

    def stop(self, *arms: str) -> None:
        """Take the deployers of these arms, or of all, down."""
        for arm in arms or self.arms:
            self[arm].stop()

    def start(self, *arms: str) -> None:
        """Bring the deployers of these arms, or of all, back."""
        for arm in arms or self.arms:
            self[arm].start()

    def desired(self) -> tuple[Manifest, ...]:
        """The objects that the branch's newest revision asks for."""
        arm = next(iter(self.arms.values()))
        source = arm.deployer.source
        return arm.deployer.desired(source.fetch(source.head()), arm.kubectl)

    def chapter(self, title: str) -> None:
        """Begin a chapter of the story; measurements are told by chapter."""
        self.journal.record("story", "chapter", title)

    def run(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Let virtual time pass."""
        self.deliver()
        self.clock.run(seconds=seconds, minutes=minutes, hours=hours)

    def deliver(self) -> None:
        """Drain the hook's spool: each push, by hand or by `commit`, reaches every arm once."""
        for event in self.repository.deliver():
            self.journal.record(
                "forge", "pushed", event.after[:7], branch=event.branch, forced=event.forced
            )
            if event.branch != BRANCH or event.deleted:
                continue
            for arm in self.arms.values():
                arm.observer.moved()
                arm.notify(Revision(event.branch, event.after))
        for news in self.repository.news():
            if news.is_news:
                self.journal.record("forge", news.name, news.subject, news.text, **news.data)
        self._look()

    # -- what people look at --------------------------------------------------------------------

    def status(self) -> Text:
        """One line an arm: what is true of it now."""
        for arm in self.arms.values():
            arm.observer.look()
        arms = self.arms.values()
        return Text("\n".join(status_line(arm.name, arm.observer.last) for arm in arms))

    def why(self, arm: str, name: str = "") -> Text:
        """The why-trace of an arm since the last chapter, or of one object in it."""
        entries = list(self.journal)
        begin = max((i for i, e in enumerate(entries) if e.event == "chapter"), default=0)
        subject = str(self[arm].key(name)) if name else ""
        own = (e for e in entries[begin:] if e.actor == arm and e.event != "observed")
        told = (entry for entry in own if subject in ("", entry.subject))
        return Text("\n".join(map(str, told)) or "nothing happened")

    def _look(self, _: float = 0) -> None:
        if self.observe:
            for arm in self.arms.values():
                arm.observer.look()


def described(arms: Sequence[str | ArmDescription]) -> list[ArmDescription]:
    """The descriptions of standard arms, by name, and of your own.

    Raises:
        UsageError: an arm that does not exist, or the same arm twice.
    """
    chosen = []
    for arm in arms:
        if isinstance(arm, str):
            if arm not in ARMS:
                raise UsageError(f"there is no arm {arm!r}", fix=f"choose from {', '.join(ARMS)}")
            arm = ARMS[arm]
        chosen.append(arm)
    names: dict[str, str] = {}
    for arm in chosen:
        if not arm.identity:
            raise UsageError(
                f"{arm.name!r} is no name of an arm", fix="use letters and digits, such as pull-2"
            )
        other = names.setdefault(arm.identity, arm.name)
        if other is not arm.name or sum(each.name == other for each in chosen) > 1:
            raise UsageError(
                f"two arms have the name {arm.identity!r} in their clusters: {other!r} and "
                f"{arm.name!r}",
                fix="give each a name of its own",
            )
    return chosen


def status_line(name: str, seen: Observation | None) -> str:
    """What is true of an arm, in one line."""
    if seen is None or not seen.revision:
        return f"{name}: waits for the first commit"
    sync = sync_in_words(seen.in_sync, seen.drifted)
    count = len(seen.orphans)
    orphans = f", {count} orphan{'s' if count > 1 else ''}" if count else ""
    why = f" ({seen.why})" if seen.why else ""
    return f"{name}: {sync}, {seen.health}{orphans}{why}"
