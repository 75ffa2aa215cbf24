"""Logs: what of them is told, and that they are told on as they grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kubesim.http.world import PODS, Client, Scenario, World

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
}
LOG = f"{PODS}/web/log"
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


async def visit(client: Client, path: str) -> None:
    assert (await client.get(f"{PODS}/web/proxy{path}")).code == 200


async def lines(client: Client, query: str = "") -> list[str]:
    reply = await client.get(f"{LOG}?{query}")
    assert reply.code == 200, reply.body
    return reply.body.decode().splitlines()


def test_every_request_is_a_line_after_the_first(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        await visit(client, "/one")
        await visit(client, "/two")
        first, one, two = await lines(client)
        assert first == "docker.io/library/web:1 started (simulated: nothing runs in it)"
        assert '"GET /one HTTP/1.1" 200' in one
        assert '"GET /two HTTP/1.1" 200' in two

    tell(story)


def test_part_of_a_log_is_told(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        await visit(client, "/one")
        world.run(100)
        await visit(client, "/two")
        everything = await lines(client)
        assert await lines(client, "tailLines=1") == everything[-1:]
        assert await lines(client, "tailLines=0") == []
        assert await lines(client, "tailLines=9") == everything
        assert await lines(client, "sinceSeconds=50") == everything[-1:]
        stamped = await lines(client, "timestamps=true")
        when, _, what = stamped[-1].partition(" ")
        assert what == everything[-1]
        assert await lines(client, f"sinceTime={when}") == everything[-1:]
        reply = await client.get(f"{LOG}?limitBytes=10")
        assert reply.body == everything[0][:10].encode()

    tell(story)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", "at most one of `sinceTime`"),
        ("sinceTime=yesterday", 'parsing time "yesterday"'),
    ],
)
def test_options_that_make_no_sense_are_refused(tell: Tell, query: str, message: str) -> None:
    async def story(world: World, client: Client) -> None:
        reply = await client.get(f"{LOG}?{query}")
        assert reply.code in (400, 422)
        assert message in reply.message

    tell(story)


def test_a_log_is_told_on_until_the_container_ends(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        async with client.session.get(f"{client.url}{LOG}?follow=true") as got:
            assert got.headers["Content-Type"].startswith("text/plain")
            assert b"started" in await got.content.readline()
            await visit(client, "/one")
            assert b'"GET /one' in await got.content.readline()
            await visit(client, "/two")
            assert b'"GET /two' in await got.content.readline()
            await client.ask("DELETE", f"{PODS}/web")
            world.run(60)
            assert await got.content.readline() == b""
        assert world.server.watches == 0

    tell(story)


def test_who_leaves_is_written_to_no_more(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        got = await client.session.get(f"{client.url}{LOG}?follow=true&tailLines=0")
        got.close()
        while world.server.watches:
            await asyncio.sleep(0)
        await visit(client, "/one")

    tell(story)


def test_a_former_run_has_its_own_log(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        body = {**POD, "metadata": {"name": "crash"}}
        body["spec"] = {"containers": [{"name": "web", "image": "crash:1"}]}
        await client.post(PODS, body)
        world.run(120)
        reply = await client.get(f"{PODS}/crash/log?previous=true")
        assert reply.body.endswith(b"ended with exit code 1\n")
        followed = await client.get(f"{PODS}/crash/log?previous=true&follow=true")
        assert followed.body == reply.body
        none = await client.get(f"{LOG}?previous=true")
        assert none.code == 400
        assert 'previous terminated container "web" in pod "web" not found' in none.message

    tell(story)


def test_what_has_not_started_has_no_log(tell: Tell) -> None:
    async def story(world: World, client: Client) -> None:
        body = {**POD, "metadata": {"name": "pulls"}}
        body["spec"] = {"containers": [{"name": "web", "image": "missing:1"}]}
        await client.post(PODS, body)
        world.run(30)
        reply = await client.get(f"{PODS}/pulls/log?follow=true")
        assert reply.code == 400
        assert 'container "web" in pod "pulls" is waiting to start: ' in reply.message
        assert (await client.get(f"{PODS}/none/log")).code == 404

    tell(story)
