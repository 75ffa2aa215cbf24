"""What a lab needs of a world, and the virtual world as one.

Labs, checks and solutions use this interface and never ask which world it is. `live` is the other
adapter. Time is the world's: seconds of it pass when a program or a person waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gitops_lab.engine.render import render
from gitops_lab.errors import UsageError
from gitops_lab.forge import Repository
from gitops_lab.journal import Entry
from gitops_lab.model import Object, ObjectKey, Revision
from gitops_lab.ports import Cluster
from gitops_lab.sandbox import Arm, Sandbox
from gitops_lab.worlds.watcher import Observation

GROUPS = {
    "Deployment": "apps",
    "ReplicaSet": "apps",
    "StatefulSet": "apps",
    "DaemonSet": "apps",
    "Job": "batch",
    "CronJob": "batch",
    "HorizontalPodAutoscaler": "autoscaling",
    "Ingress": "networking.k8s.io",
    "NetworkPolicy": "networking.k8s.io",
    "PodDisruptionBudget": "policy",
    "CustomResourceDefinition": "apiextensions.k8s.io",
}
"""The API group of kinds that labs name without one; any other kind is in the core group."""

CLUSTER_WIDE = ("Namespace", "CustomResourceDefinition", "ClusterRole", "PersistentVolume")

PERSON = "kubectl-edit"
"""The field manager of edits by hand that a solution makes."""


class LabArm(Protocol):
    """One cluster of a lab's world, and its deployer."""

    name: str

    @property
    def owner(self) -> str:
        """The deployer's name in the cluster: its field manager."""

    @property
    def cluster(self) -> Cluster:
        """The cluster, with a person's rights."""

    def observed(self) -> Observation:
        """What is true of it now."""

    def step(self) -> None:
        """Have the deployer do its next piece of work now."""

    def pause(self) -> None:
        """Have the deployer do nothing until it is resumed."""

    def resume(self) -> None:
        """Have the deployer go on."""

    def disconnect(self) -> None:
        """Cut the cluster off from outside: from people and pipelines, not from agents inside."""

    def reconnect(self) -> None:
        """Let the cluster be reached from outside again."""


class LabWorld(Protocol):
    """The world that a lab happens in."""

    arms: Mapping[str, LabArm]
    repository: Repository

    def commit(self, message: str, changes: Mapping[str, str | bytes | None]) -> Revision:
        """Commit files to the branch, and push them; None deletes a file."""

    def revert(self, revision: Revision | None = None) -> Revision:
        """Revert a commit, or the branch's newest, with a new one, and push it."""

    def position(self) -> int:
        """How many entries the journal has."""

    def entries(self, since: int = 0) -> Sequence[Entry]:
        """The journal's entries from a position on."""

    def wait(self, seconds: float) -> None:
        """Let this much of the world's time pass."""

    def look(self) -> None:
        """Forget what was seen; what is asked next is true now."""

    def close(self) -> None:
        """Let go of what it holds open; a virtual world is removed with it."""


class VirtualArm:
    """An arm of the virtual world, as labs see it."""

    def __init__(self, arm: Arm) -> None:
        self.arm, self.name = arm, arm.name

    @property
    def owner(self) -> str:
        """The deployer's name in the cluster: its field manager."""
        name: str = self.arm.deployer.name
        return name

    @property
    def cluster(self) -> Cluster:
        """The cluster, with a person's rights."""
        return self.arm.kubectl

    def observed(self) -> Observation:
        """What is true of it now."""
        self.arm.look_now()
        return self.arm.watcher.last or Observation("", False, False, "Unknown", "no commits yet")

    def step(self) -> None:
        """Have the deployer do its next piece of work now."""
        self.arm.step()

    def pause(self) -> None:
        """Have the deployer do nothing until it is resumed."""
        self.arm.host.pause()

    def resume(self) -> None:
        """Have the deployer go on."""
        self.arm.host.resume()

    def disconnect(self) -> None:
        """Cut the cluster off from outside: from people and pipelines, not from agents inside."""
        self.arm.disconnect()

    def reconnect(self) -> None:
        """Let the cluster be reached from outside again."""
        self.arm.reconnect()


class VirtualWorld:
    """The virtual world, in this process.

    Args:
        arms: names of standard arms.
        seed: every draw in it follows from it.
    """

    def __init__(self, arms: Sequence[str], seed: object = 0) -> None:
        self.sandbox = Sandbox(*arms, seed=seed)  # type: ignore[arg-type]
        self.repository = self.sandbox.repository
        self.arms: Mapping[str, LabArm] = {
            name: VirtualArm(arm) for name, arm in self.sandbox.arms.items()
        }
        # An agent that was installed this instant would look this instant.
        self.sandbox.run(seconds=60 + self.sandbox.random("beginning").uniform(0, 60))

    def commit(self, message: str, changes: Mapping[str, str | bytes | None]) -> Revision:
        """Commit files to the branch, and push them; None deletes a file."""
        return self.sandbox.commit(message, changes)

    def revert(self, revision: Revision | None = None) -> Revision:
        """Revert a commit, or the branch's newest, with a new one, and push it."""
        found = self.repository.revert(revision or "")
        self.sandbox.deliver()
        return found

    def position(self) -> int:
        """How many entries the journal has."""
        return len(self.sandbox.journal)

    def entries(self, since: int = 0) -> Sequence[Entry]:
        """The journal's entries from a position on."""
        return self.sandbox.journal.since(since)

    def wait(self, seconds: float) -> None:
        """Let this much of the world's time pass."""
        self.sandbox.run(seconds=seconds)

    def look(self) -> None:
        """Forget what was seen; what is asked next is true now."""
        self.sandbox.deliver()

    def close(self) -> None:
        """Remove everything this world has put on disk."""
        self.sandbox.close()


def key(name: str) -> ObjectKey:
    """The key of an object that is named like `Deployment/web` or `ConfigMap/shop/settings`.

    Raises:
        UsageError: the name has another form.
    """
    kind, _, rest = name.partition("/")
    if not rest:
        raise UsageError(f"{name!r} names no object", fix="write it like Deployment/web")
    kind, _, group = kind.partition(".")
    namespace, _, name = rest.rpartition("/")
    namespace = "" if kind in CLUSTER_WIDE else namespace or "default"
    return ObjectKey(group or GROUPS.get(kind, ""), kind, namespace, name)


def get(arm: LabArm, name: str) -> Object | None:
    """A live object, named like `Deployment/web`; None if there is none."""
    return arm.cluster.get(key(name))


def patch(arm: LabArm, name: str, change: Mapping[str, Any]) -> None:
    """Edit a live object by hand, with a JSON merge patch (RFC 7386)."""
    arm.cluster.patch(key(name), change, manager=PERSON)


def replace(world: LabWorld, message: str, path: str, old: str, new: str) -> Revision:
    """Commit one file with a piece of its text replaced.

    Raises:
        UsageError: the file does not contain the old text.
    """
    text = world.repository.read(path).decode()
    if old not in text:
        raise UsageError(f"{old!r} does not occur", where=path)
    return world.commit(message, {path: text.replace(old, new)})


def declared(world: LabWorld, name: str) -> Object | None:
    """An object as Git's newest revision declares it; None if it does not."""
    tip = world.repository.tip()
    if not tip:
        return None
    manifests = render(
        world.repository.artifact(Revision(world.repository.branch, tip)),
        namespace="default",
        is_namespaced=next(iter(world.arms.values())).cluster.is_namespaced,
    )
    return next((m.body for m in manifests if m.key == key(name)), None)
