"""A cluster behind HTTPS on loopback, in real time: for kubectl, client libraries and operators."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from kubesim.auth import Authenticator, Authority, Tokens
from kubesim.auth.kubeconfig import kubeconfig, write
from kubesim.auth.users import MASTERS
from kubesim.clock import WallClock
from kubesim.cluster import Cluster
from kubesim.controllers.images import Catalogue
from kubesim.errors import LabError
from kubesim.http.server import Server
from kubesim.model import Object

T = TypeVar("T")

STOP_WITHIN = 10.0
"""Seconds that a call on the server's thread, or its end, may take."""

TOKEN_SECONDS = 86_400


class Served:
    """A cluster and its HTTPS server, on the event loop that `start` is called on.

    Args:
        nodes: how many nodes it has.
        images: how container images behave; if None, all of them start within seconds.
        speed: how many seconds pass in the cluster in one second: 10 has a pod that takes five
            seconds be ready in half a second.
        seed: of what is drawn; drawn itself if None.

    Raises:
        UsageError: time cannot run at that speed.
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        images: Catalogue | None = None,
        speed: float = 1.0,
        seed: int | None = None,
    ) -> None:
        self.clock = WallClock(speed=speed)
        self.authority = Authority.create(now=self.clock.wall())
        rng = Random(secrets.randbits(64) if seed is None else seed)
        self.cluster = Cluster(
            now=self.clock.now,
            rng=rng,
            images=images,
            nodes=nodes,
            certificate=self.authority.ca_pem,
            sign=lambda request, seconds: self.authority.sign(
                request, now=self.clock.wall(), seconds=seconds
            ),
            token_key=self.authority.token_key,
            stopwatch=self.clock.stopwatch,
        )
        self._task = self.clock.drive("cluster", self.cluster.step)
        self.cluster.subscribe(lambda event: self.clock.wake(self._task))
        self.tokens = Tokens(self.authority.token_key, self.cluster.api.store, rng=rng)
        self._server = Server(
            self.cluster.api,
            authority=self.authority,
            authenticator=Authenticator(self.tokens),
            authorizer=self.cluster.authorizer,
            now=self.clock.now,
            applications=self.cluster.applications,
        )
        self._running: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.url = ""
        """The address of the API server, once it has started."""

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, and let time pass.

        Raises:
            LabError: the port is taken, or the address is not one of this machine.
        """
        try:
            found = await self._server.start(host, port)
        except OSError as error:
            raise LabError(
                f"cannot listen: {error.strerror}", where=f"{host}:{port}", fix="try --port 0"
            ) from error
        self.url = f"https://{host}:{found}"
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.ensure_future(self.clock.run())

    async def stop(self) -> None:
        """End every connection, and time."""
        await self._server.stop()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def kubeconfig(self, path: Path | str, user: str = "admin", *groups: str) -> Path:
        """Write a kubeconfig that only its owner can read.

        Args:
            path: where to.
            user: as whom clients prove themselves, by a certificate.
            groups: the user's; if none is given, `system:masters`, who may do everything.

        Returns:
            The path.
        """
        certificate = self.authority.issue_client(user, groups or (MASTERS,))
        return self._write(path, user, certificate=certificate)

    def account_kubeconfig(self, path: Path | str, namespace: str, name: str) -> Path:
        """Write a kubeconfig with a token of a ServiceAccount, as a pod's program has it.

        Raises:
            ApiError: 404: there is no such ServiceAccount.
        """
        token = self.tokens.issue(namespace, name, now=self.clock.now(), seconds=TOKEN_SECONDS)
        return self._write(path, name, token=token)

    def call(self, work: Callable[[Cluster], T]) -> T:
        """Do something with the cluster from another thread than the server's.

        Args:
            work: gets the cluster; must not wait.
        """

        async def run() -> T:
            return work(self.cluster)

        assert self._loop is not None, "it has not started"
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(STOP_WITHIN)

    def _write(self, path: Path | str, user: str, **proof: Any) -> Path:
        config: Object = kubeconfig(
            self.url, self.authority.ca_pem, cluster="kubesim", user=user, **proof
        )
        write(config, Path(path))
        return Path(path)


@contextmanager
def serve(
    *,
    port: int = 0,
    nodes: int = 1,
    images: Catalogue | None = None,
    speed: float = 1.0,
    seed: int | None = None,
) -> Iterator[Served]:
    """A cluster behind HTTPS in a thread of its own, for as long as the block lasts.

    Args:
        port: at which it listens on loopback; 0 for any that is free.
        nodes: as for `Served`.
        images: as for `Served`.
        speed: as for `Served`.
        seed: as for `Served`.

    Raises:
        LabError: the port is taken.
        UsageError: time cannot run at that speed.
    """
    served = Served(nodes=nodes, images=images, speed=speed, seed=seed)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="kubesim", daemon=True)
    thread.start()

    def on_loop(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(STOP_WITHIN)

    try:
        on_loop(served.start(port=port))
        try:
            yield served
        finally:
            on_loop(served.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_WITHIN)
        loop.close()
