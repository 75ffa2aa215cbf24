"""Connections to the Git server: how many there may be, and how long one may be silent."""

from __future__ import annotations

import asyncio

from aiohttp import web

from kubesim.http import connections


class Clients:
    """The open connections of a web server, which waits for the first request of each a while.

    That is longer than a TLS handshake may take. For the next request it waits as long as the
    server keeps connections alive.

    Args:
        server: makes the protocol of a connection, and knows those that are open.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}

    def connect(self) -> web.RequestHandler:
        """The protocol of a new connection, whose first request has to come soon."""
        client = self._server()
        later = asyncio.get_running_loop().call_later
        self._silent[client] = later(connections.ASK_WITHIN, self._end, client)
        return client

    def heard(self, client: web.RequestHandler) -> None:
        """A request has come, or none will."""
        timer = self._silent.pop(client, None)
        if timer is not None:
            timer.cancel()

    def count(self) -> int:
        """How many are open."""
        transports = (client.transport for client in self._server.connections)
        return sum(1 for each in transports if each is not None and not each.is_closing())

    def make_room(self) -> None:
        """End the connection that has waited longest without ever having sent a request."""
        oldest = next((each for each in self._silent if each.transport is not None), None)
        if oldest is not None:
            self._end(oldest)

    def forget(self) -> None:
        """End all that are silent: the server listens no more."""
        for client in [*self._silent]:
            self._end(client)

    def _end(self, client: web.RequestHandler) -> None:
        self.heard(client)
        if client.transport is not None:
            client.transport.abort()
