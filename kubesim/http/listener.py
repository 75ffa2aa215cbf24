"""Listening for TLS connections, with bounds on what clients can hold open.

asyncio gives every connection a quarter of a megabyte before its handshake and waits a minute for
it, so a few thousand silent clients fill the memory. Here only so many may be in their handshake at
once, each for a few seconds, and only so many connections may be open. A process that has no file
left to open waits and goes on.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
import ssl
from collections.abc import Callable

MOST_OPEN = 2_000
"""How many connections may be open at one address."""

MOST_HANDSHAKES = 100
"""How many connections may be in their handshake; more wait in the kernel's queue."""

SHAKE_WITHIN = 10.0
"""Seconds of real time that a handshake may take."""

BACKLOG = 1_024
"""How many connections may wait in the kernel's queue."""

RETRY = 0.5
"""Seconds until the next try after the system had no room for another connection."""

_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logging.getLogger(__name__)


def raise_file_limit() -> None:
    """Let this process open as many files as the system allows it to, up to 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Listener:
    """Accepts connections at one address.

    Args:
        factory: makes the protocol of a connection.
        context: the server's certificate and key.
        open_connections: how many connections are open now.
        make_room: is called when there are too many, and may close some.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        *,
        open_connections: Callable[[], int] = lambda: 0,
        make_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._factory, self._context = factory, context
        self._open_connections, self._make_room = open_connections, make_room
        self._handshakes: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._is_listening = False

    async def start(self, host: str, port: int) -> int:
        """Begin to accept connections; the port.

        Raises:
            OSError: the port is taken, or the address is not one of this machine.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        own = socket.socket(family, kind, protocol)
        try:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.setblocking(False)
            own.bind(address)
            own.listen(BACKLOG)
        except OSError:
            own.close()
            raise
        self._socket = own
        self._listen()
        chosen: int = own.getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Accept no more, and give up handshakes; open connections stay."""
        self._pause()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for task in self._handshakes:
            task.cancel()
        if self._handshakes:
            await asyncio.wait(self._handshakes)

    def _listen(self) -> None:
        if self._socket is not None and not self._is_listening:
            self._is_listening = True
            asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _pause(self) -> None:
        if self._socket is not None and self._is_listening:
            self._is_listening = False
            asyncio.get_running_loop().remove_reader(self._socket)

    def _accept(self) -> None:
        """Take the connections that wait, as far as there is room."""
        while self._socket is not None:
            if len(self._handshakes) >= MOST_HANDSHAKES:
                self._pause()  # one that ends its handshake listens again
                return
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                _log.warning("no room for another connection: %s", error.strerror)
                self._pause()
                asyncio.get_running_loop().call_later(RETRY, self._listen)
                return
            if self._open_connections() >= MOST_OPEN:
                self._make_room()
            if self._open_connections() >= MOST_OPEN:
                connection.close()
                continue
            connection.setblocking(False)
            task = asyncio.ensure_future(self._shake_hands(connection))
            self._handshakes.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._handshakes.discard(task)
        self._listen()

    async def _shake_hands(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=SHAKE_WITHIN,
                ssl_shutdown_timeout=SHAKE_WITHIN,
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            connection.close()
