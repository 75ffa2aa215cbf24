"""A simulated cluster behind its HTTPS server, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any, TypeVar

from gitops_lab.cluster.simulated import SimulatedCluster
from kubesim.auth import (
    Authenticator,
    Authority,
    Authorizer,
    Tokens,
    bootstrap_rbac,
    kubeconfig,
)
from kubesim.auth.kubeconfig import write
from kubesim.clock import SimClock, WallClock
from kubesim.http.server import Server

T = TypeVar("T")

TIMEOUT = 60.0
"""How long the loop may take for what it is asked to do, in seconds."""


class Served:
    """A cluster for clients that block.

    Args:
        clock: drives it. In virtual time, the test moves the clock.
        seed: of what it draws.
    """

    def __init__(self, clock: SimClock | WallClock, seed: int = 1) -> None:
        random = Random(seed)
        self.authority = Authority.create(now=clock.now())
        self.simulated = SimulatedCluster(
            "served", clock=clock, random=random, certificate=self.authority.ca_pem
        )
        self.api = self.simulated.api
        bootstrap_rbac(self.api)
        task: Any = clock.drive("cluster", self.simulated.step)  # each clock has its own kind
        self.simulated.on_change(lambda key: clock.wake(task))
        self._server = Server(
            self.api,
            authority=self.authority,
            authenticator=Authenticator(
                Tokens(self.authority.token_key, self.api.store, rng=random)
            ),
            authorizer=Authorizer(self.api.store),
            now=clock.now,
            reachable=lambda: self.simulated.reachable,
            applications=self.simulated.applications,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = f"https://127.0.0.1:{self.on_loop(self._server.start())}"

    def on_loop(self, work: Coroutine[Any, Any, T], timeout: float = TIMEOUT) -> T:
        """Do something where the server does everything."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def kubeconfig(self, path: Path, user: str = "admin", *groups: str) -> Path:
        """Write the kubeconfig of a user, who may do everything unless groups are given."""
        certificate = self.authority.issue_client(user, groups or ("system:masters",))
        write(kubeconfig(self.url, self.authority.ca_pem, certificate=certificate), path)
        return path

    def stop(self) -> None:
        """End every connection, and the thread."""
        self.on_loop(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
