"""Proxied requests: from a URL of the API server to an application, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kubesim.http.world import DEPLOYMENT, DEPLOYMENTS, PODS, Client, Scenario, World

SERVICES = "/api/v1/namespaces/default/services"


def service(name: str, *ports: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": list(ports)},
    }


@pytest.fixture
def tell(folder: Path) -> Callable[[Scenario[None]], None]:
    """Tells a story to a cluster with a Deployment of two pods and its Service."""

    def tells(scenario: Scenario[None]) -> None:
        async def whole() -> None:
            async with (
                World(str(folder), is_inhabited=True).served() as world,
                world.client() as client,
            ):
                await client.post(DEPLOYMENTS, DEPLOYMENT)
                await client.post(SERVICES, service("web", {"port": 80, "targetPort": 8080}))
                world.run(20)
                await scenario(world, client)

        asyncio.run(whole())

    return tells


async def names(client: Client) -> list[str]:
    return [pod["metadata"]["name"] for pod in (await client.get(PODS)).json["items"]]


def test_a_service_is_asked_through_the_api_server(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        for name in ("web", "web:", "web:80", "http:web:80"):
            reply = await client.get(f"{SERVICES}/{name}/proxy/some/path?q=a%20b")
            assert reply.code == 200, reply.body
            assert reply.body.startswith(b"web 1\npod web-")
            assert reply.headers["Content-Type"].startswith("text/plain")

    tell(story)


def test_every_ready_pod_of_a_service_gets_its_turn(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        seen = {(await client.get(f"{SERVICES}/web/proxy/")).body for _ in range(2)}
        assert len(seen) == 2

    tell(story)


def test_version_two_answers_after_version_one(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        patch = {
            "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}
        }
        media = "application/strategic-merge-patch+json"
        await client.ask("PATCH", f"{DEPLOYMENTS}/web", patch, media=media)
        world.run(60)
        assert (await client.get(f"{SERVICES}/web/proxy/")).body.startswith(b"web 2\n")

    tell(story)


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("services/none/proxy/", 404, 'endpoints "none" not found'),
        ("services/none:80/proxy/", 404, 'services "none" not found'),
        ("services/web:81/proxy/", 503, 'no service port 81 found for service "web"'),
        ("services/web:http/proxy/", 503, 'no endpoints available for service "web:http"'),
        ("services/ftp:web:80/proxy/", 400, 'invalid service request "ftp:web:80"'),
        ("services/empty/proxy/", 503, 'no endpoints available for service "empty"'),
        ("pods/none/proxy/", 404, 'pods "none" not found'),
        ("pods/waits/proxy/", 400, "address not allowed"),
        ("pods/a:b:c:d/proxy/", 400, 'invalid pod request "a:b:c:d"'),
    ],
)
def test_what_cannot_be_reached_is_refused_in_the_servers_words(
    tell: Callable[[Scenario[None]], None], path: str, code: int, message: str
) -> None:
    async def story(world: World, client: Client) -> None:
        empty = service("empty", {"port": 80})
        empty["spec"]["selector"] = {"app": "none"}
        await client.post(SERVICES, empty)
        await client.post(
            PODS,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "waits"},
                "spec": {
                    "containers": [{"name": "a", "image": "a:1"}],
                    "schedulerName": "none",
                },
            },
        )
        world.run(1)
        reply = await client.get(f"/api/v1/namespaces/default/{path}")
        assert (reply.code, reply.message) == (code, message)

    tell(story)


def test_a_pod_is_asked_by_name_and_port(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        name, _ = await names(client)
        reply = await client.ask("POST", f"{PODS}/{name}:8080/proxy/x", {"a": 1})
        assert reply.code == 200
        assert f"pod {name} ".encode() in reply.body
        moved = await client.session.get(
            f"{client.url}{PODS}/{name}/proxy?x=1", allow_redirects=False
        )
        assert moved.status == 301
        assert moved.headers["Location"] == f"{PODS}/{name}/proxy/?x=1"

    tell(story)


def test_a_port_on_which_nobody_listens_refuses(tell: Callable[[Scenario[None]], None]) -> None:
    async def story(world: World, client: Client) -> None:
        name = (await names(client))[0]
        await client.ask("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 5})
        world.run(2)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {
                "containers": [{"name": "a", "image": "a:1", "ports": [{"containerPort": 99}]}]
            },
        }
        await client.post(PODS, pod)
        world.run(10)
        assert (await client.get(f"{PODS}/p/proxy/")).code == 200  # the first port it declares
        refused = await client.get(f"{PODS}/p:80/proxy/")
        assert refused.code == 503
        assert refused.json["reason"] == "ServiceUnavailable"
        assert "error trying to reach service: dial tcp 10.244." in refused.message
        assert refused.message.endswith(":80: connect: connection refused")

    tell(story)


def test_who_may_not_proxy_is_refused_by_the_methods_verb(
    tell: Callable[[Scenario[None]], None],
) -> None:
    async def story(world: World, client: Client) -> None:
        async with world.client("jane") as jane:
            reply = await jane.ask("POST", f"{SERVICES}/web/proxy/", {})
            assert reply.code == 403
            assert 'cannot create resource "services/proxy"' in reply.message

    tell(story)
