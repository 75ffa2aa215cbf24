"""The world: one Git server and several arms, and what people do with them.

Experiments, labs, notebooks and the command line use these calls, and never ask which backend a
world is on. All of them are called in the world's own thread (`gitops_lab.worlds.threaded` is for
programs that have another).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from random import Random
from typing import Any

from gitops_lab.deployers.deployer import RIGHTS, GitAccess
from gitops_lab.deployers.policy import Policy
from gitops_lab.errors import UsageError
from gitops_lab.forge import Forge, PushEvent, Repository
from gitops_lab.journal import Journal
from gitops_lab.model import Manifest, ObjectKey, Revision
from gitops_lab.ports import Clock, Git, Statuses
from gitops_lab.worlds.arm import Arm, ArmHost
from gitops_lab.worlds.cluster import ArmCluster

REPOSITORY = "app"
"""What the world's repository is called."""


LOG = 50
"""How many commits to read at once for their subjects."""


class Text(str):
    """Lines for a person: a notebook shows them as they are, without quotes."""

    def __repr__(self) -> str:
        return str(self)


class World(ABC):
    """One repository, and an arm for each way of deploying it.

    Args:
        clock: tells the time.
        forge: the Git server.
        repository: the repository that the arms deploy.
        rights: what deployers may do in their clusters, one of `RIGHTS`.
        seed: every draw in this world follows from it.

    Raises:
        UsageError: there are no such rights.
    """

    clock: Any

    def __init__(
        self, *, clock: Clock, forge: Forge, repository: Repository, rights: str, seed: int
    ) -> None:
        if rights not in RIGHTS:
            raise UsageError(f"there are no rights {rights!r}", fix=f"use {' or '.join(RIGHTS)}")
        self.forge, self.repository, self.rights, self.seed = forge, repository, rights, seed
        self.journal = Journal(clock)
        self.clusters: dict[str, ArmCluster] = {}
        """The cluster of each arm, by the arm's name."""
        self.arms: dict[str, Arm] = {}
        self._subjects: dict[str, str] = {}

    def __getitem__(self, arm: str) -> Arm:
        if arm not in self.arms:
            raise UsageError(f"there is no arm {arm!r}", fix=f"choose from {', '.join(self.arms)}")
        return self.arms[arm]

    def random(self, name: str) -> Random:
        """A source of draws of its own for each part, so that one part never disturbs another."""
        return Random(f"{self.seed}/{name}")

    # -- what people do --------------------------------------------------------------------------

    def commit(self, message: str, changes: Mapping[str, str | bytes | None]) -> Revision:
        """Commit files to the branch and push them; the forge's hook tells the arms.

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
        for arm in self._chosen(arms):
            arm.edit(name, patch)

    def stop(self, *arms: str) -> None:
        """Take the deployers of these arms, or of all, down."""
        for arm in self._chosen(arms):
            arm.stop()

    def start(self, *arms: str) -> None:
        """Bring the deployers of these arms, or of all, back."""
        for arm in self._chosen(arms):
            arm.start()

    def pause(self, *arms: str) -> None:
        """Pause the deployers of these arms, or of all: messages wait for them."""
        for arm in self._chosen(arms):
            arm.host.pause()

    def resume(self, *arms: str) -> None:
        """Resume the deployers of these arms, or of all."""
        for arm in self._chosen(arms):
            arm.host.resume()

    def disconnect(self, *arms: str) -> None:
        """Cut the clusters of these arms, or of all, off from outside."""
        for arm in self._chosen(arms):
            arm.disconnect()

    def reconnect(self, *arms: str) -> None:
        """Let the clusters of these arms, or of all, be reached from outside again."""
        for arm in self._chosen(arms):
            arm.reconnect()

    def chapter(self, title: str) -> None:
        """Begin a chapter of a story; measurements are made by chapter."""
        self.journal.record("story", "chapter", title)

    @abstractmethod
    def step(self, arm: str) -> Any:
        """Have the deployer of an arm do its next bounded piece of work now; what it did.

        On a clock on the wall, the answer has to be awaited.
        """

    # -- what people look at ---------------------------------------------------------------------

    def status(self) -> Text:
        """One line an arm: what is true of it now."""
        for arm in self.arms.values():
            arm.look_now()
        return Text("\n".join(arm.line for arm in self.arms.values()))

    def why(self, arm: str, name: str = "") -> Text:
        """What an arm's deployer did and why since the last chapter, or what concerns one object.

        Args:
            arm: its name.
            name: the object, such as `Deployment/web`; everything if empty.
        """
        chosen, entries = self[arm], list(self.journal)
        begin = max((i for i, e in enumerate(entries) if e.event == "chapter"), default=0)
        key = chosen.key(name) if name else None
        subject = str(key) if key else ""
        own = (e for e in entries[begin:] if e.arm == arm and e.event != "observed")
        shown = (entry for entry in own if subject in ("", entry.subject))
        told = "\n".join(map(str, shown)) or "nothing happened"
        if key is None:
            return Text(told)
        facts = [*self[arm].watcher.explain(key), *self[arm].rule(key)]
        return Text("\n".join((told, f"now, {subject}:", *(f"  {fact}" for fact in facts))))

    def commit_line(self, revision: str) -> str:
        """A commit as people know it: its short hash and its subject; empty if there is none."""
        commit = revision.rpartition(":")[2]
        if commit and commit not in self._subjects:
            log = self.repository.log(revision.rpartition("@")[0], limit=LOG)
            self._subjects |= {each.revision.commit: each.message for each in log}
        subject = self._subjects.get(commit, "").partition("\n")[0]
        return f"{commit[:7]} {subject}".strip()

    def desired(self, arm: str = "") -> tuple[Manifest, ...]:
        """The objects that the newest revision asks for, as an arm (the first) renders them."""
        chosen = self[arm] if arm else next(iter(self.arms.values()))
        source = chosen.source()
        found: tuple[Manifest, ...] = chosen.deployer.desired(
            source.fetch(source.head()), chosen.kubectl
        )
        return found

    # -- what goes on by itself ------------------------------------------------------------------

    def deliver(self) -> None:
        """Drain the hook's spool: each push reaches every arm that follows its branch, once."""
        for event in self.repository.deliver():
            self.pushed(event)
        for news in self.repository.news():
            for arm in self.arms.values():
                arm.host.forge_changed(news)
            if news.is_news:
                self.journal.record("forge", news.name, news.subject, news.text, **news.data)
        self.look()

    def pushed(self, event: PushEvent) -> None:
        """Tell every arm that follows it that a branch moved."""
        arms = [arm for arm in self.arms.values() if arm.description.branch == event.branch]
        why = "" if arms else "no arm follows this branch"
        self.journal.record(
            "forge", "pushed", event.after[:7], why, branch=event.branch, forced=event.forced
        )
        if not event.deleted:
            for arm in arms:
                arm.moved()
                arm.host.notify(Revision(event.branch, event.after))

    def look(self) -> None:
        """Have every arm's watcher look."""
        for arm in self.arms.values():
            arm.look()

    def _chosen(self, arms: tuple[str, ...]) -> list[Arm]:
        return [self[name] for name in arms or self.arms]

    # -- what arms ask of their world ------------------------------------------------------------

    @abstractmethod
    def host(self, arm: Arm) -> ArmHost:
        """What runs an arm's deployer, which it makes."""

    @abstractmethod
    def open_repository(self) -> Repository:
        """The repository, for one reader."""

    @abstractmethod
    def open_git(self) -> Git:
        """Every repository by its URL, for one reader."""

    def statuses(self, repository: Repository) -> Statuses:
        """Where a deployer reports what became of a commit."""
        return repository.statuses

    @abstractmethod
    def git_access(self, account: str) -> GitAccess:
        """How a pod in a cluster reads the repository."""

    @abstractmethod
    def storage(self, arm: Arm) -> MutableMapping[str, str]:
        """What an arm's deployer keeps outside its cluster."""

    def adapted(self, policy: Policy) -> Policy:
        """A policy as it holds in this world."""
        return policy

    def folder_of(self, arm: Arm, served: str = "") -> Path | None:
        """Where the credentials of an arm's deployer are kept, if they are files.

        Args:
            arm: the arm.
            served: the arm whose cluster they are for; the deployer's own if empty.
        """
        return None
