"""Real clusters on this machine, made by the `kind` command: each node is a container.

The clusters of a sandbox are ours alone. Their names tell so: `gitops-lab-SANDBOX-CLUSTER-` and six
digits that stand for the sandbox's folder, so that two people who share a container engine do not
take each other's clusters for their own. They have kubeconfigs of their own, too: `~/.kube/config`
is neither read nor written.

Source: kind 0.24 and later, https://kind.sigs.k8s.io/docs/user/quick-start/ and `kind … --help`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import yaml

from gitops_lab.cluster import causes, containers
from gitops_lab.cluster.commands import GET, CommandFailed, Progress, run
from gitops_lab.cluster.machine import GIB, available_memory
from gitops_lab.cluster.ownership import SANDBOX_LABEL
from gitops_lab.errors import LabError, UsageError
from gitops_lab.model import Object

MINIMUM = (0, 24)
"""The first version of kind that knows all three container engines."""

CLUSTER_LABEL = "gitops-lab/cluster"

ANSWER, DELETE, LOGS, LOAD = 60.0, 120.0, 120.0, 600.0
"""How long kind may take to list, delete, export logs and load images, in seconds."""

CREATE, READY = 1_200.0, 180
"""How long it may take to make a cluster (its image has a gigabyte), and how long of that the
control plane may take to become ready once everything is started, in seconds."""

NODE_MEMORY = GIB
"""How many bytes of memory a node should find before another cluster is begun beside it: a careful
guess, for kind's documentation names no figure."""

LONGEST = 49
"""How many characters a cluster's name may have: its first node's, which has `-control-plane`
behind it, is a host name, and those have 63 at most."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True)
class Port:
    """A port of a cluster's first node that can be reached from this machine.

    Args:
        container: the port in the node, such as a Service's node port.
        host: the port on this machine; 0 for any that is free.
        address: the address on this machine.
        protocol: TCP, UDP or SCTP.
    """

    container: int
    host: int = 0
    address: str = "127.0.0.1"
    protocol: str = "TCP"


@dataclass(frozen=True)
class Shape:
    """What a cluster is made of.

    Args:
        workers: how many nodes it has beside the one with the control plane.
        image: the nodes' image, which decides Kubernetes' version; kind's own choice if empty.
        ports: what can be reached from this machine beside the API server.
    """

    workers: int = 0
    image: str = ""
    ports: Sequence[Port] = field(default=())


ONE_NODE = Shape()


class Kind:
    """The kind clusters of one sandbox.

    Args:
        sandbox: what the sandbox is called.
        folder: its folder; each cluster's config and kubeconfig go to `clusters/CLUSTER` in it.
        engine: the container engine; `containers.choose` decides if empty.
        logs: where the logs of a cluster that did not start go; `kind-logs` in the folder if None.
        progress: is told what goes on: these things take a minute.

    Raises:
        UsageError: there is no such engine.
        CommandMissing: no engine is installed.
    """

    def __init__(
        self,
        sandbox: str,
        folder: Path,
        *,
        engine: str = "",
        logs: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.engine = containers.choose(engine)
        self.logs = folder / "kind-logs" if logs is None else logs
        self.progress = progress
        self._owner = sha256(str(folder.resolve()).encode()).hexdigest()[:6]

    def name(self, cluster: str) -> str:
        """What kind calls a cluster of ours.

        Raises:
            UsageError: the cluster cannot be called so.
        """
        if not _NAME.fullmatch(cluster):
            raise UsageError(
                f"{cluster!r} is no name of a cluster", fix="use lower-case letters, digits and '-'"
            )
        name = f"gitops-lab-{self.sandbox}-{cluster}-{self._owner}"
        if len(name) > LONGEST:
            raise UsageError(
                f"the name {name!r} has more than {LONGEST} characters",
                fix="call the sandbox something shorter",
            )
        return name

    def kubeconfig_path(self, cluster: str) -> Path:
        """The file by which a cluster of ours is reached from this machine."""
        return self.folder / "clusters" / cluster / "kubeconfig"

    # -- looking --------------------------------------------------------------------------------

    async def clusters(self) -> list[str]:
        """The clusters of this sandbox, by the names that we give them."""
        begin, end = f"gitops-lab-{self.sandbox}-", f"-{self._owner}"
        names = (await self._kind("get", "clusters", timeout=ANSWER, quiet=True)).split()
        return sorted(
            name.removeprefix(begin).removesuffix(end)
            for name in names
            if name.startswith(begin) and name.endswith(end) and len(name) > len(begin + end)
        )

    async def kubeconfig(self, cluster: str, *, internal: bool = False) -> str:
        """A kubeconfig whose holder may do everything, as YAML.

        Args:
            cluster: which.
            internal: with the address that other containers on kind's network use.
        """
        option = ["--internal"] if internal else []
        name = ("--name", self.name(cluster))
        return await self._kind("get", "kubeconfig", *name, *option, timeout=ANSWER, quiet=True)

    # -- making and removing --------------------------------------------------------------------

    async def create(self, cluster: str, shape: Shape = ONE_NODE) -> Path:
        """Make a cluster, and wait until its control plane is ready; its kubeconfig.

        If that fails or is cancelled, its logs are kept and nothing else is.

        Raises:
            LabError: it did not work, and why.
        """
        name = self.name(cluster)
        if cluster in await self.clusters():
            raise LabError(
                causes.TAKEN.what, where=name, fix=f"delete it first: kind delete cluster -n {name}"
            )
        kubeconfig = self.kubeconfig_path(cluster)
        kubeconfig.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = kubeconfig.with_name("kind.yaml")
        labels = {SANDBOX_LABEL: self.sandbox, CLUSTER_LABEL: cluster}
        written.write_text(yaml.safe_dump(config(name, labels, shape), sort_keys=False))
        wanted = ["--name", name, "--config", str(written), "--kubeconfig", str(kubeconfig)]
        wait = ["--wait", f"{READY}s", "--retain"]  # what is retained can tell why it failed
        try:
            await self._kind("create", "cluster", *wanted, *wait, timeout=CREATE)
        except CommandFailed as error:
            if error.cause is not causes.TAKEN:  # else it is not ours to remove
                await self._export_logs(cluster, error)
                await self._undo(cluster, error)
            raise
        except BaseException:
            await self._undo(cluster)
            raise
        return kubeconfig

    async def create_all(self, clusters: Iterable[str], shape: Shape = ONE_NODE) -> list[Path]:
        """Make several clusters, as many at once as memory allows; their kubeconfigs in order.

        If one fails, those that this call made are removed again.

        Raises:
            LabError: one did not work, and why.
        """
        wanted = list(clusters)
        turns = asyncio.Semaphore(at_once(len(wanted), shape.workers + 1, available_memory()))
        made: list[str] = []

        async def create(cluster: str) -> Path:
            async with turns:
                path = await self.create(cluster, shape)
                made.append(cluster)
                return path

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(create(cluster)) for cluster in wanted]
        except BaseException as error:
            for cluster in made:
                await self._undo(cluster)
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from None  # the first to fail ended the others
            raise
        return [task.result() for task in tasks]

    async def delete(self, cluster: str) -> None:
        """Remove a cluster; one that is gone already is no error."""
        path = self.kubeconfig_path(cluster)
        wanted = ("--name", self.name(cluster), "--kubeconfig", str(path))
        await self._kind("delete", "cluster", *wanted, timeout=DELETE)

    async def delete_all(self) -> list[str]:
        """Remove all clusters of this sandbox, and no other; which they were."""
        clusters = await self.clusters()
        for cluster in clusters:
            await self.delete(cluster)
        return clusters

    # -- using ----------------------------------------------------------------------------------

    async def load(self, cluster: str, *images: str) -> None:
        """Copy images of the engine to a cluster's nodes, so that pods need not pull them.

        Give them a tag other than `latest`: that one is pulled always.
        """
        name = ("--name", self.name(cluster))
        if self.engine == "docker":
            await self._kind("load", "docker-image", *name, *images, timeout=LOAD)
            return
        # `load docker-image` asks Docker, whichever engine the nodes run on.
        archive = self.kubeconfig_path(cluster).with_name("images.tar")
        several = ("--multi-image-archive",) if self.engine == "podman" else ()
        try:
            save = (self.engine, "save", *several, "-o", str(archive), *images)
            await run(*save, timeout=LOAD, progress=self.progress)
            await self.load_archive(cluster, archive)
        finally:
            archive.unlink(missing_ok=True)

    async def load_archive(self, cluster: str, archive: Path) -> None:
        """Copy the images of an archive, as `docker save` writes it, to a cluster's nodes."""
        name = ("--name", self.name(cluster))
        await self._kind("load", "image-archive", *name, str(archive), timeout=LOAD)

    async def export_logs(self, cluster: str) -> Path:
        """Write the logs of a cluster's nodes into a folder."""
        folder = self.logs / cluster
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = ("--name", self.name(cluster))
        await self._kind("export", "logs", *name, str(folder), timeout=LOGS)
        return folder

    # -- how it is done -------------------------------------------------------------------------

    async def _kind(self, *arguments: str, timeout: float, quiet: bool = False) -> str:
        return await run(
            "kind",
            *arguments,
            timeout=timeout,
            variables=containers.variables(self.engine),
            progress=None if quiet else self.progress,
        )

    async def _export_logs(self, cluster: str, error: LabError) -> None:
        """Keep the logs of a cluster that did not start, if it has any, and tell where."""
        with suppress(LabError):
            error.fix += f"\nIts logs: {await self.export_logs(cluster)}"

    async def _undo(self, cluster: str, error: LabError | None = None) -> None:
        """Remove what there is of a cluster; if not even that works, tell how to."""
        try:
            await self.delete(cluster)
        except LabError:
            if error is not None:
                error.fix += f"\nRemove what is left: kind delete cluster -n {self.name(cluster)}"


async def version() -> tuple[int, int]:
    """The version of the `kind` command: major and minor.

    Raises:
        CommandMissing: it is not installed.
        LabError: it is too old, or is something else that is called kind.
    """
    said = (await run("kind", "version", timeout=ANSWER)).strip()
    numbers = re.match(r"kind v(\d+)\.(\d+)\.", said)
    if numbers is None:
        raise LabError(
            f"the command kind says it is {said!r}", fix=f"install the right one: {GET['kind']}"
        )
    found = int(numbers[1]), int(numbers[2])
    if found < MINIMUM:
        wanted = ".".join(map(str, MINIMUM))
        raise LabError(f"{said} is too old", fix=f"install {wanted} or later: {GET['kind']}")
    return found


async def preflight(engine: str = "") -> containers.Engine:
    """See that clusters can be made: that kind is young enough, and that its engine runs.

    Raises:
        LabError: something is missing, and how to get it.
    """
    await version()
    found = await containers.look(containers.choose(engine))
    if found.rootless and found.cgroups < 2:
        raise LabError(causes.CGROUPS.what, where=found.name, fix=causes.CGROUPS.cure)
    return found


def at_once(clusters: int, nodes: int, available: int | None) -> int:
    """How many clusters to make at once, at least one.

    Args:
        clusters: how many are to be made.
        nodes: how many nodes each has.
        available: bytes of memory that are free; None if that is not known.
    """
    if available is None:
        return 1
    return max(1, min(clusters, available // (NODE_MEMORY * nodes)))


def config(name: str, labels: Mapping[str, str], shape: Shape = ONE_NODE) -> Object:
    """What kind reads to make a cluster: its config of version v1alpha4.

    Args:
        name: of the cluster.
        labels: of its nodes. The kubelet sets them itself, and so none of them may be of
            `kubernetes.io`.
        shape: what it is made of.
    """
    node: Object = {"labels": dict(labels), **({"image": shape.image} if shape.image else {})}
    ports = [
        {
            "containerPort": port.container,
            **({"hostPort": port.host} if port.host else {}),
            "listenAddress": port.address,
            "protocol": port.protocol,
        }
        for port in shape.ports
    ]
    first = {"role": "control-plane", **node, **({"extraPortMappings": ports} if ports else {})}
    workers = [{"role": "worker", **node} for _ in range(shape.workers)]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": name,
        "nodes": [first, *workers],
    }
