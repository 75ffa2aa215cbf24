from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import Callable
from contextlib import aclosing
from random import Random
from typing import Any

import aiohttp
import pytest

from kubesim.controllers import Controllers
from kubesim.controllers.images import Catalogue
from kubesim.http import connections
from kubesim.http import server as servers
from kubesim.http.answers import Shaper, encoded, warning_lines
from kubesim.http.negotiation import PLAIN
from kubesim.http.queries import ListOptions, Query
from kubesim.http.watches import Alarm, Watching, stream
from tests.kubesim.http.world import (
    CONFIG_MAPS,
    DEPLOYMENT,
    DEPLOYMENTS,
    PODS,
    WINDOW,
    Client,
    Scenario,
    World,
    client_context,
    config_map,
)

Run = Callable[[Scenario[None]], None]


def test_an_object_is_created_read_changed_and_deleted(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        made = await client.post(CONFIG_MAPS, config_map("c", a="1"))
        assert made.code == 201
        assert made.json["metadata"]["uid"]
        read = await client.get(f"{CONFIG_MAPS}/c")
        assert (read.code, read.json) == (200, made.json)
        put = await client.ask("PUT", f"{CONFIG_MAPS}/c", {**made.json, "data": {"a": "2"}})
        assert (put.code, put.json["data"]) == (200, {"a": "2"})
        gone = await client.ask("DELETE", f"{CONFIG_MAPS}/c")
        assert (gone.code, gone.json["status"]) == (200, "Success")
        missing = await client.get(f"{CONFIG_MAPS}/c")
        assert (missing.code, missing.message) == (404, 'configmaps "c" not found')

    run(scenario)


PATCHES = {
    "application/json-patch+json": [{"op": "replace", "path": "/spec/replicas", "value": 5}],
    "application/merge-patch+json": {"spec": {"replicas": 5}},
    "application/strategic-merge-patch+json": {"spec": {"replicas": 5}},
    "application/apply-patch+yaml": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 5},
    },
}


@pytest.mark.parametrize("media", PATCHES)
def test_patches_come_in_four_types(run: Run, media: str) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(DEPLOYMENTS, DEPLOYMENT)
        path = f"{DEPLOYMENTS}/web?fieldManager=me&force=" + str("apply" in media).lower()
        patched = await client.ask("PATCH", path, PATCHES[media], media=media)
        assert (patched.code, patched.json["spec"]["replicas"]) == (200, 5)

    run(scenario)


def test_an_apply_that_creates_says_so(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        path, media = f"{DEPLOYMENTS}/web?fieldManager=me", "application/apply-patch+yaml"
        codes = [(await client.ask("PATCH", path, DEPLOYMENT, media=media)).code for _ in range(2)]
        assert codes == [201, 200]

    run(scenario)


REASONS = {
    400: "BadRequest",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    504: "Timeout",
}


@pytest.mark.parametrize(
    ("method", "path", "body", "media", "code"),
    [
        ("POST", CONFIG_MAPS, b"{", "application/json", 400),
        ("POST", CONFIG_MAPS, b"[1]", "application/json", 400),
        ("POST", CONFIG_MAPS, b"a: [", "application/yaml", 400),
        ("POST", CONFIG_MAPS, b"nonsense", "application/vnd.kubernetes.protobuf", 400),
        ("POST", CONFIG_MAPS, b"{}", "text/plain", 415),
        ("POST", CONFIG_MAPS, b"x" * (3 * 1024 * 1024 + 1), "application/json", 413),
        ("PATCH", f"{CONFIG_MAPS}/c", b"{}", "application/json", 415),
        ("PATCH", f"{CONFIG_MAPS}/c", b"{}", "application/apply-patch+cbor", 415),
        ("PATCH", CONFIG_MAPS, b"{}", "application/merge-patch+json", 405),
        ("POST", f"{CONFIG_MAPS}/c", b"{}", "application/json", 405),
        ("POST", "/api/v1/configmaps", b"{}", "application/json", 405),
        ("PUT", "/api/v1/namespaces/default/bindings", b"{}", "application/json", 405),
        ("GET", "/api/v1/componentstatuses?watch=true", None, "", 405),
        ("GET", "/api/v1/namespaces/default/nopes", None, "", 404),
        ("GET", f"{PODS}/p/log/more", None, "", 404),
        ("GET", "/api/v1/namespaces/default/nodes", None, "", 404),
        ("GET", f"{CONFIG_MAPS}/c/scale", None, "", 404),
        ("GET", f"{CONFIG_MAPS}/%2e%2e%2fsecrets", None, "", 404),
        ("GET", f"{CONFIG_MAPS}?labelSelector=%21%21", None, "", 400),
        ("GET", f"{CONFIG_MAPS}?fieldSelector=a", None, "", 400),
        ("GET", f"{CONFIG_MAPS}?continue=zzz", None, "", 400),
        ("GET", f"{CONFIG_MAPS}?limit=many", None, "", 400),
        ("GET", f"{CONFIG_MAPS}?resourceVersion=x", None, "", 400),
        ("GET", f"{CONFIG_MAPS}?resourceVersion=99999", None, "", 504),
        ("GET", f"{CONFIG_MAPS}?resourceVersionMatch=Exact", None, "", 422),
        ("GET", f"{CONFIG_MAPS}?sendInitialEvents=true", None, "", 422),
        ("GET", f"{CONFIG_MAPS}?watch=true&sendInitialEvents=true", None, "", 422),
        ("GET", f"{CONFIG_MAPS}?watch=true&resourceVersion=99999", None, "", 504),
        ("POST", f"{CONFIG_MAPS}?dryRun=Some", b"{}", "application/json", 422),
        ("POST", f"{CONFIG_MAPS}?fieldValidation=No", b"{}", "application/json", 422),
        ("DELETE", f"{CONFIG_MAPS}/c", b'{"dryRun":"All"}', "application/json", 400),
        ("DELETE", "/api/v1/configmaps", None, "", 405),
        ("OPTIONS", CONFIG_MAPS, None, "", 405),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_answered_with_a_status(
    run: Run, method: str, path: str, body: bytes | None, media: str, code: int
) -> None:
    async def scenario(world: World, client: Client) -> None:
        reply = await client.ask(method, path, body, media=media)
        assert (reply.code, reply.json["reason"]) == (code, REASONS[code])
        assert (reply.json["kind"], reply.json["status"]) == ("Status", "Failure")
        assert (await client.get("/readyz")).body == b"ok"

    run(scenario)


@pytest.mark.parametrize("path", ["/nowhere", "/apis/none.example/v1/things"])
def test_where_no_api_is_the_answer_is_a_plain_text(run: Run, path: str) -> None:
    async def scenario(world: World, client: Client) -> None:
        reply = await client.get(path)
        assert (reply.code, reply.body) == (404, b"404 page not found\n")

    run(scenario)


def test_an_unacceptable_form_of_the_answer_is_refused(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        assert (await client.get(CONFIG_MAPS, Accept="image/png")).code == 406
        assert (await client.get(f"{CONFIG_MAPS}?watch=1", Accept="application/yaml")).code == 406

    run(scenario)


def test_unknown_fields_are_refused_warned_of_or_ignored(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        body = {**config_map("c"), "dta": {}}
        strict = await client.post(f"{CONFIG_MAPS}?fieldValidation=Strict", body)
        assert strict.code == 400
        assert 'unknown field "dta"' in strict.message
        warned = await client.post(CONFIG_MAPS, body)
        assert (warned.code, warned.warnings) == (201, ['299 - "unknown field \\"dta\\""'])
        path = f"{CONFIG_MAPS}?fieldValidation=Ignore"
        ignored = await client.post(path, {**body, "metadata": {"name": "d"}})
        assert (ignored.code, ignored.warnings) == (201, [])

    run(scenario)


def test_a_writer_that_names_no_field_manager_is_known_by_its_program(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        made = await client.post(CONFIG_MAPS, config_map("c", a="1"), User_Agent="tool/1.2 (x)")
        assert made.json["metadata"]["managedFields"][0]["manager"] == "tool"

    run(scenario)


def test_a_dry_run_stores_nothing(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        made = await client.post(f"{CONFIG_MAPS}?dryRun=All", config_map("c"))
        assert (made.code, "resourceVersion" in made.json["metadata"]) == (201, False)
        assert (await client.get(f"{CONFIG_MAPS}/c")).code == 404

    run(scenario)


def test_lists_come_in_pages_of_one_revision(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        for name in "abc":
            await client.post(CONFIG_MAPS, config_map(name))
        first = (await client.get(f"{CONFIG_MAPS}?limit=2")).json
        assert [each["metadata"]["name"] for each in first["items"]] == ["a", "b"]
        assert "kind" not in first["items"][0]
        await client.post(CONFIG_MAPS, config_map("d"))
        token = first["metadata"]["continue"]
        rest = (await client.get(f"{CONFIG_MAPS}?limit=2&continue={token}")).json
        assert [each["metadata"]["name"] for each in rest["items"]] == ["c"]
        revision = first["metadata"]["resourceVersion"]
        path = f"{CONFIG_MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact"
        assert len((await client.get(path)).json["items"]) == 3

    run(scenario)


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io,application/json"


def test_objects_and_lists_come_as_tables_and_as_metadata(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(DEPLOYMENTS, DEPLOYMENT)
        for path in (DEPLOYMENTS, f"{DEPLOYMENTS}/web"):
            table = (await client.get(path, Accept=TABLE)).json
            assert (table["kind"], table["rows"][0]["cells"][0]) == ("Table", "web")
        found = (await client.get(DEPLOYMENTS, Accept=PARTIAL.format("List"))).json
        assert found["kind"] == "PartialObjectMetadataList"
        assert found["items"][0].keys() == {"apiVersion", "kind", "metadata"}
        one = (await client.get(f"{DEPLOYMENTS}/web", Accept=PARTIAL.format(""))).json
        assert (one["kind"], one["metadata"]["name"]) == ("PartialObjectMetadata", "web")

    run(scenario)


def test_deletions_obey_their_options_in_body_or_query(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(CONFIG_MAPS, config_map("c"))
        body = {"kind": "DeleteOptions", "preconditions": {"uid": "another"}}
        assert (await client.ask("DELETE", f"{CONFIG_MAPS}/c", body)).code == 409
        assert (await client.ask("DELETE", f"{CONFIG_MAPS}/c?dryRun=All")).code == 200
        path = f"{CONFIG_MAPS}/c?propagationPolicy=Foreground"
        waiting = (await client.ask("DELETE", path)).json
        assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]

    run(scenario)


def test_a_collection_is_deleted_by_selector(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        for name in "ab":
            body = config_map(name)
            body["metadata"]["labels"] = {"which": name}
            await client.post(CONFIG_MAPS, body)
        await client.ask("DELETE", f"{CONFIG_MAPS}?labelSelector=which%3Da")
        left = (await client.get(CONFIG_MAPS)).json["items"]
        assert [each["metadata"]["name"] for each in left] == ["b"]

    run(scenario)


def test_scaling_goes_through_the_scale_subresource(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(DEPLOYMENTS, DEPLOYMENT)
        scale = (await client.get(f"{DEPLOYMENTS}/web/scale")).json
        assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 2)
        scale["spec"]["replicas"] = 7
        assert (await client.ask("PUT", f"{DEPLOYMENTS}/web/scale", scale)).code == 200
        assert (await client.get(f"{DEPLOYMENTS}/web")).json["spec"]["replicas"] == 7

    run(scenario)


def test_big_answers_are_compressed_for_those_who_allow_it(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(CONFIG_MAPS, config_map("c", a="x" * 200_000))
        async with client.session.get(
            client.url + f"{CONFIG_MAPS}/c", headers={"Accept-Encoding": "gzip"}
        ) as got:
            assert got.headers["Content-Encoding"] == "gzip"
            assert len((await got.json())["data"]["a"]) == 200_000
        plain = await client.get(f"{CONFIG_MAPS}/c", Accept_Encoding="identity")
        assert "Content-Encoding" not in plain.headers

    run(scenario)


def test_a_compressed_body_counts_as_long_as_it_is_unpacked(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        bomb = gzip.compress(b" " * 10_000_000)
        reply = await client.ask("POST", CONFIG_MAPS, bomb, Content_Encoding="gzip")
        assert reply.code == 413

    run(scenario)


def test_yaml_in_and_out(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {day: '2026-01-05'}\n"
        made = await client.ask("POST", CONFIG_MAPS, text, media="application/yaml")
        assert made.code == 201
        read = await client.get(f"{CONFIG_MAPS}/c", Accept="application/yaml")
        assert read.headers["Content-Type"] == "application/yaml"
        assert b"day: '2026-01-05'" in read.body

    run(scenario)


def test_health_and_version_are_for_everyone_and_nothing_else_is(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        async with world.client("") as anonymous:
            for path in ("/version", "/healthz", "/livez", "/readyz"):
                assert (await anonymous.get(path)).code == 200
            for path in (CONFIG_MAPS, "/api", "/openapi/v3", "/"):
                refused = await anonymous.get(path)
                assert (refused.code, refused.json["reason"]) == (403, "Forbidden")
            forged = await anonymous.get(CONFIG_MAPS, Authorization="Bearer a.b.c")
            assert (forged.code, forged.json["reason"]) == (401, "Unauthorized")
        assert (await client.ask("HEAD", "/livez/ping")).code == 200

    run(scenario)


def test_a_user_may_do_what_roles_say(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        async with world.client("jane", "dev") as jane:
            refused = await jane.get(PODS)
            assert refused.message == (
                'pods is forbidden: User "jane" cannot list resource "pods" '
                'in API group "" in the namespace "default"'
            )
            binding = {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "dev"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "cluster-admin",
                },
                "subjects": [
                    {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "dev"}
                ],
            }
            path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
            assert (await client.post(path, binding)).code == 201
            assert (await jane.get(PODS)).code == 200
            assert (await jane.get("/api/v1/pods")).code == 403
        reply = await client.get(PODS, Impersonate_User="joe")
        assert 'User "joe" cannot list' in reply.message

    run(scenario)


def test_reviews_answer_and_tokens_are_issued(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        assert (await client.post(path, kind)).json["status"]["userInfo"]["username"] == "admin"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        await client.post(accounts, account)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        issued = await client.post(f"{accounts}/bot/token", request)
        assert issued.code == 201
        async with world.client("") as bot:
            bearer = f"Bearer {issued.json['status']['token']}"
            who = await bot.post(path, kind, Authorization=bearer)
            name = who.json["status"]["userInfo"]["username"]
            assert name == "system:serviceaccount:default:bot"

    run(scenario)


def test_discovery_comes_in_both_forms(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        found = await client.get("/apis", Accept=f"{aggregated},application/json")
        assert found.headers["Content-Type"] == aggregated
        assert found.json["kind"] == "APIGroupDiscoveryList"
        assert (await client.get("/apis")).json["kind"] == "APIGroupList"
        assert (await client.get("/apis/apps/v1")).json["kind"] == "APIResourceList"
        assert (await client.get("/apis/apps")).json["kind"] == "APIGroup"
        assert (await client.get("/api/v1")).json["groupVersion"] == "v1"

    run(scenario)


def test_an_openapi_document_is_found_by_its_index(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        index = (await client.get("/openapi/v3")).json
        url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        document = await client.get(url)
        assert "immutable" in document.headers["Cache-Control"]
        assert "io.k8s.api.apps.v1.Deployment" in document.json["components"]["schemas"]
        protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
        assert (await client.get("/openapi/v2", Accept=protobuf)).body[:1] == b"\n"

    run(scenario)


def test_an_address_that_is_out_of_reach_drops_its_clients(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        world.is_reachable = False
        with pytest.raises(aiohttp.ClientError):
            await client.get("/readyz")
        world.is_reachable = True
        assert (await client.get("/readyz")).code == 200

    run(scenario)


@pytest.mark.allows_errors
def test_a_failure_of_our_own_is_a_status_without_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret")

    async def scenario(world: World, client: Client) -> None:
        monkeypatch.setattr(world.api, "get", broken)
        reply = await client.get(f"{CONFIG_MAPS}/c")
        assert (reply.code, reply.json["reason"]) == (500, "InternalError")
        assert b"secret" not in reply.body

    run(scenario)


def test_too_many_requests_at_once_are_told_to_wait(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(world: World, client: Client) -> None:
        monkeypatch.setattr(servers, "MOST_REQUESTS", 0)
        reply = await client.get(CONFIG_MAPS)
        assert (reply.code, reply.headers["Retry-After"]) == (429, "1")

    run(scenario)


# -- Watches ---------------------------------------------------------------------------------------


def test_a_watch_tells_every_change_once_and_in_order(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        revision = (await client.get(CONFIG_MAPS)).json["metadata"]["resourceVersion"]
        path = f"{CONFIG_MAPS}?watch=true&resourceVersion={revision}"
        async with client.watch(path) as following:
            await client.post(CONFIG_MAPS, config_map("c", a="1"))
            media = "application/merge-patch+json"
            await client.ask("PATCH", f"{CONFIG_MAPS}/c", {"data": {"a": "2"}}, media=media)
            await client.ask("DELETE", f"{CONFIG_MAPS}/c")
            told = [await following() for _ in range(3)]
        assert [each["type"] for each in told] == ["ADDED", "MODIFIED", "DELETED"]
        assert [each["object"]["data"]["a"] for each in told] == ["1", "2", "2"]

    run(scenario)


def test_a_watch_list_begins_with_what_there_is_and_says_when_that_is_all(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        await client.post(CONFIG_MAPS, config_map("c"))
        path = (
            f"{CONFIG_MAPS}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
            "&resourceVersionMatch=NotOlderThan"
        )
        async with client.watch(path) as following:
            assert (await following())["object"]["metadata"]["name"] == "c"
            end = await following()
            assert end["type"] == "BOOKMARK"
            annotations = end["object"]["metadata"]["annotations"]
            assert annotations == {"k8s.io/initial-events-end": "true"}
            await client.post(CONFIG_MAPS, config_map("d"))
            assert (await following())["object"]["metadata"]["name"] == "d"

    run(scenario)


def test_a_watch_ends_in_time_with_a_bookmark(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        path = f"{PODS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=1"
        async with client.watch(path) as following:
            assert (await following())["type"] == "BOOKMARK"
            assert await following() is None

    run(scenario)


def test_a_watch_from_before_the_window_is_expired(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        fill(world, WINDOW + 1)
        reply = await client.get(f"{CONFIG_MAPS}?watch=true&resourceVersion=2")
        assert (reply.code, reply.json["reason"]) == (410, "Expired")

    run(scenario)


def fill(world: World, count: int) -> None:
    resource = world.api.registry.by_kind("v1", "ConfigMap")
    for number in range(count):
        world.api.create(resource, config_map(f"c{number}"), namespace="default")


def test_a_watcher_that_falls_behind_the_window_is_told_to_list_again(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        resource = world.api.registry.by_kind("v1", "ConfigMap")
        watch = world.api.watch(resource, since=str(world.api.store.revision))
        shaper = Shaper(PLAIN, resource, Query(), world.now)
        alarm = Alarm()
        alarm.open(world.api.store)
        async with aclosing(stream(Watching(watch, ListOptions(), shaper), alarm, yes)) as pieces:
            fill(world, 1)
            assert json.loads(await anext(pieces))["type"] == "ADDED"
            # While this client reads nothing, more happens than the store remembers.
            world.api.delete_collection(resource, namespace="default")
            fill(world, WINDOW + 1)
            last = json.loads(await anext(pieces))
            assert (last["type"], last["object"]["code"]) == ("ERROR", 410)
            with pytest.raises(StopAsyncIteration):
                await anext(pieces)

    run(scenario)


def yes() -> bool:
    return True


def test_a_client_that_does_not_read_is_cut_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World, client: Client) -> None:
        monkeypatch.setattr(servers, "WRITE_WITHIN", 0.2)
        big = "x" * 900_000
        for number in range(12):
            await client.post(CONFIG_MAPS, config_map(f"c{number}", a=big))
        _, writer = await asyncio.open_connection(
            "127.0.0.1",
            int(world.url.rpartition(":")[2]),
            ssl=client_context(world.folder, "admin", ("system:masters",)),
            limit=1024,
        )
        writer.write(f"GET {CONFIG_MAPS}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await writer.drain()
        for _ in range(200):
            await asyncio.sleep(0.02)
            if world.server.watches:
                break
        assert world.server.watches == 1
        for _ in range(200):
            await asyncio.sleep(0.02)
            if not world.server.watches:
                break
        assert world.server.watches == 0
        writer.transport.abort()

    run(scenario)


def test_a_connection_that_asks_nothing_is_closed_and_others_stay(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(world: World, client: Client) -> None:
        monkeypatch.setattr(connections, "ASK_WITHIN", 0.2)
        context = client_context(world.folder, "admin", ("system:masters",))
        port = int(world.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: x")  # and no more
        async with client.watch(f"{CONFIG_MAPS}?watch=true") as following:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            await client.post(CONFIG_MAPS, config_map("c"))
            assert (await following())["type"] == "ADDED"
        writer.transport.abort()

    run(scenario)


def test_a_watch_as_table_names_its_columns_once(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        for name in "ab":
            await client.post(CONFIG_MAPS, config_map(name))
        async with client.watch(f"{CONFIG_MAPS}?watch=true", Accept=TABLE) as following:
            first, second = await following(), await following()
        assert first["object"]["columnDefinitions"][0]["name"] == "Name"
        assert second["object"]["columnDefinitions"] is None
        assert [each["object"]["rows"][0]["cells"][0] for each in (first, second)] == ["a", "b"]

    run(scenario)


def test_many_watchers_hear_of_a_change(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        revision = (await client.get(CONFIG_MAPS)).json["metadata"]["resourceVersion"]
        path = f"{CONFIG_MAPS}?watch=true&resourceVersion={revision}"
        ready = asyncio.Event()
        count = 0

        async def listen() -> str:
            nonlocal count
            async with client.watch(path) as following:
                count += 1
                if count == 50:
                    ready.set()
                return str((await following())["object"]["metadata"]["name"])

        listeners = [asyncio.create_task(listen()) for _ in range(50)]
        await ready.wait()
        await client.post(CONFIG_MAPS, config_map("news"))
        assert await asyncio.gather(*listeners) == ["news"] * 50

    run(scenario)


def test_a_watch_ends_when_the_server_stops(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        async with client.watch(f"{PODS}?watch=true") as following:
            await world.server.stop()
            assert await following() is None

    run(scenario)


def test_a_client_that_leaves_takes_its_watch_along(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        async with world.client() as other, other.watch(f"{PODS}?watch=true"):
            assert world.server.watches == 1
        for _ in range(100):
            if not world.server.watches:
                break
            await asyncio.sleep(0.01)
        assert world.server.watches == 0

    run(scenario)


def test_answers_are_json_whatever_they_hold() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    for value in (2**70, "\ud800", deep):
        assert json.loads(encoded(value)) == value


def test_a_long_warning_is_told_in_full_if_there_is_room_for_it() -> None:
    text = "w" * 1_000
    assert warning_lines([text]) == f'299 - "{text}"'
    many = warning_lines(f"{number}{text}" for number in range(9)).splitlines()
    assert {len(line) for line in many} == {256 + len('299 - ""')}


def test_warnings_take_no_more_room_than_a_client_has(run: Run) -> None:
    async def scenario(world: World, client: Client) -> None:
        body = {**config_map("c"), **{f"unknown{number}": 1 for number in range(5_000)}}
        made = await client.post(CONFIG_MAPS, body)
        assert made.code == 201
        assert 10 < len(made.warnings) < 200

    run(scenario)


ODD = [
    *(b"null", b'"x"', b"1", b"[]", b"{}", b'{"metadata":[]}', b'{"metadata":{"name":1}}'),
    *(b'{"apiVersion":7}', b'{"kind":[]}', b'{"spec":5}', b'{"spec":{"versions":[{}]}}'),
    b'{"metadata":{"name":"web","labels":[1],"ownerReferences":{},"managedFields":[1]}}',
]
PLACES = [
    ("POST", CONFIG_MAPS, "application/json"),
    ("PUT", f"{DEPLOYMENTS}/web", "application/json"),
    *(("PATCH", f"{DEPLOYMENTS}/web?fieldManager=me", media) for media in PATCHES),
    ("PUT", f"{DEPLOYMENTS}/web/scale", "application/json"),
    ("PATCH", f"{DEPLOYMENTS}/web/scale", "application/merge-patch+json"),
    ("PUT", f"{DEPLOYMENTS}/web/status", "application/json"),
    ("DELETE", f"{CONFIG_MAPS}/c", "application/json"),
    ("POST", f"{PODS}/p/eviction", "application/json"),
    ("POST", f"{PODS}/p/binding", "application/json"),
    ("POST", "/api/v1/namespaces/default/bindings", "application/json"),
    ("POST", "/api/v1/namespaces/default/serviceaccounts/bot/token", "application/json"),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "application/json"),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "application/json"),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "application/json"),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", "application/json"),
    ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "application/json"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "application/json"),
]


def test_odd_bodies_never_break_the_server(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World, client: Client) -> None:
        Controllers(world.api, images=Catalogue(), rng=Random(3)).step(world.now)
        await client.post(DEPLOYMENTS, DEPLOYMENT)
        async with world.client("jane", "dev") as jane:
            for method, path, media in PLACES:
                for body in ODD:
                    await client.ask(method, path, body, media=media)
                    await jane.ask(method, path, body, media=media)
        assert (await client.get("/readyz")).code == 200

    run(scenario)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
