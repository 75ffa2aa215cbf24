"""The server: TLS, connections and time limits around the answers.

One request is: who asks (authentication, impersonation), may they (authorization), what do they
ask (the body), and what is it answered. Only the last is about Kubernetes objects, and it is done
in one go on the event loop: the verbs are quick, and need no locks that way.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import logging
import ssl
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from aiohttp import ClientPayloadError, hdrs, web
from aiohttp.http import HttpVersion11
from multidict import CIMultiDict

from kubesim import refusals, selectors
from kubesim.api import Api
from kubesim.applications import Applications
from kubesim.auth import enforce_rights
from kubesim.auth.authentication import Authenticator, impersonate
from kubesim.auth.authorization import Attributes, Authorizer
from kubesim.auth.certificates import Authority
from kubesim.auth.reviews import review
from kubesim.auth.users import ANONYMOUS, User
from kubesim.errors import ApiError
from kubesim.http import (
    bodies,
    connect,
    documents,
    exposition,
    issuer,
    logs,
    routes,
    upgrade,
    watches,
)
from kubesim.http.answers import TEXT, Answer, refusal
from kubesim.http.calls import Call
from kubesim.http.connections import Connections
from kubesim.http.listener import Listener
from kubesim.http.logs import Following
from kubesim.http.metrics import Counted, Family, Tally, question
from kubesim.http.objects import Objects
from kubesim.http.queries import Query
from kubesim.http.routes import Route
from kubesim.http.upgrade import Session
from kubesim.http.watches import Watching
from kubesim.model import Object
from kubesim.resources import Resource

MOST_REQUESTS = 400
"""How many requests may be under way. Source: kube-apiserver `--max-requests-inflight`."""

MOST_PER_USER = 200
"""How many of them may be of one user, so that one who is slow does not keep others waiting."""

HEALTH = ("/healthz", "/livez", "/readyz")
"""Paths that are answered however many requests are under way."""

MOST_WATCHES = 2_000
"""How many watches may be open."""

MOST_SESSIONS = 200
"""How many connections into pods may be open."""

COMPRESS_FROM = 128 * 1024
"""Answers of more bytes are compressed for clients that allow it. Source: apiserver
`responsewriters` (`defaultGzipThresholdBytes`)."""

LONGEST_LINE = 64 * 1024
"""How many bytes a URL or a header may have: selectors and tokens can be long."""

READ_WITHIN, WRITE_WITHIN = 60.0, 30.0
"""Seconds of real time a client has to send its body, and to take a piece of an answer."""

_MOST_PARAMETERS = 1_000

_HEADERS = {
    "Cache-Control": "no-cache, private",
    # Clients that see this header leave the limits on their rate to the server.
    "X-Kubernetes-Pf-Flowschema-Uid": "00000000-0000-4000-8000-000000000001",
    "X-Kubernetes-Pf-Prioritylevel-Uid": "00000000-0000-4000-8000-000000000002",
}

_log = logging.getLogger(__name__)

# What is wrong with our own answers is logged here; all that is left to aiohttp is to complain of
# clients that do not speak HTTP, and those are told so themselves.
_connections = logging.getLogger(f"{__name__}.connections")
_connections.setLevel(logging.CRITICAL)


class Server:
    """One address of one cluster's API server.

    Args:
        api: the verbs.
        authority: signs the server's certificate and those of its clients.
        authenticator: finds out who asks; its tokens are those that are issued.
        authorizer: decides whether they may.
        now: the time, in seconds since the Unix epoch.
        reachable: whether this address answers; while it does not, connections are dropped.
        applications: what runs in the cluster's pods; None if nothing does.
        tally: counts the requests, for addresses of one cluster together; one of its own if None.
        families: what `/metrics` tells beside that.
    """

    def __init__(
        self,
        api: Api,
        *,
        authority: Authority,
        authenticator: Authenticator,
        authorizer: Authorizer,
        now: Callable[[], float],
        reachable: Callable[[], bool] = lambda: True,
        applications: Applications | None = None,
        tally: Tally | None = None,
        families: Callable[[], Iterable[Family]] = lambda: (),
    ) -> None:
        self._api, self._authority = api, authority
        self._authenticator, self._authorizer = authenticator, authorizer
        self._now, self._reachable = now, reachable
        self._families = families
        self.tally = tally or Tally()
        """What was asked of this address so far."""
        enforce_rights(api, authorizer)
        self._objects = Objects(api, review=self._review, now=now, applications=applications)
        self._alarm = watches.Alarm()
        self._runner: web.ServerRunner | None = None
        self._connections: Connections | None = None
        self._listener: Listener | None = None
        self._serves = False
        self._requests: Counter[str] = Counter()
        self.watches = 0
        """How many watches are open."""
        self.sessions = 0
        """How many connections into pods are open."""

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, *, names: Sequence[str] = ()
    ) -> int:
        """Listen.

        Args:
            host: the address.
            port: the port; 0 for any that is free.
            names: what else clients call this server by, as its certificate must say.

        Returns:
            The port.
        """
        server = self._connections = Connections(
            self._handle,
            access_log=None,
            handler_cancellation=True,
            lingering_time=5.0,
            logger=_connections,
            max_field_size=LONGEST_LINE,
            max_line_size=LONGEST_LINE,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        hosts = tuple(dict.fromkeys((host, "127.0.0.1", "localhost", *names)))
        context = tls(self._authority, hosts)
        self._serves = True
        self._alarm.open(self._api.store)
        self._listener = Listener(
            server, context, open_connections=server.count, make_room=server.make_room
        )
        try:
            return await self._listener.start(host, port)
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End every watch and every connection; a server that does not listen is no error."""
        self._serves = False
        self._alarm.ring()
        if self._listener is not None:
            await self._listener.stop()
            self._listener = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self._alarm.close()
        if self._connections is not None:
            await self._connections.let_go()

    # One request

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._connections is not None:
            self._connections.calm(request.protocol)
        if not self._reachable():
            _hang_up(request)
            return web.Response()
        with self.tally.request(request.method) as counted:
            response = await self._respond(request, counted)
            counted.code = response.status
            return response

    async def _respond(self, request: web.BaseRequest, counted: Counted) -> web.StreamResponse:
        try:
            outcome = await self._outcome(request, counted)
        except ApiError as error:
            outcome = refusal(error)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            _log.exception("%s %s", request.method, request.path)
            outcome = refusal(ApiError(500, "InternalError", "an error on the server"))
        if isinstance(outcome, Watching):
            return await self._stream(request, watches.stream(outcome, *self._wakes()))
        if isinstance(outcome, Following):
            pieces = logs.stream(outcome, *self._wakes())
            return await self._stream(request, pieces, media=TEXT)
        if isinstance(outcome, Session):
            return await self._upgrade(request, outcome)
        return await _whole(request, outcome)

    async def _outcome(
        self, request: web.BaseRequest, counted: Counted
    ) -> Answer | Watching | Following | Session:
        call = _call(request)
        route = routes.parse(call.method, call.path, call.query)
        counted.about(question(route, call, self._api.registry))
        user = self._user(request)
        with self._under_way(user, call):
            self._check_allowed(user, route, call)
            body = bodies.Body(call.media, await _body(request))
            await body.read_ahead()
            call = replace(call, user=user, body=body)
            if route is None:
                if call.path == "/metrics" and call.method == "GET":
                    return exposition.exposition(self._metrics(), call.headers.get("Accept", ""))
                known = issuer.document(self._authenticator.tokens, call)
                return known or documents.document(self._api.registry, call)
            lasts = route.verb == "watch" or call.query.yes("follow")
            if lasts and self.watches >= MOST_WATCHES:
                raise refusals.too_many_requests("too many watches", wait=1)
            return self._objects.answer(route, call)

    @contextmanager
    def _under_way(self, user: User, call: Call) -> Iterator[None]:
        """Count a request while it lasts.

        Raises:
            ApiError: 429 TooManyRequests: too many of all users, or of this one.
        """
        if call.path in HEALTH:  # always answered, and at once
            yield
            return
        own = self._requests[user.name]
        if own >= MOST_PER_USER or self._requests.total() >= MOST_REQUESTS:
            raise refusals.too_many_requests("too many requests, please try again later", wait=1)
        self._requests[user.name] = own + 1
        try:
            yield
        finally:
            self._requests[user.name] -= 1
            if not self._requests[user.name]:
                del self._requests[user.name]

    def _metrics(self) -> Iterable[Family]:
        return itertools.chain(
            self.tally.families(),
            exposition.storage(self._api.store),
            exposition.build(),
            self._families(),
        )

    def _user(self, request: web.BaseRequest) -> User:
        transport = request.transport
        certificate = transport.get_extra_info("peercert") if transport else None
        authorization = request.headers.get(hdrs.AUTHORIZATION, "")
        user = self._authenticator.authenticate(certificate, authorization, self._now())
        return impersonate(user or ANONYMOUS, request.headers, self._authorizer)

    def _check_allowed(self, user: User, route: Route | None, call: Call) -> None:
        """Raises: ApiError 403 Forbidden."""
        if route is None:
            attributes = Attributes(call.method.lower(), path=call.path)
        else:
            name = route.name
            if not name and route.verb in ("list", "watch"):
                name = selectors.only_name(call.query.get("fieldSelector", ""))
            attributes = Attributes(
                route.verb,
                group=route.group,
                version=route.version,
                resource=route.plural,
                subresource=route.subresource,
                namespace=route.namespace,
                name=name,
            )
        decision = self._authorizer.allows(user, attributes)
        if not decision.allowed:
            raise self._authorizer.forbidden(user, attributes, decision)
        if route is not None and route.subresource in connect.CREATES and route.verb == "get":
            self._check_allowed(user, replace(route, verb="create"), call)

    def _review(self, resource: Resource, body: Object, route: Route, call: Call) -> Object:
        if route.subresource == "token":
            tokens = self._authenticator.tokens
            return tokens.request(route.namespace, route.name, body, now=self._now())
        return review(
            resource.kind,
            body,
            call.user,
            authorizer=self._authorizer,
            tokens=self._authenticator.tokens,
            namespace=route.namespace,
            now=self._now(),
        )

    async def _upgrade(self, request: web.BaseRequest, session: Session) -> web.StreamResponse:
        self.sessions += 1
        try:
            if self.sessions > MOST_SESSIONS:
                raise refusals.too_many_requests("too many connections into pods", wait=1)
            return await upgrade.serve(
                request, session, goes_on=lambda: self._serves and self._reachable()
            )
        except ApiError as error:
            return await _whole(request, refusal(error))
        except TimeoutError:
            _hang_up(request)
            return web.Response()
        finally:
            self.sessions -= 1

    def _wakes(self) -> tuple[watches.Alarm, Callable[[], bool]]:
        """What wakes a stream, and whether it goes on then."""
        return self._alarm, lambda: self._serves and self._reachable()

    async def _stream(
        self,
        request: web.BaseRequest,
        pieces: AsyncGenerator[bytes, None],
        *,
        media: str = "application/json",
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": media})
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        self.watches += 1
        try:
            await response.prepare(request)
            async with aclosing(pieces):
                async for piece in pieces:
                    async with asyncio.timeout(WRITE_WITHIN):
                        await response.write(piece)
            if not self._reachable():
                _hang_up(request)
        except TimeoutError:  # the client does not read
            _hang_up(request)
        finally:
            self.watches -= 1
        return response


def tls(authority: Authority, hosts: Sequence[str]) -> ssl.SSLContext:
    """The TLS settings of a server: a certificate of its own, clients' certificates if they have.

    Args:
        authority: whose certificates count.
        hosts: names and addresses of the server.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.ca_pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    certificate, key = authority.issue_server(hosts)
    with tempfile.TemporaryDirectory() as folder:  # Python reads both from files only
        files = Path(folder, "server.crt"), Path(folder, "server.key")
        for file, content in zip(files, (certificate, key), strict=True):
            file.touch(0o600)
            file.write_text(content)
        context.load_cert_chain(*files)
    return context


def _call(request: web.BaseRequest) -> Call:
    """The request without its body and its sender.

    Raises:
        ApiError: 400 BadRequest.
    """
    path, _, query = request.raw_path.partition("?")
    if not path.startswith("/"):
        path = urlsplit(path).path
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise refusals.bad_request("too many parameters in the query") from None
    return Call(request.method, path, Query(pairs), _Headers(request.headers))


class _Headers(dict[str, str]):
    """The few headers that answers depend on; one that is repeated counts as one list."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        for name, value in headers.items():
            name = name.title()
            self[name] = f"{self[name]},{value}" if name in self else value


async def _body(request: web.BaseRequest) -> bytes:
    """The bytes of the body.

    Raises:
        ApiError: 400 BadRequest, 408 Timeout, 413 RequestEntityTooLarge.
    """
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > bodies.LIMIT:
        raise bodies.too_large()
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    try:
        async with asyncio.timeout(READ_WITHIN):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > bodies.LIMIT:
                    raise bodies.too_large()
    except TimeoutError:
        raise ApiError(408, "Timeout", "the body of the request did not arrive in time") from None
    except (ClientPayloadError, web.RequestPayloadError) as error:
        raise refusals.bad_request(f"the body of the request cannot be read: {error}") from None
    return bytes(body)


async def _whole(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    headers = [("Content-Type", answer.media)]
    for name, value in {**_HEADERS, **answer.headers}.items():
        headers += [(name, each) for each in value.split("\n")]
    body = answer.body
    if len(body) > COMPRESS_FROM and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        body = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
        headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    return web.Response(body=body, status=answer.code, headers=CIMultiDict(headers))


def _hang_up(request: web.BaseRequest) -> None:
    """Break the connection, as a network that fails does."""
    if request.transport is not None:
        request.transport.abort()
