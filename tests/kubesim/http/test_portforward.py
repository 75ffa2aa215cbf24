"""Port-forwarding by each of the three ways in which clients ask for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import aiohttp
import pytest

from tests.kubesim.http.spdy_client import SpdyClient, data
from tests.kubesim.http.world import PODS, Client, Scenario, World, client_context

GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[True]]"
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]},
}
PATH = f"{PODS}/web/portforward"


@pytest.fixture
def tell(folder: Path) -> Callable[[Scenario[None]], None]:
    """Tells a story to a cluster with one pod."""

    def tells(scenario: Scenario[None]) -> None:
        async def whole() -> None:
            async with (
                World(str(folder), is_inhabited=True).served() as world,
                world.client() as client,
            ):
                await client.post(PODS, POD)
                world.run(20)
                await scenario(world, client)

        asyncio.run(asyncio.wait_for(whole(), 20))

    return tells


@asynccontextmanager
async def tunnel(client: Client) -> AsyncIterator[Socket]:
    """SPDY inside a WebSocket."""
    protocol = "SPDY/3.1+portforward.k8s.io"
    async with client.session.ws_connect(client.url + PATH, protocols=[protocol]) as socket:
        assert socket.protocol == protocol
        yield socket


async def exchange(socket: Socket, spdy: SpdyClient, ends: int) -> None:
    """Read until so many streams have ended."""
    while len(spdy.ended) < ends:
        spdy.take(await socket.receive_bytes())


def pair(spdy: SpdyClient, first: int, port: str, **more: str) -> bytes:
    errors = spdy.open(first, streamtype="error", port=port, **more)
    return (
        errors + data(first, flags=1) + spdy.open(first + 2, streamtype="data", port=port, **more)
    )


def test_spdy_in_a_web_socket(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        async with tunnel(client) as socket:
            spdy = SpdyClient()
            await socket.send_bytes(pair(spdy, 1, "80", requestid="0"))
            await socket.send_bytes(data(3, GET) + data(3, GET) + data(3, flags=1))
            await exchange(socket, spdy, 2)
            assert spdy.replied == [1, 3]
            assert spdy.data[3].count(b"HTTP/1.1 200 OK") == 2
            assert spdy.data[1] == b""
            await socket.send_bytes(pair(spdy, 5, "80", requestid="1") + data(7, GET))
            await socket.send_bytes(data(7, flags=1))
            await exchange(socket, spdy, 4)
            assert b"web 1" in spdy.data[7]

    tell(story)


def test_a_port_on_which_nobody_listens_is_told_on_the_stream_for_errors(
    tell: Callable[[Scenario[None]], None],
) -> None:
    async def story(world: World, client: Client) -> None:
        async with tunnel(client) as socket:
            spdy = SpdyClient()
            await socket.send_bytes(pair(spdy, 1, "81", requestid="0"))
            await exchange(socket, spdy, 2)
            assert b"error forwarding port 81 to pod web" in spdy.data[1]
            assert b"connect: connection refused" in spdy.data[1]

    tell(story)


def test_clients_of_old_name_no_request(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        async with tunnel(client) as socket:
            spdy = SpdyClient()
            await socket.send_bytes(pair(spdy, 1, "80") + data(3, GET) + data(3, flags=1))
            await exchange(socket, spdy, 2)
            assert b"HTTP/1.1 200" in spdy.data[3]
            await socket.send_bytes(spdy.open(5, streamtype="data", port="x"))
            while not spdy.broken:
                spdy.take(await socket.receive_bytes())
            assert spdy.broken == [5]

    tell(story)


def test_spdy_on_the_connection_itself(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        context: ssl.SSLContext = client_context(world.folder, "admin", ("system:masters",))
        port = int(world.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            "X-Stream-Protocol-Version: portforward.k8s.io\r\nContent-Length: 0\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"X-Stream-Protocol-Version: portforward.k8s.io\r\n" in head
        assert b"Upgrade: SPDY/3.1\r\n" in head
        spdy = SpdyClient()
        writer.write(pair(spdy, 1, "80", requestid="0") + data(3, GET) + data(3, flags=1))
        while len(spdy.ended) < 2:
            spdy.take(await reader.read(1000))
        assert b"web 1" in spdy.data[3]
        writer.write(b"\x80\x03\x00\x63\x00\x00\x00\x00")  # no frame that there is
        while spdy.goodbyes == 0:
            spdy.take(await reader.read(1000))
        assert await reader.read() == b""
        writer.close()

    tell(story)


def test_channels_of_a_web_socket(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        url = f"{client.url}{PATH}?ports=80,81"
        async with client.session.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
            seen = [await socket.receive_bytes() for _ in range(5)]
            assert seen[:4] == [b"\0P\0", b"\1P\0", b"\2Q\0", b"\3Q\0"]
            assert seen[4].startswith(b"\3error forwarding port 81 to pod web")
            await socket.send_bytes(b"\0" + GET)
            assert (await socket.receive_bytes()).startswith(b"\0HTTP/1.1 200 OK")

    tell(story)


def test_a_pod_that_does_not_run_has_no_ports(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        waiting = {**POD, "metadata": {"name": "waits"}}
        waiting["spec"] = {**waiting["spec"], "schedulerName": "none"}
        await client.post(PODS, waiting)
        reply = await client.get(f"{PODS}/waits/portforward")
        assert reply.code == 400
        assert "pod is not running. Current status=Pending" in reply.message
        assert (await client.get(f"{PODS}/none/portforward")).code == 404

    tell(story)


def test_a_request_that_is_no_upgrade_is_told_so(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        reply = await client.get(PATH)
        assert (reply.code, reply.message) == (400, "Upgrade request required")
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.session.ws_connect(client.url + PATH, protocols=["soap"])
        assert caught.value.status == 403

    tell(story)


def test_reading_is_not_enough_to_get_into_a_pod(tell: Callable[[Scenario[None]], None]) -> None:
    """A WebSocket begins with a GET, and create is asked for all the same."""

    async def story(world: World, client: Client) -> None:
        rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
        rule = {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get"]}
        meta = {"name": "reader"}
        await client.post(f"{rbac}/roles", {"metadata": meta, "rules": [rule]})
        subject = {"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}
        reference = {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": meta, "subjects": [subject], "roleRef": reference}
        await client.post(f"{rbac}/rolebindings", binding)
        async with world.client("jane") as jane:
            reply = await jane.get(PATH)
            assert reply.code == 403
            assert 'cannot create resource "pods/portforward"' in reply.message
        rule["verbs"].append("create")
        await client.ask("PUT", f"{rbac}/roles/reader", {"metadata": meta, "rules": [rule]})
        async with world.client("jane") as jane:
            assert (await jane.get(PATH)).message == "Upgrade request required"

    tell(story)


def test_a_client_that_is_cut_off_gets_nothing_more(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        async with tunnel(client) as socket:
            world.is_reachable = False
            await socket.send_bytes(pair(SpdyClient(), 1, "80", requestid="0"))
            message = await socket.receive()
            assert message.type is not aiohttp.WSMsgType.BINARY

    tell(story)
