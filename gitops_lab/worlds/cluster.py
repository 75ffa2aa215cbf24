"""The cluster of an arm, as a world uses it: simulated in this process, behind HTTPS, or real."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import ADMINISTRATORS, Cluster, Credentials
from kubesim.http.metrics import Family

OBSERVER = Credentials("observer", inside=True, groups=ADMINISTRATORS)
"""Who watches: sees everything, even while the cluster cannot be reached from outside."""

LEARNER = Credentials("learner", inside=False, groups=ADMINISTRATORS)
"""The person whose world it is."""


class AdminConnection(Cluster, Protocol):
    """A connection that may do everything, for people and watchers."""

    def find_kind(self, kind: str) -> tuple[str, str, bool] | None:
        """Group, kind and whether it lives in namespaces, of a kind in any case; None if none."""

    def kinds(self) -> list[tuple[str, str]]:
        """Group and kind of all whose objects can be listed and deleted, as of now."""


class DeployerConnection(Cluster, Protocol):
    """A connection with the rights of a deployer."""

    def impersonate(self, user: str) -> Cluster:
        """The same cluster as another user; whether that is allowed, the API server decides."""


class ArmCluster(Protocol):
    """A cluster of an arm."""

    name: str

    reports_changes: bool
    """Whether it reports changes by itself; if not, a watcher has to look at it again and again."""

    home: str
    """The only namespace that may be used; empty if the whole cluster may."""

    @property
    def step(self) -> Callable[[float], float | None] | None:
        """What the clock has to drive; None for a cluster that runs by itself."""

    @property
    def url(self) -> str:
        """The address of its API server, from outside; empty if it has none."""

    @property
    def troubles(self) -> Iterable[str]:
        """What fails in it again and again, in sentences."""

    def connect(self, holder: Credentials) -> AdminConnection:
        """A connection of its own, for one thread."""

    def deployer_connection(self, holder: Credentials, folder: Path | None) -> DeployerConnection:
        """A connection with a deployer's own credentials.

        Args:
            holder: the deployer.
            folder: where the credentials are kept, if they are files.
        """

    def user(self, holder: Credentials) -> str:
        """As whom the cluster knows the holder."""

    def on_change(self, listener: Callable[[ObjectKey], None]) -> None:
        """Call a listener with the key of each object that changes, if it reports changes."""

    def pod_of(self, namespace: str, controller: str) -> str:
        """The uid of the ready pod of a Deployment; empty if it has none."""

    def is_reachable(self) -> bool:
        """Whether it can be reached from outside."""

    def disconnect(self) -> None:
        """Cut it off from everything outside.

        Raises:
            UsageError: that cannot be done.
        """

    def reconnect(self) -> None:
        """Let it be reached from outside again."""


class OwnedCluster(ArmCluster, Protocol):
    """A cluster of an arm in a world on the clock on the wall, which has a folder and an address.

    `metrics` are called for what `/metrics` shows beside what the API server counts.
    """

    folder: Path
    ports: tuple[int, int]
    metrics: list[Callable[[], Iterable[Family]]]

    async def start(self, ports: tuple[int, int] = ...) -> None:
        """See that it answers, at the ports where it answered before if it did."""

    async def stop(self) -> None:
        """End every connection to it."""

    def admin(self) -> Object:
        """A kubeconfig whose holder may do everything."""
