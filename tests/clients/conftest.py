"""A cluster behind HTTPS that lives while the tests run, and the official client for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from kubesim.clock import WallClock
from kubesim.store import WINDOW
from tests.served import Served

SPEED = 20
"""Seconds of the cluster's time in one of ours."""

PATIENCE = 60.0
"""How long something may take on a busy machine, in seconds, before it counts as not happening."""

_numbers = count(1)


class Live(Served):
    """A cluster whose time passes by itself."""

    def __init__(self) -> None:
        clock = WallClock(speed=SPEED)
        super().__init__(clock)
        self._life = asyncio.run_coroutine_threadsafe(clock.run(), self._loop)

    def stop(self) -> None:
        self._life.cancel()
        super().stop()

    def disconnect(self, key: tuple[str, str, str, str]) -> None:
        """Break the connections of those who watch a resource, as a network does now and then.

        Args:
            key: of an object of that resource; it is written once more.
        """

        async def write() -> None:
            self.simulated.reachable = False
            self._write(key)
            await asyncio.sleep(0.1)
            self.simulated.reachable = True

        self.on_loop(write())

    def forget(self, key: tuple[str, str, str, str]) -> None:
        """Write an object so often that no watch from before can go on."""

        async def write() -> None:
            for _ in range(WINDOW + 1):
                self._write(key)

        self.on_loop(write())

    def _write(self, key: tuple[str, str, str, str]) -> None:
        store = self.api.store
        obj = store.get(key)
        assert obj is not None
        store.update(key, obj)


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until something holds; what it answered."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    made = Live()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def kubeconfig(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return live.kubeconfig(tmp_path_factory.mktemp("home") / "config")


@pytest.fixture
def configuration(kubeconfig: Path) -> client.Configuration:
    """What `load_kube_config` makes of the administrator's kubeconfig."""
    made = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=made, persist_config=False)
    made.proxy = None
    return made


@pytest.fixture
def api(configuration: client.Configuration) -> Iterator[client.ApiClient]:
    with client.ApiClient(configuration) as made:
        yield made
        made.rest_client.pool_manager.clear()


@pytest.fixture
def namespace(api: client.ApiClient) -> Iterator[str]:
    """Where this test, and no other, puts its objects."""
    name = f"client-{next(_numbers)}"
    core = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": name}})
    account = "default"
    until(
        lambda: [
            each
            for each in core.list_namespaced_service_account(name).items
            if each.metadata.name == account
        ],
        "the namespace has its ServiceAccount",
    )
    yield name
    core.delete_namespace(name)
