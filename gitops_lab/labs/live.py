"""A running sandbox as a lab's world: by its API, its journal, its repository, its kubeconfigs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.errors import LabError
from gitops_lab.forge import Repository
from gitops_lab.journal import Entry
from gitops_lab.labs.world import LabArm
from gitops_lab.model import Revision
from gitops_lab.ports import Cluster
from gitops_lab.state import StateFolder
from gitops_lab.worlds.arms import described
from gitops_lab.worlds.watcher import Observation

Ask = Callable[..., Any]
"""Asks the sandbox's process to do something: `ask(what, **arguments)`."""

OBSERVED = ("revision", "in_sync", "drifted", "health", "why", "orphans")


class LiveArm:
    """An arm of a running sandbox, as labs see it."""

    def __init__(self, world: LiveWorld, name: str, cluster: Cluster) -> None:
        self.world, self.name, self._cluster = world, name, cluster

    @property
    def owner(self) -> str:
        """The deployer's name in the cluster: its field manager."""
        return described([self.name])[0].identity

    @property
    def cluster(self) -> Cluster:
        """The cluster, with a person's rights."""
        return self._cluster

    def observed(self) -> Observation:
        """What is true of it now."""
        found = self.world.status[self.name]
        if "revision" not in found:
            return Observation("", False, False, "Unknown", "no commits yet")
        parts = {name: found[name] for name in OBSERVED}
        return Observation(**{**parts, "orphans": tuple(parts["orphans"])})

    def step(self) -> None:
        """Have the deployer do its next piece of work now."""
        self.world.ask("step", arm=self.name)

    def pause(self) -> None:
        """Have the deployer do nothing until it is resumed."""
        self.world.ask("pause", arms=[self.name])

    def resume(self) -> None:
        """Have the deployer go on."""
        self.world.ask("resume", arms=[self.name])

    def disconnect(self) -> None:
        """Cut the cluster off from outside: from people and pipelines, not from agents inside."""
        self.world.ask("disconnect", arms=[self.name])

    def reconnect(self) -> None:
        """Let the cluster be reached from outside again."""
        self.world.ask("reconnect", arms=[self.name])


class LiveWorld:
    """A running sandbox.

    Args:
        folder: the sandbox's.
        ask: asks its process to do something.

    Raises:
        LabError: it does not run.
    """

    def __init__(self, folder: StateFolder, ask: Ask) -> None:
        self.folder, self.ask = folder, ask
        found = folder.description()
        self.speed = float(found["speed"])
        path = Path(found["git_folder"].removeprefix("file://"))
        self.repository = Repository(path, now=time.time)
        self.arms: Mapping[str, LabArm] = {
            name: LiveArm(
                self, name, KubeconfigCluster(name, Path(config), cache=_cache(Path(config)))
            )
            for name, config in found["kubeconfigs"].items()
        }
        self._status: dict[str, Any] = {}
        self._entries: list[Entry] = []
        self._read = 0

    @property
    def status(self) -> Mapping[str, Any]:
        """What is true of each arm, as of the last look."""
        if not self._status:
            self._status = {arm["name"]: arm for arm in self.ask("status")["arms"]}
        return self._status

    def commit(self, message: str, changes: Mapping[str, str | bytes | None]) -> Revision:
        """Commit files to the branch, and push them; None deletes a file."""
        revision = self.repository.commit(message, changes)
        self._delivered(revision)
        return revision

    def revert(self, revision: Revision | None = None) -> Revision:
        """Revert a commit, or the branch's newest, with a new one, and push it."""
        found = self.repository.revert(revision or "")
        self._delivered(found)
        return found

    def position(self) -> int:
        """How many entries the journal has."""
        return len(self.entries())

    def entries(self, since: int = 0) -> Sequence[Entry]:
        """The journal's entries from a position on."""
        try:
            with self.folder.journal.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except FileNotFoundError:
            new = b""
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        self._entries += [Entry.from_json(line) for line in whole.decode().splitlines()]
        return self._entries[since:]

    def wait(self, seconds: float) -> None:
        """Let this much of the world's time pass."""
        time.sleep(seconds / self.speed)
        self.look()

    def look(self) -> None:
        """Forget what was seen; what is asked next is true now."""
        self._status = {}

    def close(self) -> None:
        """Let go of what it holds open; the sandbox goes on."""
        self.repository.close()

    def _delivered(self, revision: Revision) -> None:
        """Wait until the sandbox has noticed a push."""
        for _ in range(200):
            if any(
                entry.event == "pushed" and revision.commit.startswith(entry.subject)
                for entry in reversed(self.entries())
            ):
                self.look()
                return
            time.sleep(0.05)
        raise LabError("the sandbox does not notice a push", where=str(self.folder.log))


def _cache(kubeconfig: Path) -> Path:
    """Where the discovered kinds of a cluster are kept between runs."""
    return kubeconfig.with_name("labs-discovery.json")
