"""The API over HTTPS: server and clients share one process and one loop, so the clients' own work
is in the figures."""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import aiohttp

from bench.harness import Figure
from gitops_lab.model import Object
from kubesim.api import Api, bootstrap
from kubesim.auth import Authenticator, Authority, Authorizer, Tokens, bootstrap_rbac
from kubesim.clock import EPOCH
from kubesim.http.server import Server

PODS, WATCHERS, CLIENTS = 5_000, 100, 8

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def https(rounds: int) -> list[Figure]:
    """Reads, writes, lists and watches, as clients meet them."""
    return asyncio.run(_https(rounds))


async def _https(rounds: int) -> list[Figure]:
    api = Api(now=lambda: EPOCH, rng=Random(1))
    bootstrap(api)
    bootstrap_rbac(api)
    authority = Authority.create()
    server = Server(
        api,
        authority=authority,
        authenticator=Authenticator(Tokens(authority.token_key, api.store, rng=Random(2))),
        authorizer=Authorizer(api.store),
        now=lambda: EPOCH,
    )
    url = f"https://127.0.0.1:{await server.start()}"
    connector = aiohttp.TCPConnector(ssl=_context(authority), limit=0)
    try:
        async with aiohttp.ClientSession(url, connector=connector) as session:
            return await _figures(_Client(session), api, rounds)
    finally:
        await server.stop()


async def _figures(client: _Client, api: Api, rounds: int) -> list[Figure]:
    await client.ask("POST", DEPLOYMENTS, _deployment("web"))
    gets = [await client.timed("GET", f"{DEPLOYMENTS}/web") for _ in range(200 * rounds)]
    applies = []
    for number in range(60 * rounds):
        body = _deployment("applied", f"web:{number}")
        path = f"{DEPLOYMENTS}/applied?fieldManager=bench&force=true"
        applies.append(
            await client.timed("PATCH", path, body, media="application/apply-patch+yaml")
        )
    rates = []
    await asyncio.gather(*(_reads(client, 1) for _ in range(CLIENTS)))  # they connect
    for _ in range(rounds):
        began = perf_counter()
        await asyncio.gather(*(_reads(client, 250) for _ in range(CLIENTS)))
        rates.append(CLIENTS * 250 / (perf_counter() - began))
    news = [await _news(client, f"news-{number}") for number in range(rounds)]
    pods, template = api.registry.by_kind("v1", "Pod"), _deployment("p")["spec"]["template"]
    for number in range(PODS):
        pod = {**template, "apiVersion": "v1", "kind": "Pod"}
        pod["metadata"] = {**template["metadata"], "name": f"web-{number}"}
        api.create(pods, pod, namespace="default")
    lists = [await client.timed("GET", "/api/v1/pods") for _ in range(rounds)]
    return [
        Figure("HTTPS: get a Deployment", _milliseconds(gets), "ms", 1.5),
        Figure("HTTPS: apply a changed Deployment", _milliseconds(applies), "ms", 4),
        Figure(f"HTTPS: gets by {CLIENTS} clients together", tuple(rates), "per s", 1_500),
        Figure(f"HTTPS: list {PODS:,} pods", tuple(lists), "s", 0.5),
        Figure(f"HTTPS: a change reaches {WATCHERS} watchers", _milliseconds(news), "ms", 100),
    ]


async def _reads(client: _Client, times: int) -> None:
    for _ in range(times):
        await client.ask("GET", f"{DEPLOYMENTS}/web")


async def _news(client: _Client, name: str) -> float:
    """Seconds from a write until the last of many watchers has heard of it."""
    found = json.loads(await client.ask("GET", CONFIG_MAPS))
    path = f"{CONFIG_MAPS}?watch=true&resourceVersion={found['metadata']['resourceVersion']}"
    open_ = asyncio.Semaphore(0)

    async def listen() -> float:
        async with client.session.get(path) as answer:
            open_.release()
            await answer.content.readline()
            return perf_counter()

    listeners = [asyncio.create_task(listen()) for _ in range(WATCHERS)]
    for _ in listeners:
        await open_.acquire()
    began = perf_counter()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    await client.ask("POST", CONFIG_MAPS, body)
    return max(await asyncio.gather(*listeners)) - began


class _Client:
    """An administrator who minds the status of every answer."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def ask(
        self, method: str, path: str, body: Any = None, *, media: str = "application/json"
    ) -> bytes:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": media} if data else {}
        async with self.session.request(method, path, data=data, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def timed(self, method: str, path: str, body: Any = None, **more: str) -> float:
        began = perf_counter()
        await self.ask(method, path, body, **more)
        return perf_counter() - began


def _context(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.ca_pem)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "crt"), Path(folder, "key")
        pems = authority.issue_client("admin", ["system:masters"])
        for file, pem in zip(files, pems, strict=True):
            file.write_text(pem)
        context.load_cert_chain(*files)
    return context


def _deployment(name: str, image: str = "web:1") -> Object:
    labels = {"app": name}
    container = {"name": "web", "image": image, "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _milliseconds(values: list[float]) -> tuple[float, ...]:
    return tuple(1000 * value for value in values)
