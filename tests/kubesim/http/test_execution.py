"""Commands in containers, by each of the ways in which clients ask for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.kubesim.http.spdy_client import SpdyClient
from tests.kubesim.http.world import PODS, Client, Scenario, World

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
}
Tell = Callable[[Scenario[None]], None]


@pytest.fixture
def tell(folder: Path) -> Tell:
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


def query(*command: str, **more: str) -> str:
    return urlencode([("command", each) for each in command] + list(more.items()))


async def ran(
    client: Client,
    *command: str,
    protocol: str = "v5.channel.k8s.io",
    below: str = "exec",
    **more: str,
) -> tuple[str, str, dict[str, Any]]:
    """Output, errors and status, by channels of a WebSocket."""
    streams = more or {"stdout": "true", "stderr": "true"}
    url = f"{client.url}{PODS}/web/{below}?{query(*command, **streams)}"
    channels = dict.fromkeys(range(4), b"")
    async with client.session.ws_connect(url, protocols=[protocol]) as socket:
        assert socket.protocol == protocol
        async for message in socket:
            channels[message.data[0]] += message.data[1:]
    return channels[1].decode(), channels[2].decode(), json.loads(channels[3])


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_a_command_writes_to_channels(tell: Tell, protocol: str) -> None:
    async def story(world: World, client: Client) -> None:
        out, err, status = await ran(client, "echo", "", "b", protocol=protocol)
        assert (out, err) == (" b\n", "")
        assert status == {"metadata": {}, "status": "Success"}

    tell(story)


def test_the_exit_code_is_told(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        out, err, status = await ran(client, "vim")
        assert out == ""
        assert "'vim'" in err
        assert status["reason"] == "NonZeroExitCode"
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "127"}]

    tell(story)


def test_a_terminal_has_one_screen(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        out, err, _ = await ran(client, "sh", tty="true", stdin="true", stdout="true")
        assert err == ""
        assert out.endswith("\r\n")

    tell(story)


def test_there_is_nothing_to_attach_to_and_that_is_said(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        _, err, status = await ran(client, below="attach")
        assert "there is no process to attach to" in err
        assert status["status"] == "Success"

    tell(story)


def test_a_command_writes_to_streams_of_spdy(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        asked = query("cat", "/etc/hostname", "/a", stdout="true", stderr="true")
        url = f"{client.url}{PODS}/web/exec?{asked}"
        protocol = "SPDY/3.1+v4.channel.k8s.io"
        async with client.session.ws_connect(url, protocols=[protocol]) as socket:
            spdy = SpdyClient()
            for number, stream in ((1, "error"), (3, "stdout"), (5, "stderr")):
                await socket.send_bytes(spdy.open(number, streamtype=stream))
            while len(spdy.ended) < 3:
                spdy.take(await socket.receive_bytes())
            assert spdy.data[3] == b"web\n"
            assert spdy.data[5] == b"cat: can't open '/a': No such file or directory\n"
            assert json.loads(spdy.data[1])["details"]["causes"][0]["message"] == "1"

    tell(story)


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("web/exec?stdout=true", 400, "you must specify at least one command for the container"),
        ("web/exec?command=env&container=x", 400, "container x is not valid for pod web"),
        ("none/exec?command=env", 404, 'pods "none" not found'),
        (
            "done/exec?command=env",
            400,
            "cannot exec into a container in a completed pod; current phase is Succeeded",
        ),
        ("waits/exec?command=env", 400, "pod waits does not have a host assigned"),
        (
            "pulls/exec?command=env",
            500,
            'unable to upgrade connection: container not found ("web")',
        ),
        ("web/exec?command=env", 400, "Upgrade request required"),
    ],
)
def test_what_does_not_run_is_refused_in_the_servers_words(
    tell: Tell, path: str, code: int, message: str
) -> None:
    async def story(world: World, client: Client) -> None:
        spec = POD["spec"]
        for name, changed in (
            ("done", {**spec, "restartPolicy": "Never"}),
            ("waits", {**spec, "schedulerName": "none"}),
        ):
            await client.post(PODS, {**POD, "metadata": {"name": name}, "spec": changed})
        world.run(60)
        pulls = {"containers": [{"name": "web", "image": "missing:1"}]}
        await client.post(PODS, {**POD, "metadata": {"name": "pulls"}, "spec": pulls})
        world.run(1)
        reply = await client.get(f"{PODS}/{path}")
        assert (reply.code, reply.message) == (code, message)
        if code == 400 and "Upgrade" not in message:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.session.ws_connect(f"{client.url}{PODS}/{path}")

    tell(story)
