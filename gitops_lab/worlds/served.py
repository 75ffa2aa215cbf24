"""A simulated cluster behind HTTPS, which outlives its process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.simulated import SimulatedCluster, SimulatedConnection
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Credentials
from gitops_lab.worlds.listening import listen
from kubesim.auth import Authenticator, Authority, Tokens
from kubesim.auth.kubeconfig import kubeconfig, write
from kubesim.clock import WallClock
from kubesim.http.metrics import Family, Tally
from kubesim.http.server import Server
from kubesim.persistence import Log

TOKEN_SECONDS = 365 * 86_400
"""How long an agent's token is good. In a real cluster the kubelet renews it every hour."""


class ServedCluster:
    """A simulated cluster behind HTTPS on loopback, at two addresses.

    The one outside may be cut off (`simulated.reachable`); the one inside always answers.

    Args:
        name: what people call it.
        folder: where its objects and keys are kept; it goes on with those that are there.
        clock: tells it the time.
        random: draws what a cluster draws.
        note: called with a sentence that people should read; it is no error.

    Raises:
        LabError: what is kept is damaged, or another process uses it.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        clock: WallClock,
        random: Random,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.name, self.folder, self.clock, self._note = name, folder, clock, note
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.authority = kept_authority(folder / "pki", now=clock.wall())
        self._log = Log(folder / "store", notify=note)
        self.simulated = SimulatedCluster(
            name,
            clock=clock,
            random=random,
            store=self._log.store,
            certificate=self.authority.ca_pem,
            sign=lambda request, seconds: self.authority.sign(
                request, now=clock.wall(), seconds=seconds
            ),
            token_key=self.authority.token_key,
            stopwatch=clock.stopwatch,
        )
        api = self.simulated.api
        self.tokens = Tokens(self.authority.token_key, api.store, rng=random)
        authenticator, authorizer = Authenticator(self.tokens), self.simulated.authorizer
        tally = Tally()
        self.metrics: list[Callable[[], Iterable[Family]]] = []
        """What `/metrics` shows beside what the servers count."""
        self._outside, self._inside = (
            Server(
                api,
                authority=self.authority,
                authenticator=authenticator,
                authorizer=authorizer,
                now=clock.now,
                reachable=reachable,
                applications=self.simulated.applications,
                tally=tally,
                families=lambda: chain.from_iterable(each() for each in self.metrics),
            )
            for reachable in (lambda: self.simulated.reachable, lambda: True)
        )
        self.ports = (0, 0)
        """Where it listens: to those outside, and to those inside."""

        self._connections: list[KubeconfigCluster] = []

    home = ""
    reports_changes = True

    async def start(self, ports: tuple[int, int] = (0, 0)) -> None:
        """Begin to listen.

        Args:
            ports: where it listened before, if it did; others, if these are taken.
        """
        self.ports = (
            await listen(self._outside, ports[0], what=f"cluster {self.name}", note=self._note),
            await listen(
                self._inside, ports[1], what=f"the inside of {self.name}", note=self._note
            ),
        )

    async def stop(self) -> None:
        """End every connection, and let go of what is kept."""
        for connection in self._connections:
            connection.close()
        await self._outside.stop()
        await self._inside.stop()
        self._log.close()

    @property
    def step(self) -> Callable[[float], float | None]:
        """What the clock has to drive."""
        return self.simulated.step

    @property
    def troubles(self) -> Iterable[str]:
        """What fails in it again and again, in sentences."""
        return self.simulated.troubles

    def connect(self, holder: Credentials) -> SimulatedConnection:
        """The cluster as the holder of these credentials sees it from within this process."""
        return self.simulated.connect(holder)

    def deployer_connection(self, holder: Credentials, folder: Path | None) -> KubeconfigCluster:
        """A connection over HTTPS with a deployer's own credentials, which a file keeps."""
        assert folder is not None
        path, cache = folder / "deployer.kubeconfig", folder / "discovery.json"
        write(self.credentials(holder), path)
        cache.unlink(missing_ok=True)  # an older process's
        self._connections.append(KubeconfigCluster(self.name, path, cache=cache))
        return self._connections[-1]

    def pod_of(self, namespace: str, controller: str) -> str:
        """The uid of the ready pod of a Deployment; empty if it has none."""
        prefix = f"{controller}-"
        for pod in self.simulated.api.store.list("", "pods", namespace):
            metadata = pod["metadata"]
            conditions = pod.get("status", {}).get("conditions") or ()
            owners = [owner["name"] for owner in metadata.get("ownerReferences") or ()]
            if (
                any(name.startswith(prefix) and "-" not in name[len(prefix) :] for name in owners)
                and "deletionTimestamp" not in metadata
                and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
            ):
                uid: str = metadata["uid"]
                return uid
        return ""

    def on_change(self, listener: Callable[[ObjectKey], None]) -> None:
        """Tell a listener the key of each object that is created, changed or deleted."""
        self.simulated.on_change(listener)

    def is_reachable(self) -> bool:
        """Whether those outside can reach it."""
        return self.simulated.reachable

    def disconnect(self) -> None:
        """Cut it off from everything outside; what is inside still reaches it."""
        self.simulated.reachable = False

    def reconnect(self) -> None:
        """Let those outside reach it again."""
        self.simulated.reachable = True

    def user(self, holder: Credentials) -> str:
        """As whom the cluster knows the holder."""
        return holder.user

    @property
    def url(self) -> str:
        """The address outside the cluster."""
        return f"https://127.0.0.1:{self.ports[0]}"

    @property
    def inside_url(self) -> str:
        """The address inside the cluster."""
        return f"https://127.0.0.1:{self.ports[1]}"

    def admin(self) -> Object:
        """A kubeconfig whose holder may do everything."""
        certificate = self.authority.issue_client("admin", ("system:masters",))
        return kubeconfig(
            self.url,
            self.authority.ca_pem,
            certificate=certificate,
            cluster=self.name,
            user=f"{self.name}-admin",
        )

    def credentials(self, holder: Credentials) -> Object:
        """A kubeconfig for a deployer: a certificate for a pipeline, a token for an agent.

        Args:
            holder: who it is, and from which side it comes; an agent's ServiceAccount exists.
        """
        account = holder.account
        if account is None:
            proof: dict[str, Any] = {"certificate": self.authority.issue_client(holder.user)}
        else:
            now = self.clock.now()
            proof = {"token": self.tokens.issue(*account, now=now, seconds=TOKEN_SECONDS)}
        url = self.inside_url if holder.inside else self.url
        return kubeconfig(url, self.authority.ca_pem, cluster=self.name, user=holder.user, **proof)


def kept_authority(folder: Path, *, now: float) -> Authority:
    """The authority that a folder keeps; a new one if there is none.

    Args:
        folder: there with all of it, or not there.
        now: the time on the wall, in seconds since the Unix epoch: clients compare with theirs.

    Raises:
        LabError: what is kept is damaged.
    """
    if folder.exists():
        return Authority.load(folder)
    authority = Authority.create(now=now)
    draft = folder.with_suffix(".draft")
    authority.save(draft)
    draft.rename(folder)
    return authority
