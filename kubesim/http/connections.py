"""Connections: how long one may be silent, and what it is told that does not speak HTTP."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from kubesim import refusals
from kubesim.errors import ApiError
from kubesim.http.answers import refusal

ASK_WITHIN = 30.0
"""Seconds of real time a client has to send the head of its first request. Source: kube-apiserver
(`ReadHeaderTimeout`, 32 s)."""

_log = logging.getLogger(__name__)

LAST_TURNS = 100
"""How many turns of the event loop a connection that is broken off has to notice."""


class Connection(web.RequestHandler):
    """A connection that answers with a Status even what is no request."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is answered where no request came to be, or its handler failed; then it is over."""
        if not isinstance(exc, HttpProcessingError):
            _log.error("%s %s", request.method, request.path, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("half an answer is sent already")
        if isinstance(exc, LineTooLong):
            error = ApiError(431, "", "the head of the request is too large")
        elif isinstance(exc, HttpProcessingError):
            why = " ".join((message or "").partition("\n")[0].rstrip(":").split())
            error = refusals.bad_request(f"the request is no HTTP: {why}")
        else:
            error = ApiError(500, "InternalError", "an error on the server")
        answer = refusal(error)
        response = web.Response(body=answer.body, status=answer.code, content_type=answer.media)
        response.force_close()
        return response


class Connections(web.Server):
    """All connections of a server, which waits for the first request of each, but not for ever.

    (For the next one it waits as long as aiohttp keeps connections alive.)
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._timers: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        self._open: dict[web.RequestHandler, asyncio.Transport] = {}

    def __call__(self) -> Connection:
        """A new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Begin to wait for a request."""
        super().connection_made(handler, transport)
        self._open[handler] = transport
        loop = asyncio.get_running_loop()
        self._timers[handler] = loop.call_later(ASK_WITHIN, transport.abort)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Forget it."""
        self.calm(handler)
        self._open.pop(handler, None)
        super().connection_lost(handler, exc)

    async def let_go(self) -> None:
        """End the connections that are left: a client that keeps its own alive ends none."""
        for transport in self._open.values():
            transport.abort()
        for _ in range(LAST_TURNS):
            if not self._open:
                return
            await asyncio.sleep(0)

    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def make_room(self) -> None:
        """End the connection that has waited longest without ever having sent a request."""
        oldest = next(iter(self._timers), None)
        if oldest is not None:
            self._open[oldest].abort()
            self._open.pop(oldest)
            self.calm(oldest)

    def calm(self, handler: web.RequestHandler) -> None:
        """A request has come, or none will."""
        timer = self._timers.pop(handler, None)
        if timer is not None:
            timer.cancel()
