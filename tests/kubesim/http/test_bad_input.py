"""Odd input of all kinds: a Status goes out, nothing breaks, and the next one is served."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import pytest

from kubesim.auth import Authority, Tokens
from kubesim.http import server as servers
from tests.kubesim.http.world import (
    CONFIG_MAPS,
    PODS,
    Client,
    Reply,
    Scenario,
    World,
    client_context,
    config_map,
)

Run = Callable[[Scenario[Any]], Any]

HOST = b"Host: x\r\n"


async def told(world: World, raw: bytes) -> tuple[int, Any]:
    """The code and the body of the answer to bytes on a connection of an administrator."""
    context = client_context(world.folder, "admin", ("system:masters",))
    port = int(world.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(raw)
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        lines = dict(each.split(b": ", 1) for each in head.split(b"\r\n")[1:-2])
        body = await reader.readexactly(int(lines[b"Content-Length"]))
    finally:
        writer.transport.abort()
    code = int(head.split(b" ")[1])
    if body == b"404 page not found\n":  # where no API is
        return code, {"kind": "Status", "code": 404}
    return code, orjson.loads(body)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x00\x01\x02\r\n\r\n", 400),
        (b"HELLO\r\n\r\n", 400),
        (b"MADEUP /api HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /api HTTP/9.9\r\n" + HOST + b"\r\n", 400),
        (b"GET /ver sion HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /api HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /api HTTP/1.1\r\n" + HOST + b"A: \x00\r\n\r\n", 400),
        (b"GET /api HTTP/1.1\r\n" + HOST + b"A: b\r\n folded\r\n\r\n", 400),
        (
            b"GET /api HTTP/1.1\r\n" + HOST
            + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        (b"POST /api HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (
            b"POST /api HTTP/1.1\r\n" + HOST
            + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
        (b"GET /api HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    ],
)  # fmt: skip
def test_what_is_no_http_is_told_so_in_a_status(run: Run, raw: bytes, code: int) -> None:
    async def scenario(world: World, client: Client) -> None:
        found, status = await told(world, raw)
        assert (found, status["kind"], status["status"]) == (code, "Status", "Failure")
        assert status["code"] == code and "Traceback" not in status["message"]
        assert (await client.get("/readyz")).body == b"ok"

    run(scenario)


@pytest.mark.parametrize(
    "path",
    [
        f"{CONFIG_MAPS}/../secrets",
        f"{CONFIG_MAPS}/..",
        f"{CONFIG_MAPS}/%2e%2e",
        f"{CONFIG_MAPS}/a%2fb",
        f"{CONFIG_MAPS}/a%00b",
        f"{CONFIG_MAPS}/%ff%fe",
        f"{CONFIG_MAPS}/%",
        f"{CONFIG_MAPS}/%zz",
        f"{CONFIG_MAPS}/" + "a" * 10_000,
        "/" + "a/" * 10_000,
        "/api/v1/namespaces/..%2f..%2fkube-system/configmaps/a",
        "/apis//v1/x",
        "/openapi/v3/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_no_path_leads_anywhere_but_to_its_own_place(run: Run, path: str) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(CONFIG_MAPS, config_map("a"))
        for method in (b"GET", b"PUT", b"DELETE"):
            head = method + b" " + path.encode() + b" HTTP/1.1\r\n" + HOST
            code, status = await told(world, head + b"Content-Length: 2\r\n\r\n{}")
            assert code in (400, 404, 405, 422)
            assert (status["kind"], status["code"]) == ("Status", code)

    run(scenario)


def test_a_header_cannot_smuggle_lines_into_the_answer(run: Run) -> None:
    async def scenario(world: World, client: Client) -> Reply:
        body = config_map("a")
        body["x\r\nEvil: 1"] = 1
        return await client.post(CONFIG_MAPS, body)

    reply = run(scenario)
    assert reply.code == 201 and "Evil" not in reply.headers
    assert len(reply.warnings) == 1


@pytest.mark.parametrize("media", ["application/json", "application/yaml"])
@pytest.mark.parametrize("field", ["apiVersion", "kind"])
@pytest.mark.parametrize("value", [[None], {"a": 1}, 1, True])
def test_a_version_or_kind_that_is_no_text_is_a_bad_request(
    run: Run, media: str, field: str, value: Any
) -> None:
    async def scenario(world: World, client: Client) -> Reply:
        return await client.post(PODS, {**config_map("a"), field: value}, media=media)

    reply = run(scenario)
    assert reply.code == 400
    assert f"cannot unmarshal {'array' if isinstance(value, list) else ''}" in reply.message


def test_tokens_that_are_forged_or_out_of_time_are_nobodys(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
        await client.post(accounts, account)
        good = world.tokens.issue("default", "bot", now=world.now, seconds=3600)
        head, body, signature = good.split(".")
        # As from another cluster, in which the same account exists.
        stranger = Tokens(Authority.create().token_key, world.api.store, rng=world.tokens._rng)
        forged = stranger.issue("default", "bot", now=world.now, seconds=3600)
        unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
        tokens = [good, forged, f"{head}.{body}.", f"{unsigned}.{body}.", f"{head}.{body}"]
        tokens += [f"{head}.{body}.{signature[:-4]}AAAA", "x", "a.b.c", "." * 50, "é" * 9]
        async with world.client("") as anonymous:
            codes = []
            for token in tokens:
                reply = await anonymous.get(CONFIG_MAPS, Authorization=f"Bearer {token}")
                assert reply.json["kind"] == "Status"
                codes.append(reply.code)
            world.now += 3601
            late = await anonymous.get(CONFIG_MAPS, Authorization=f"Bearer {good}")
        assert codes == [403, *[401] * (len(tokens) - 1)]
        assert (late.code, late.json["reason"]) == (401, "Unauthorized")

    run(scenario)


def test_a_certificate_of_another_authority_ends_the_handshake(run: Run, tmp_path: Any) -> None:
    """A real server answers 401. Python's TLS refuses before there is a request to answer."""

    async def scenario(world: World, client: Client) -> None:
        certificate, key = Authority.create().issue_client("admin", ("system:masters",))
        (tmp_path / "crt").write_text(certificate)
        (tmp_path / "key").write_text(key)
        context = ssl.create_default_context(cadata=world.server._authority.ca_pem)
        context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
                await session.get(f"{world.url}/version")
        assert (await client.get("/readyz")).body == b"ok"

    run(scenario)


@pytest.mark.allows_errors
def test_a_failure_outside_of_every_answer_is_a_status_and_is_logged(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> None:
        raise ValueError("secret")

    async def scenario(world: World, client: Client) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(world.server, "_respond", fails)
            reply = await client.get("/readyz")
        assert (reply.code, reply.json["reason"]) == (500, "InternalError")
        assert b"secret" not in reply.body
        assert (await client.get("/readyz")).body == b"ok"

    run(scenario)
    assert any(record.exc_info and "secret" in caplog.text for record in caplog.records)


def test_a_body_that_does_not_come_is_waited_for_only_so_long(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "READ_WITHIN", 0.1)

    async def scenario(world: World, client: Client) -> None:
        head = b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n{"
        code, status = await told(world, head)
        assert (code, status["reason"]) == (408, "Timeout")
        assert (await client.get("/readyz")).body == b"ok"

    run(scenario)


def test_hundreds_of_idle_and_half_open_connections_block_no_other(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        port = int(world.url.rpartition(":")[2])
        context = client_context(world.folder, "admin", ("system:masters",))
        plain = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        shaken = [await asyncio.open_connection("127.0.0.1", port, ssl=context) for _ in range(50)]
        for _, writer in shaken:
            writer.write(
                b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
            )
        for number in range(20):
            assert (await client.post(CONFIG_MAPS, config_map(f"c{number}"))).code == 201
        for _, writer in (*plain, *shaken):
            writer.transport.abort()
        assert (await client.get("/readyz")).body == b"ok"

    run(scenario)


@pytest.mark.parametrize("metadata", ["text", [], {"name": []}, {"name": {"a": 1}}, {"name": None}])
def test_a_binding_names_its_pod_or_none(run: Run, metadata: Any) -> None:
    async def scenario(world: World, client: Client) -> None:
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata}
        reply = await client.post("/api/v1/namespaces/default/bindings", body)
        assert reply.code in (400, 404, 422) and reply.json["kind"] == "Status"

    run(scenario)
