"""A server on loopback with its cluster, and clients that speak to it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from random import Random
from typing import Any, TypeVar

import aiohttp
import orjson

from kubesim.api import Api, bootstrap
from kubesim.applications import Applications
from kubesim.auth import Authenticator, Authority, Authorizer, Tokens, bootstrap_rbac
from kubesim.clock import EPOCH
from kubesim.controllers import Controllers
from kubesim.controllers.images import Catalogue
from kubesim.http.server import Server
from kubesim.store import Store

T = TypeVar("T")

WINDOW = 500
"""How many changes the store remembers."""

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        },
    },
}


@cache
def authority() -> Authority:
    """One for all tests: making keys takes time."""
    return Authority.create()


def sign(request: str, seconds: int) -> str:
    return authority().sign(request, now=time.time(), seconds=seconds)


@cache
def client_context(folder: str, user: str, groups: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority().ca_pem)
    if user:
        files = []
        for name, pem in zip(("crt", "key"), authority().issue_client(user, groups), strict=True):
            files.append(f"{folder}/{user}.{name}")
            with open(files[-1], "w") as file:
                file.write(pem)
        context.load_cert_chain(*files)
    return context


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@dataclass
class Reply:
    """One whole answer."""

    code: int
    body: bytes
    headers: Mapping[str, str]
    warnings: list[str]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


class Client:
    """Speaks to one server as one user."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        media: str = "application/json",
        **headers: str,
    ) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent["Content-Type"] = media
            body = BytesIO(body if isinstance(body, bytes) else orjson.dumps(body))
        async with self.session.request(method, self.url + path, data=body, headers=sent) as got:
            warnings = got.headers.getall("Warning", [])
            return Reply(got.status, await got.read(), got.headers, warnings)

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, body: Any, **more: str) -> Reply:
        return await self.ask("POST", path, body, **more)

    @asynccontextmanager
    async def watch(self, path: str, **headers: str) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
        """A watch, and what tells its next event; None at its end."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(self.url + path, headers=sent) as got:
            assert got.status == 200, await got.read()

            async def following() -> Any:
                line = await asyncio.wait_for(got.content.readline(), 5)
                return orjson.loads(line) if line else None

            yield following


class World:
    """A bootstrapped API server behind TLS, without controllers unless it is inhabited."""

    def __init__(self, folder: str, *, is_inhabited: bool = False, nodes: int = 1) -> None:
        self.folder, self.now, self.is_reachable = folder, EPOCH, True
        store = Store(window=WINDOW)
        self.api = Api(now=lambda: self.now, rng=Random(1), store=store)
        bootstrap(self.api)
        bootstrap_rbac(self.api)
        applications = None
        if is_inhabited:
            images = Catalogue().steady()
            self.controllers = Controllers(
                self.api, images=images, rng=Random(3), nodes=nodes, sign=sign
            )
            kubelet = self.controllers.kubelet
            applications = Applications(self.api, kubelet, now=lambda: self.now)
        self.tokens = Tokens(authority().token_key, self.api.store, rng=Random(2))
        self.server = Server(
            self.api,
            authority=authority(),
            authenticator=Authenticator(self.tokens),
            authorizer=Authorizer(self.api.store),
            now=lambda: self.now,
            reachable=lambda: self.is_reachable,
            applications=applications,
        )
        self.url = ""

    def run(self, seconds: float = 0) -> None:
        """Let time pass in an inhabited world."""
        end = self.now + seconds
        while (due := self.controllers.step(self.now)) is not None and due <= end:
            self.now = due
        self.now = end
        self.controllers.step(self.now)

    @asynccontextmanager
    async def client(
        self, user: str = "admin", *groups: str, **headers: str
    ) -> AsyncIterator[Client]:
        if user == "admin":
            groups = ("system:masters",)
        context = client_context(self.folder, user, groups)
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        async with aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(20)
        ) as session:
            yield Client(session, self.url)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[World]:
        self.url = f"https://127.0.0.1:{await self.server.start()}"
        try:
            yield self
        finally:
            await self.server.stop()


Scenario = Callable[[World, Client], Awaitable[T]]
"""What a test does with a server and the administrator's client."""
