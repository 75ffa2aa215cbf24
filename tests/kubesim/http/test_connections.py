"""What clients that say nothing, or say it slowly, cannot do to others."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kubesim.http import listener, server
from tests.kubesim.http.world import CONFIG_MAPS, Client, Scenario, World, authority, config_map


def run(folder: Path, scenario: Scenario[None]) -> None:
    async def story() -> None:
        async with World(str(folder)).served() as world, world.client() as client:
            await scenario(world, client)

    asyncio.run(story())


async def connect(world: World, *, tls: bool) -> asyncio.StreamWriter:
    host, port = world.url.removeprefix("https://").split(":")
    context = ssl.create_default_context(cadata=authority().ca_pem) if tls else None
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    return writer


async def close(writers: list[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def eventually(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def test_connections_without_a_handshake_are_few_and_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_HANDSHAKES", 5)
    monkeypatch.setattr(listener, "SHAKE_WITHIN", 0.2)

    async def scenario(world: World, client: Client) -> None:
        own = world.server._listener
        assert own is not None
        silent = [await connect(world, tls=False) for _ in range(20)]
        await eventually(lambda: len(own._handshakes) == 5)
        assert (await client.get("/healthz")).code == 200  # once those before it have timed out
        await eventually(lambda: not own._handshakes)
        await close(silent)

    run(tmp_path, scenario)


def test_connections_that_never_ask_make_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_OPEN", 5)

    async def scenario(world: World, client: Client) -> None:
        assert (await client.get("/healthz")).code == 200
        silent = [await connect(world, tls=True) for _ in range(10)]
        own = world.server._connections
        assert own is not None
        await eventually(lambda: own.count() <= 6)
        async with world.client("jane") as jane:
            assert (await jane.get("/healthz")).code == 200
        assert (await client.get(CONFIG_MAPS)).code == 200  # a connection that asked stays
        await close(silent)

    run(tmp_path, scenario)


def test_a_process_without_files_left_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "RETRY", 0.05)

    class Full:
        """A socket whose first accepts fail."""

        def __init__(self, inner: Any) -> None:
            self.inner, self.left = inner, 3

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def accept(self) -> Any:
            if self.left:
                self.left -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return self.inner.accept()

    async def scenario(world: World, client: Client) -> None:
        own = world.server._listener
        assert own is not None and own._socket is not None
        full = Full(own._socket)
        monkeypatch.setattr(own, "_socket", full)
        assert (await client.get("/healthz")).code == 200
        assert full.left == 0

    run(tmp_path, scenario)


def test_the_slow_bodies_of_one_user_keep_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_PER_USER", 3)
    monkeypatch.setattr(server, "MOST_REQUESTS", 4)

    async def scenario(world: World, client: Client) -> None:
        ended = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b'{"apiVersion": "v1", '
            await ended.wait()
            yield b'"kind": "ConfigMap", "metadata": {"name": "x"}}'

        headers = {"Content-Type": "application/json"}
        async with world.client("slow", "system:masters") as slow:
            posts = [
                asyncio.ensure_future(
                    slow.session.post(world.url + CONFIG_MAPS, data=slowly(), headers=headers)
                )
                for _ in range(3)
            ]
            await eventually(lambda: world.server._requests["slow"] == 3)
            assert (await slow.get(CONFIG_MAPS)).code == 429
            assert (await slow.get("/healthz")).code == 200
            assert (await client.post(CONFIG_MAPS, config_map("a"))).code == 201
            ended.set()
            assert {(await each).status for each in posts} == {201, 409}
        assert not world.server._requests

    run(tmp_path, scenario)
