"""Policies over HTTPS: warnings, refusals, and connections into pods."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gitops_lab.model import Object
from kubesim.http import connection_options
from kubesim.http.queries import Query
from kubesim.http.routes import Route
from kubesim.validating import ValidatingAdmission
from tests.kubesim.http.test_portforward import PATH, POD
from tests.kubesim.http.world import DEPLOYMENT, DEPLOYMENTS, PODS, Client, World
from tests.kubesim.test_validating import bound, policy, rule

REGISTRATION = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"


async def say(client: Client, *bodies: Object) -> None:
    for body in bodies:
        plural = "ybindings" if body["kind"].endswith("Binding") else "ies"
        reply = await client.post(f"{REGISTRATION}{plural}", body)
        assert reply.code == 201, reply.message


def test_a_policy_warns_in_a_header_and_refuses_with_a_status(folder: Path) -> None:
    async def story() -> None:
        async with World(str(folder)).served() as world, world.client() as client:
            world.api.reviews.append(ValidatingAdmission(world.api))
            warns = bound(validationActions=["Warn"])
            await say(client, policy("object.spec.replicas < 2"), warns)
            reply = await client.post(DEPLOYMENTS, DEPLOYMENT)
            assert reply.code == 201
            (warning,) = reply.warnings
            assert "Validation failed for ValidatingAdmissionPolicy 'few' with binding" in warning
            user = "request.userInfo.username != 'jane'"
            await say(client, policy(user, name="who"), bound("who", "who"))
            body = {**DEPLOYMENT, "metadata": {"name": "other"}}
            async with world.client("jane", "system:masters") as jane:
                reply = await jane.post(DEPLOYMENTS, body)
                assert (reply.code, reply.json["reason"]) == (422, "Invalid")
                assert reply.message.endswith(f"denied request: failed expression: {user}")
                assert reply.json["details"]["causes"][0]["message"].startswith("ValidatingAdmis")

    asyncio.run(asyncio.wait_for(story(), 20))


@pytest.mark.parametrize(
    ("subresource", "query"),
    [("portforward", "?ports=80"), ("proxy", "")],
)
def test_a_policy_keeps_people_out_of_pods(folder: Path, subresource: str, query: str) -> None:
    async def story() -> None:
        inhabited = World(str(folder), is_inhabited=True)
        async with inhabited.served() as world, world.client() as client:
            world.api.reviews.append(ValidatingAdmission(world.api))
            await client.post(PODS, POD)
            world.run(20)
            into = rule(apiGroups=[""], operations=["CONNECT"], resources=[f"pods/{subresource}"])
            await say(client, policy("false", match={"resourceRules": [into]}), bound())
            reply = await client.get(f"{PODS}/web/{subresource}{query}")
            assert reply.code == 422
            assert reply.message.startswith('pods "web" is forbidden: ValidatingAdmissionPolicy')
            await client.ask("DELETE", f"{REGISTRATION}ies/few")
            reply = await client.get(f"{PODS}/web/{subresource}{query}")
            assert reply.code != 422

    asyncio.run(asyncio.wait_for(story(), 20))


@pytest.mark.parametrize(
    ("route", "query", "expected"),
    [
        (
            Route("create", "", "v1", "pods", "default", "web", "exec"),
            [("command", "ls"), ("command", "-l"), ("stdin", "true"), ("tty", "false")],
            {"kind": "PodExecOptions", "command": ["ls", "-l"], "stdin": True},
        ),
        (
            Route("create", "", "v1", "pods", "default", "web", "attach"),
            [("container", "web"), ("stdout", "1")],
            {"kind": "PodAttachOptions", "container": "web", "stdout": True},
        ),
        (
            Route("create", "", "v1", "pods", "default", "web", "portforward"),
            [("ports", "80,x"), ("ports", "81")],
            {"kind": "PodPortForwardOptions", "ports": [80, 81]},
        ),
        (
            Route("get", "", "v1", "services", "default", "web", "proxy", ("a", "b")),
            [],
            {"kind": "ServiceProxyOptions", "path": "a/b"},
        ),
    ],
)
def test_a_policy_sees_what_a_connection_is_for(
    route: Route, query: list[tuple[str, str]], expected: Object
) -> None:
    assert connection_options.of(route, Query(query)) == {"apiVersion": "v1", **expected}


def test_a_connection_is_made_where_no_policy_objects(folder: Path) -> None:
    async def story() -> None:
        inhabited = World(str(folder), is_inhabited=True)
        async with inhabited.served() as world, world.client() as client:
            world.api.reviews.append(ValidatingAdmission(world.api))
            await client.post(PODS, POD)
            world.run(20)
            into = rule(apiGroups=[""], operations=["CONNECT"], resources=["pods/exec"])
            await say(client, policy("false", match={"resourceRules": [into]}), bound())
            assert (await client.get(PATH)).message == "Upgrade request required"

    asyncio.run(asyncio.wait_for(story(), 20))
