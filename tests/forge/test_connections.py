"""Clients that open connections to the Git server and say nothing keep others out for no time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gitops_lab.forge import Forge
from gitops_lab.forge.accounts import Accounts
from gitops_lab.forge.smart_http import GitServer
from kubesim.auth import Authority
from kubesim.http import connections, listener
from kubesim.http.server import tls

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
ASK = b"GET /app.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: forge\r\n\r\n"


class World:
    """A Git server, and clients of it."""

    def __init__(self, port: int, authority: Authority) -> None:
        self.port, self._tls = port, ssl.create_default_context(cadata=authority.ca_pem)
        self._opened: list[asyncio.StreamWriter] = []

    async def connect(self, *, shake: bool = True) -> Connection:
        context = self._tls if shake else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        self._opened.append(writer)
        return reader, writer

    async def close(self) -> None:
        """Leave, as clients do that are ended."""
        for writer in self._opened:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def ask(self, connection: Connection | None = None) -> bytes:
        """The first line of the answer."""
        reader, writer = connection or await self.connect()
        writer.write(ASK)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        await reader.readexactly(length)
        return head.partition(b"\r\n")[0]


async def is_ended(connection: Connection) -> bool:
    try:
        return not await connection[0].read(1)
    except OSError:
        return True


def run(forge: Forge, scenario: Callable[[World], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        authority = Authority.create(now=time.time())
        context = tls(authority, ["127.0.0.1"])
        context.verify_mode = ssl.CERT_NONE
        server = GitServer(forge, Accounts(), tls=context)
        world = World(await server.start(), authority)
        try:
            async with asyncio.timeout(20):
                await scenario(world)
        finally:
            await server.stop()
            await world.close()

    asyncio.run(all_of_it())


def test_one_that_is_silent_after_its_handshake_is_ended_and_one_that_asked_is_not(
    forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "ASK_WITHIN", 0.5)

    async def scenario(world: World) -> None:
        asked = await world.connect()
        assert b" 401 " in await world.ask(asked)
        assert await is_ended(await world.connect())
        assert b" 401 " in await world.ask(asked)

    run(forge, scenario)


def test_those_without_a_handshake_are_few_and_end(
    forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_HANDSHAKES", 5)
    monkeypatch.setattr(listener, "SHAKE_WITHIN", 0.2)

    async def scenario(world: World) -> None:
        silent = [await world.connect(shake=False) for _ in range(20)]
        assert b" 401 " in await world.ask()  # once those before it have timed out
        for connection in silent:
            assert await is_ended(connection)

    run(forge, scenario)


def test_those_that_never_ask_make_room_for_others(
    forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_OPEN", 5)

    async def scenario(world: World) -> None:
        asked = await world.connect()
        assert b" 401 " in await world.ask(asked)
        silent = [await world.connect() for _ in range(10)]
        assert await is_ended(silent[0])
        assert b" 401 " in await world.ask()
        assert b" 401 " in await world.ask(asked)  # a connection that asked stays

    run(forge, scenario)


def test_a_server_stops_though_clients_are_silent(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.connect()
        await world.connect(shake=False)

    begun = time.monotonic()
    forge = Forge(tmp_path / "forge", now=lambda: 0)
    run(forge, scenario)
    assert time.monotonic() - begun < 5
