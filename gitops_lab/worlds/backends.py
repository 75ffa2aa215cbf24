"""Where a live sandbox's clusters come from: simulated here, made by kind, or there before.

Each backend opens the clusters before anything else starts, and knows how to remove what it made:
from the process of a sandbox, or from another one when that is gone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

from gitops_lab.agent.image import AGENT
from gitops_lab.cluster import context, kind
from gitops_lab.cluster.bridge import way_back
from gitops_lab.cluster.commands import Progress
from gitops_lab.cluster.images import Image
from gitops_lab.cluster.ownership import SharedCluster, owned, remove
from gitops_lab.errors import LabError, UsageError
from gitops_lab.model import ObjectKey
from gitops_lab.state import Setup
from gitops_lab.worlds.cluster import OwnedCluster
from gitops_lab.worlds.real import RealCluster
from gitops_lab.worlds.served import ServedCluster
from kubesim.clock import WallClock

LOOKS = 60
"""How often to look whether what was removed is gone."""


class Backend(ABC):
    """Where clusters come from.

    Args:
        setup: what the sandbox is made of.
        folder: the sandbox's.
        name: what the sandbox is called.
        progress: is told what goes on.
    """

    def __init__(self, setup: Setup, folder: Path, name: str, progress: Progress) -> None:
        self.setup, self.folder, self.name, self.progress = setup, folder, name, progress

    host = bind = "127.0.0.1"
    """What clusters call this machine, and the address of it that they reach."""

    async def open(  # noqa: B027 (simulated ones are there once they start)
        self, arms: Sequence[str], agents: Sequence[str]
    ) -> None:
        """See that each arm's cluster is there.

        Args:
            arms: the arms, by the names that clusters may have.
            agents: those of them whose deployer is an agent.

        Raises:
            LabError: it is not, and cannot be made. What was made for it is removed again.
        """

    @abstractmethod
    def cluster(
        self, arm: str, place: str, *, clock: WallClock, random: Random, note: Callable[[str], None]
    ) -> OwnedCluster:
        """The cluster of an arm.

        Args:
            arm: what people call it.
            place: the same, as the names of clusters and folders may be.
            clock: tells it the time, if it must be told.
            random: draws what it draws.
            note: is told what people should know.
        """

    async def offer(  # noqa: B027 (simulated nodes have every image; those of others pull theirs)
        self, arms: Sequence[str], images: Sequence[Image]
    ) -> None:
        """Have images on the nodes of these arms' clusters, which are there.

        Raises:
            LabError: they cannot be made.
        """

    async def remove(self) -> None:  # noqa: B027 (simulated ones go with their folder)
        """Remove the clusters, or from them what is ours."""

    def holdings(self) -> list[ObjectKey]:
        """What `remove` would remove from clusters that stay."""
        return []


class Simulated(Backend):
    """Clusters in this process."""

    def cluster(
        self, arm: str, place: str, *, clock: WallClock, random: Random, note: Callable[[str], None]
    ) -> OwnedCluster:
        """A simulated cluster, which goes on with what is in its folder."""
        folder = self.folder / "clusters" / place
        return ServedCluster(arm, folder, clock=clock, random=random, note=note)


class KindBackend(Backend):
    """Clusters of containers on this machine."""

    def _kind(self) -> kind.Kind:
        # Beside the sandbox's folder: that one goes if a first start fails, and they tell why.
        logs = self.folder.with_name(f"{self.folder.name}-kind-logs")
        return kind.Kind(self.name, self.folder, logs=logs, progress=self.progress)

    async def open(self, arms: Sequence[str], agents: Sequence[str]) -> None:
        """Make the clusters that are not there yet, and have the agent's image on their nodes."""
        await kind.preflight()
        maker = self._kind()
        there = await maker.clusters()
        missing = [arm for arm in arms if arm not in there]
        await maker.create_all(missing, kind.Shape(image=self.setup.node_image))
        try:
            if self.setup.agent == "inside" and agents:
                await self.offer(agents, [AGENT])
                self.host, self.bind = await way_back(maker.engine)
        except BaseException:
            for arm in missing:
                await maker.delete(arm)
            raise

    def cluster(
        self, arm: str, place: str, *, clock: WallClock, random: Random, note: Callable[[str], None]
    ) -> OwnedCluster:
        """A cluster that kind made."""
        path = self._kind().kubeconfig_path(place)
        return RealCluster(arm, path.parent, kubeconfig=path)

    async def offer(self, arms: Sequence[str], images: Sequence[Image]) -> None:
        """Build images, and copy them to the nodes."""
        maker = self._kind()
        for image in images:
            await image.build(maker.engine, progress=self.progress)
        for arm in arms:
            await maker.load(arm, *(image.reference for image in images))

    async def remove(self) -> None:
        """Remove the clusters of this sandbox, and no other."""
        await self._kind().delete_all()


class ContextBackend(Backend):
    """A cluster that the user's own kubeconfig names."""

    def __init__(self, setup: Setup, folder: Path, name: str, progress: Progress) -> None:
        super().__init__(setup, folder, name, progress)
        if len(setup.arms) > 1:
            raise UsageError(
                f"there are {len(setup.arms)} arms for one cluster",
                fix="name one arm: --arms pull+self-heal; more arms are more sandboxes",
            )
        if setup.agent == "inside":
            raise UsageError(
                "the Git server is on this machine, where a cluster elsewhere does not reach it",
                fix="leave --agent inside out: the agent runs here, with the rights of one inside",
            )

    async def open(self, arms: Sequence[str], agents: Sequence[str]) -> None:
        """See that the context may be used."""
        context.choose(
            context.contexts(Path(self.setup.kubeconfig)),
            self.setup.context,
            confirmed=self.setup.confirmed,
        )
        with closing(self._connection()) as connection:
            context.require_rights(connection, self._namespaces, rights=self.setup.rights)

    def cluster(
        self, arm: str, place: str, *, clock: WallClock, random: Random, note: Callable[[str], None]
    ) -> OwnedCluster:
        """The context's cluster."""
        return RealCluster(
            arm,
            self.folder / "clusters" / place,
            kubeconfig=Path(self.setup.kubeconfig),
            context=self.setup.context,
            sandbox=self.setup.identity,
            home=self.setup.namespace,
        )

    @property
    def _namespaces(self) -> list[str] | None:
        """Where to stay within; None for the whole cluster."""
        return [self.setup.namespace] if self.setup.namespace else None

    def holdings(self) -> list[ObjectKey]:
        """Everything with this sandbox's labels."""
        with closing(self._connection()) as connection:
            return owned(connection, self.setup.identity, namespaces=self._namespaces)

    async def remove(self) -> None:
        """Remove what has this sandbox's labels, and nothing else."""
        identity = self.setup.identity
        with closing(self._connection()) as connection:
            found = owned(connection, identity, namespaces=self._namespaces)
            left = remove(connection, identity, found)
        if left:
            raise LabError(
                f"{', '.join(map(str, left))} was left: there are objects of others in it",
                where=f"context {self.setup.context}",
                fix="look at them; remove the namespace yourself if it is not needed",
            )

    def _connection(self) -> SharedCluster:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SharedCluster(
            self.setup.context,
            Path(self.setup.kubeconfig),
            context=self.setup.context,
            cache=self.folder / "removal.json",
            sandbox=self.setup.identity,
        )


BACKENDS: dict[str, type[Backend]] = {
    "simulated": Simulated,
    "kind": KindBackend,
    "context": ContextBackend,
}
"""The backends, by the names that people call them by."""


def backend(setup: Setup, folder: Path, name: str, progress: Progress) -> Backend:
    """The backend of a sandbox."""
    return BACKENDS[setup.backend](setup, folder, name, progress)
