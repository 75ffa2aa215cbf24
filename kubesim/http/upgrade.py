"""Connections that speak something else after their first request: SPDY, or WebSocket.

kubectl asks for one of three, by age: SPDY as it is, SPDY inside a WebSocket, or messages of a
WebSocket that begin with the number of a channel.

Source: apimachinery `pkg/util/httpstream/{spdy,wsstream}`, apiserver `pkg/util/proxy` (1.37), and
KEP 4006.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, cast

from aiohttp import WSMsgType, hdrs, web

from kubesim import refusals
from kubesim.errors import ApiError

SPDY = "SPDY/3.1"

TUNNEL = f"{SPDY}+"
"""In front of a protocol's name, it says that SPDY is spoken inside the WebSocket."""

VERSION = "X-Stream-Protocol-Version"
"""The header in which clients of SPDY offer protocols, and are told which one it is."""

LONGEST_MESSAGE = 1 << 20
"""How many bytes a message may have; and how many of a connection may wait to be read."""

IDLE = 4 * 3600.0
"""Seconds of real time after which a connection ends on which nothing comes. Source: kubelet
`--streaming-connection-idle-timeout`."""

WRITE_WITHIN = 30.0
"""Seconds of real time that a client has to take what it is sent."""


class Pipe(Protocol):
    """Bytes in both directions."""

    async def receive(self) -> bytes:
        """The next bytes; none at the end."""

    async def send(self, data: bytes) -> None:
        """Send bytes."""


class Session(ABC):
    """What is spoken on a connection once it is upgraded."""

    protocols: ClassVar[tuple[str, ...]]
    """By name, what is spoken on streams of SPDY."""

    channels: ClassVar[tuple[str, ...]]
    """By name, what is spoken on channels of a WebSocket."""

    @abstractmethod
    async def on_streams(self, pipe: Pipe, protocol: str) -> None:
        """Speak SPDY until one of both sides ends it."""

    @abstractmethod
    async def on_channels(self, pipe: Pipe, protocol: str) -> None:
        """Speak in messages, each with its channel's number in front, until one side ends it."""


async def serve(
    request: web.BaseRequest, session: Session, *, goes_on: Callable[[], bool]
) -> web.StreamResponse:
    """Upgrade a request's connection, and let the session have it.

    Args:
        request: asks for the upgrade.
        session: speaks from then on.
        goes_on: whether the server still answers.

    Raises:
        ApiError: 400 BadRequest, 403 Forbidden: what it asks for is not spoken here.
    """
    upgrade = request.headers.get(hdrs.UPGRADE, "").lower()
    if upgrade == "websocket":
        return await _web_socket(request, session, goes_on)
    if upgrade == SPDY.lower():
        return await _spdy(request, session, goes_on)
    raise refusals.bad_request("Upgrade request required")


async def _web_socket(
    request: web.BaseRequest, session: Session, goes_on: Callable[[], bool]
) -> web.StreamResponse:
    tunnels = [TUNNEL + each for each in session.protocols]
    offered = _listed(request, hdrs.SEC_WEBSOCKET_PROTOCOL)
    protocol = _chosen(offered, (*tunnels, *session.channels))
    socket = web.WebSocketResponse(protocols=[protocol], max_msg_size=LONGEST_MESSAGE)
    await socket.prepare(request)
    pipe = _Messages(socket, goes_on)
    if protocol in tunnels:
        await session.on_streams(pipe, protocol.removeprefix(TUNNEL))
    else:
        await session.on_channels(pipe, protocol)
    if not goes_on() and request.transport is not None:
        request.transport.abort()  # as a network that fails: without a word
    elif not socket.closed:
        await socket.close()
    return socket


async def _spdy(
    request: web.BaseRequest, session: Session, goes_on: Callable[[], bool]
) -> web.StreamResponse:
    protocol = _chosen(_listed(request, VERSION), session.protocols)
    response = web.StreamResponse(
        status=101, headers={"Connection": "Upgrade", "Upgrade": SPDY, VERSION: protocol}
    )
    response.force_close()
    await response.prepare(request)
    await session.on_streams(_Connection(request, response, goes_on), protocol)
    return response


def _listed(request: web.BaseRequest, header: str) -> list[str]:
    return [each.strip() for line in request.headers.getall(header, []) for each in line.split(",")]


def _chosen(offered: list[str], spoken: tuple[str, ...]) -> str:
    """The first protocol that is offered and spoken.

    Raises:
        ApiError: 403 Forbidden, as the real server's handshake.
    """
    for each in offered:
        if each in spoken:
            return each
    raise ApiError(
        403,
        "Forbidden",
        f"unable to upgrade: unable to negotiate protocol: client supports {offered}, "
        f"server accepts {list(spoken)}",
    )


class _Messages:
    """The messages of a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, goes_on: Callable[[], bool]) -> None:
        self._socket, self._goes_on = socket, goes_on

    async def receive(self) -> bytes:
        async with asyncio.timeout(IDLE):
            while True:
                message = await self._socket.receive()
                if not self._goes_on():
                    break
                if message.type is WSMsgType.BINARY and message.data:
                    return bytes(message.data)
                if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                    break
        return b""

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(WRITE_WITHIN):
            await self._socket.send_bytes(data)


class _Connection:
    """The bytes of a connection that has left HTTP."""

    def __init__(
        self, request: web.BaseRequest, response: web.StreamResponse, goes_on: Callable[[], bool]
    ) -> None:
        self._response, self._goes_on = response, goes_on
        self._reader = asyncio.StreamReader(limit=LONGEST_MESSAGE)
        if request.transport is not None:
            self._reader.set_transport(request.transport)
        # aiohttp hands what comes from now on to the reader, as it does for WebSockets.
        request.protocol.set_parser(cast(Any, _Feed(self._reader)))

    async def receive(self) -> bytes:
        async with asyncio.timeout(IDLE):
            data = await self._reader.read(64 * 1024)
        return data if self._goes_on() else b""

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(WRITE_WITHIN):
            await self._response.write(data)


class _Feed:
    """What aiohttp takes for a parser, in front of a stream's reader."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self._reader.feed_eof()
