"""Git over HTTPS: `git clone`, `git fetch` and `git push`, with a name and a token.

Git's own `git http-backend` speaks the protocol. This module decides who may ask it for what, and
carries the bytes between the connection and the process, piece by piece: no pack is ever whole in
memory. What is pushed takes the way of every push: Git receives it and runs the hooks.

Source: git-http-backend(1); gitprotocol-http(5), "Smart Clients"; RFC 3875 (CGI); RFC 7617 (Basic).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import ssl
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import parse_headers
from io import BytesIO

from aiohttp import web
from aiohttp.typedefs import Handler

from gitops_lab.forge import upkeep
from gitops_lab.forge.accounts import Account, Accounts
from gitops_lab.forge.command import environment
from gitops_lab.forge.connections import Clients
from gitops_lab.forge.repository import Forge, Repository
from kubesim.http.listener import Listener

FETCH, PUSH = "git-upload-pack", "git-receive-pack"
"""What Git calls its two services. They are named from the server's side."""

PIECE = 1 << 16
"""How much is carried at once, in bytes."""

_PROTOCOL = re.compile(r"version=[0-2]")
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="gitops-lab", charset="UTF-8"'}


@dataclass(frozen=True)
class Limits:
    """How much a client may ask for.

    Args:
        push: the bytes of one push, unpacked if they came packed with gzip.
        fetch: the bytes of one request to fetch, likewise. Git reads it into memory, and reads no
            more than 10 MiB (GIT_HTTP_MAX_REQUEST_BUFFER).
        patience: how long a client may neither send nor take anything, in seconds.
        grace: how long Git may take to end once its client is gone, in seconds; and requests, once
            the server has to stop. A push that has come whole may take as long as it needs.
        processes: how many requests are served at once; the others wait.
    """

    push: int = 512 << 20
    fetch: int = 10 << 20
    patience: float = 60.0
    grace: float = 5.0
    processes: int = 16


def url(address: str, repository: str, *, account: str = "") -> str:
    """The address for `git clone`.

    Args:
        address: host and port of the server, such as `127.0.0.1:8443`.
        repository: the repository's name.
        account: whose token Git asks for; if empty, Git asks for the name, too. A token has
            no place in an address: it would stay in the clone's configuration.
    """
    return f"https://{account}{'@' if account else ''}{address}/{repository}.git"


def application(
    forge: Forge, accounts: Accounts, *, limits: Limits | None = None
) -> web.Application:
    """The web application that serves a forge's repositories to these accounts.

    Serve it over TLS only: name and token are readable in every request.
    """
    return _SmartHttp(forge, accounts, limits or Limits()).application()


class GitServer:
    """A forge's repositories at an address on this machine.

    Args:
        forge: the repositories; those made later are served, too.
        accounts: who may do what; later changes count at once.
        tls: the server's certificate and key.
        limits: how much a client may ask for.
    """

    def __init__(
        self,
        forge: Forge,
        accounts: Accounts,
        *,
        tls: ssl.SSLContext,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._application = application(forge, accounts, limits=self._limits)
        self._application.middlewares.append(self._hear)
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._clients: Clients | None = None
        self._listener: Listener | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Begin to listen, at a free port if none is named; the port.

        Raises:
            OSError: the port is taken.
        """
        self._runner = web.AppRunner(
            self._application,
            access_log=None,
            shutdown_timeout=self._limits.grace,
            keepalive_timeout=self._limits.patience,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        clients = self._clients = Clients(self._runner.server)
        self._listener = Listener(
            clients.connect,
            self._tls,
            open_connections=clients.count,
            make_room=clients.make_room,
        )
        return await self._listener.start(host, port)

    async def stop(self) -> None:
        """Let what is under way come to its end for a while, then end every connection.

        A push that has come whole goes on even then, and its hook leaves its event in the spool.
        """
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.stop()
        if self._clients is not None:
            self._clients.forget()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _hear(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A connection that has sent a request is silent no longer."""
        if self._clients is not None:
            self._clients.heard(request.protocol)
        return await handler(request)


class _SmartHttp:
    def __init__(self, forge: Forge, accounts: Accounts, limits: Limits) -> None:
        self._forge, self._accounts, self._limits = forge, accounts, limits
        self._slots = asyncio.Semaphore(limits.processes)
        self._may_pack = False
        self._packing: dict[str, asyncio.Task[None]] = {}

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/{name}.git/info/refs", self.advertise, allow_head=False)
        application.router.add_post(f"/{{name}}.git/{{service:{FETCH}|{PUSH}}}", self.exchange)
        application.cleanup_ctx.append(self._packs)
        return application

    async def advertise(self, request: web.Request) -> web.StreamResponse:
        """List the branches: every fetch and every push begins with this."""
        service = request.query.get("service", "")
        account, repository = self._admit(request, service)
        if service not in (FETCH, PUSH):
            raise web.HTTPForbidden(text="this server speaks the smart protocol only\n")
        return await self._serve(request, account, repository, service, "info/refs")

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        """Take a push, or give what was asked for."""
        service = request.match_info["service"]
        account, repository = self._admit(request, service)
        if request.content_type != f"application/x-{service}-request":
            raise web.HTTPUnsupportedMediaType(text=f"this is no request to {service}\n")
        if (request.content_length or 0) > self._largest(service):
            raise self._too_large(service)
        return await self._serve(request, account, repository, service, service)

    def _admit(self, request: web.Request, service: str) -> tuple[Account, Repository]:
        """Who asks, and for which repository, if they may.

        The name in the address is looked up among the known repositories and never used as a path.
        """
        account = self._accounts.authenticate(request.headers.get("Authorization", ""))
        if account is None:
            raise web.HTTPUnauthorized(
                headers=_CHALLENGE, text="say who you are: an account's name and its token\n"
            )
        repository = self._forge.repositories.get(request.match_info["name"])
        if repository is None or not account.may("read", repository.name):
            # One answer for both: without the right to read it, its existence is not shown.
            raise web.HTTPNotFound(text=f"{account.name} knows no such repository\n")
        if service == PUSH and not account.may("write", repository.name):
            raise web.HTTPForbidden(text=f"{account.name} may read {repository.name} only\n")
        if not repository.reachable:
            raise web.HTTPServiceUnavailable(text=f"{repository.name} does not answer\n")
        return account, repository

    async def _serve(
        self,
        request: web.Request,
        account: Account,
        repository: Repository,
        service: str,
        path: str,
    ) -> web.StreamResponse:
        variables = self._variables(request, account, repository, service, path)
        async with self._slots:
            if service == PUSH:
                with self._receiving(repository):
                    return await self._answer(request, service, variables)
            return await self._answer(request, service, variables)

    async def _answer(
        self, request: web.Request, service: str, variables: Mapping[str, str]
    ) -> web.StreamResponse:
        process = await _backend(variables)
        is_whole = False
        try:
            await self._feed(request, process, service)
            is_whole = True
            return await self._relay(request, process)
        finally:
            # A push that came whole is done, with or without a client: its hook must run.
            grace = None if is_whole and service == PUSH else self._limits.grace
            await _end(process, hang_up=service == PUSH, grace=grace)

    @contextmanager
    def _receiving(self, repository: Repository) -> Iterator[None]:
        """Count a push while it lasts; after the last, the repository is packed if it needs it."""
        repository.pushes += 1
        try:
            yield
        finally:
            repository.pushes -= 1
            name, path = repository.name, repository.path
            is_free = self._may_pack and not repository.pushes and name not in self._packing
            if is_free and upkeep.needs_packing(path):
                task = self._packing[name] = asyncio.ensure_future(upkeep.pack(path))
                task.add_done_callback(lambda _: self._packing.pop(name))

    async def _packs(self, _: web.Application) -> AsyncIterator[None]:
        """While the server runs, repositories are packed; nothing of that stays behind."""
        self._may_pack = True
        yield
        self._may_pack = False
        for task in [*self._packing.values()]:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _variables(
        self,
        request: web.Request,
        account: Account,
        repository: Repository,
        service: str,
        path: str,
    ) -> Mapping[str, str]:
        """What Git learns of the request. All of it is made here, nothing copied from a client."""
        inherited = {
            name: value
            for name, value in environment().items()
            if not name.startswith(("CONTENT_", "HTTP_", "PATH_", "REMOTE_"))
        }
        protocol = request.headers.get("Git-Protocol", "")
        return {
            **inherited,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(repository.path.parent),
            "PATH_INFO": f"/{repository.path.name}/{path}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": f"service={service}" if request.method == "GET" else "",
            "CONTENT_TYPE": f"application/x-{service}-request",
            # Whom hooks see, and whom Git asks for before it takes a push.
            "REMOTE_USER": account.name,
            "REMOTE_ADDR": request.remote or "",
            **({"GIT_PROTOCOL": protocol} if _PROTOCOL.fullmatch(protocol) else {}),
        }

    async def _feed(self, request: web.Request, process: Process, service: str) -> None:
        """Pass the request's body to Git; the server has undone gzip already."""
        assert process.stdin is not None
        received = 0
        while True:
            try:
                async with asyncio.timeout(self._limits.patience):
                    piece = await request.content.readany()
            except TimeoutError:
                raise web.HTTPRequestTimeout(
                    text="the rest of the request did not come\n"
                ) from None
            except (web.RequestPayloadError, OSError) as error:
                raise web.HTTPBadRequest(text="the request's body is torn\n") from error
            if not piece:
                break
            received += len(piece)
            if received > self._largest(service):
                raise self._too_large(service)
            try:
                process.stdin.write(piece)
                async with asyncio.timeout(self._limits.patience):
                    await process.stdin.drain()
            except TimeoutError:
                raise web.HTTPGatewayTimeout(text="git takes no more of the request\n") from None
            except OSError:
                break  # Git does not want the rest, and its answer says why.
        process.stdin.close()

    async def _relay(self, request: web.Request, process: Process) -> web.StreamResponse:
        """Pass Git's answer to the client."""
        assert process.stdout is not None
        try:
            head = await process.stdout.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise web.HTTPBadGateway(text="git gave no answer\n") from error
        headers = dict(parse_headers(BytesIO(head)).items())
        status = int(headers.pop("Status", "200").split()[0])
        response = web.StreamResponse(status=status, headers=headers)
        try:
            await response.prepare(request)
            while piece := await process.stdout.read(PIECE):
                async with asyncio.timeout(self._limits.patience):
                    await response.write(piece)
        except OSError:  # gone; or a TimeoutError: takes nothing any more
            if request.transport is not None:
                request.transport.abort()
        return response

    def _largest(self, service: str) -> int:
        return self._limits.push if service == PUSH else self._limits.fetch

    def _too_large(self, service: str) -> web.HTTPException:
        largest = self._largest(service)
        return web.HTTPRequestEntityTooLarge(
            largest, largest, text=f"a request to {service} may have {largest} bytes at most\n"
        )


async def _backend(variables: Mapping[str, str]) -> Process:
    try:
        # A session of its own, so that all that it starts can be ended together.
        return await asyncio.create_subprocess_exec(
            "git", "http-backend",
            stdin=PIPE, stdout=PIPE, env=variables, start_new_session=True, limit=PIECE,
        )  # fmt: skip
    except OSError as error:
        raise web.HTTPServiceUnavailable(text="git cannot be started on the server\n") from error


async def _end(process: Process, *, hang_up: bool, grace: float | None) -> None:
    """See that no process stays behind.

    Args:
        process: what to end.
        hang_up: end it by hanging up alone: then Git takes away what it stored of a push that
            broke off, which it does not when it is killed. A fetch stores nothing.
        grace: how long that may take, in seconds; None is as long as it needs.
    """
    assert process.stdin is not None
    process.stdin.close()
    if not hang_up:
        _signal(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(grace):
            await _drain(process)
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        await _drain(process)


async def _drain(process: Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(PIECE):
        pass
    await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """To the process and all that it started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
