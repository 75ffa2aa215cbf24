"""The HTTP API of a sandbox's process, on loopback: for the command line, pages and labs.

Every request carries the token (`Authorization: Bearer …`); bodies and answers are JSON.

- `POST /api/v1/ACTION` does something: `{"answer": …}`. The actions are in `ACTIONS`.
- `GET /api/v1/status` is the same as `POST /api/v1/status`, for browsers and `curl`.
- `GET /api/v1/journal?since=N`: `{"entries": […], "next": M}`; begin with 0, go on with `next`.
- `GET /api/v1/events?since=N`: server-sent events. `entry` is a journal entry, whose `id` is the
  position to go on from (`Last-Event-ID`); `status` is what is true, whenever that changes.

An error is `{"error": {"kind": "usage" or "fault", "what": …, "where": …, "fix": …}}`.

Source: HTML Living Standard, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from gitops_lab.errors import LabError, UsageError
from gitops_lab.journal import Entry
from gitops_lab.model import Revision
from gitops_lab.state import error_to
from gitops_lab.worlds.live import LiveWorld
from gitops_lab.worlds.secrets import holdings, set_secret

BIGGEST = 16 * 2**20
"""The longest body of a request, in bytes."""

LOOK = 0.1
"""How often the event stream looks for news, in seconds."""

KEEP_ALIVE = 15.0
"""How long the event stream is silent at most, in seconds."""

Action = Callable[[LiveWorld, Mapping[str, Any]], Any]


def _arms(what: str) -> Action:
    """An action on some arms, or on all."""

    def action(world: LiveWorld, given: Mapping[str, Any]) -> None:
        getattr(world, what)(*given.get("arms") or ())

    return action


def _commit(world: LiveWorld, given: Mapping[str, Any]) -> str:
    files = given["files"]
    return world.commit(given["message"], {path: files[path] for path in files}).commit


def _drift(world: LiveWorld, given: Mapping[str, Any]) -> None:
    world.drift(given["object"], given.get("patch"), *given.get("arms") or ())


def _revert(world: LiveWorld, given: Mapping[str, Any]) -> str:
    revision: Revision = world.revert()
    return revision.commit


ACTIONS: Mapping[str, Action] = {
    "status": lambda world, given: world.state(),
    "description": lambda world, given: world.description(),
    "pause": _arms("pause"),
    "resume": _arms("resume"),
    "disconnect": _arms("disconnect"),
    "reconnect": _arms("reconnect"),
    "step": lambda world, given: world.step(given["arm"]),
    "why": lambda world, given: world.why(given["arm"], given.get("object", "")),
    "commit": _commit,
    "revert": _revert,
    "drift": _drift,
    "secrets": lambda world, given: [vars(each) for each in holdings(world)],
    "set_secret": lambda world, given: set_secret(
        world, given["secret"], given["value"], by=given["by"], arm=given.get("arm", "")
    ),
    "chapter": lambda world, given: world.chapter(given["title"]),
}
"""What can be asked for, by name: called with the world and the request's body."""


class Service:
    """The API of one world.

    Args:
        world: the world.
        token: what every request must carry.
        end: ends the process.
    """

    def __init__(self, world: LiveWorld, token: str, end: Callable[[], None]) -> None:
        self._world, self._token, self._end = world, token.encode(), end
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen on loopback, with the certificate of the world's Git server; the port."""
        application = web.Application(
            middlewares=[self._errors, self._authenticate], client_max_size=BIGGEST
        )
        application.add_routes(
            [
                web.get("/api/v1/status", self._status),
                web.get("/api/v1/journal", self._journal),
                web.get("/api/v1/events", self._events),
                web.post("/api/v1/{action}", self._act),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        server = self._world.server
        await web.TCPSite(self._runner, server.address_host, 0, ssl_context=server.tls()).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """End every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    # -- middleware ------------------------------------------------------------------------------

    @web.middleware
    async def _errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer every error as JSON; none of them ends the process."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _refusal(LabError(f"{error.reason}: {request.path}"), error.status)
        except UsageError as error:
            return _refusal(error, 400)
        except LabError as error:
            return _refusal(error, 409)
        except (KeyError, TypeError, ValueError) as error:
            return _refusal(UsageError(f"the request was not understood: {error!r}"), 400)

    @web.middleware
    async def _authenticate(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not hmac.compare_digest(token.encode(), self._token):
            raise web.HTTPUnauthorized
        return await handler(request)

    # -- handlers --------------------------------------------------------------------------------

    async def _act(self, request: web.Request) -> web.Response:
        name = request.match_info["action"]
        if name == "stop":
            self._end()
            return web.json_response({"answer": None})
        if name not in ACTIONS:
            raise web.HTTPNotFound
        given = await request.json() if request.can_read_body else {}
        answer = ACTIONS[name](self._world, given)
        if inspect.isawaitable(answer):
            answer = await answer
        return web.json_response({"answer": answer})

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response({"answer": self._world.state()})

    async def _journal(self, request: web.Request) -> web.Response:
        journal = self._world.journal
        entries = journal.since(_position(request))
        return web.json_response(
            {"entries": [_as_json(entry) for entry in entries], "next": len(journal)}
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events, until the client or the process leaves."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        journal, position = self._world.journal, _position(request)
        status: dict[str, Any] = {}
        silent = 0.0
        while True:
            pieces = []
            entries = journal.since(position)
            first = len(journal) - len(entries)
            for number, entry in enumerate(entries, first + 1):
                pieces.append(_event("entry", json.dumps(_as_json(entry)), number))
            position = len(journal)
            state = self._world.state()
            now = state.pop("now")
            if state != status:
                status = state
                pieces.append(_event("status", json.dumps({**state, "now": now})))
            silent += LOOK
            if not pieces and silent >= KEEP_ALIVE:
                pieces.append(": nothing new\n\n")
            if pieces:
                silent = 0.0
                try:
                    await response.write("".join(pieces).encode())
                except ConnectionError:
                    return response
            await asyncio.sleep(LOOK)


def _position(request: web.Request) -> int:
    return int(request.headers.get("Last-Event-ID") or request.query.get("since") or 0)


def _event(name: str, data: str, number: int | None = None) -> str:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {data}\n\n"


def _as_json(entry: Entry) -> Any:
    return json.loads(entry.to_json())


def _refusal(error: LabError, status: int) -> web.Response:
    return web.json_response({"error": error_to(error)}, status=status)
