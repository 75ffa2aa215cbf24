from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as read

from kubesim.http.calls import Call
from kubesim.http.exposition import exposition
from kubesim.http.metrics import BUCKETS, Family, Tally, question
from kubesim.http.queries import Query
from kubesim.http.routes import parse
from kubesim.resources import Registry
from tests.kubesim.http.world import CONFIG_MAPS, DEPLOYMENTS, Client, Scenario, World, config_map

Run = Callable[[Scenario[Any]], Any]


class Told(dict[str, Metric]):
    """What a server told, by name."""

    def value(self, sample: str, **labels: str) -> float:
        """The sum of the samples of that name that have these labels."""
        return sum(
            each.value
            for metric in self.values()
            for each in metric.samples
            if each.name == sample and labels.items() <= each.labels.items()
        )


async def told(client: Client) -> Told:
    reply = await client.get("/metrics")
    assert reply.code == 200, reply.body
    return Told((each.name, each) for each in read(reply.body.decode()))


def test_requests_are_counted_by_what_they_asked_for_and_got(run: Run) -> None:
    async def scenario(world: World, client: Client) -> Told:
        await client.post(CONFIG_MAPS, config_map("a"))
        await client.post(CONFIG_MAPS, config_map("a"))
        await client.get(f"{CONFIG_MAPS}/a")
        await client.get(CONFIG_MAPS)
        await client.get("/api/v1/configmaps")
        apply = "application/apply-patch+yaml"
        await client.ask(
            "PATCH", f"{CONFIG_MAPS}/a?fieldManager=me&dryRun=All", config_map("a"), media=apply
        )
        return await told(client)

    found = run(scenario)
    name = "apiserver_request_total"
    maps = {"resource": "configmaps", "version": "v1", "group": "", "component": "apiserver"}
    assert found.value(name, verb="POST", code="201", scope="resource", **maps) == 1
    assert found.value(name, verb="POST", code="409", **maps) == 1
    assert found.value(name, verb="GET", scope="resource", **maps) == 1
    assert found.value(name, verb="LIST", scope="namespace", **maps) == 1
    assert found.value(name, verb="LIST", scope="cluster", **maps) == 1
    assert found.value(name, verb="APPLY", dry_run="All", **maps) == 1
    assert found.value("apiserver_request_duration_seconds_count", **maps) == 6


def test_a_clients_own_words_become_no_labels(run: Run) -> None:
    async def scenario(world: World, client: Client) -> str:
        for path in ("/apis/made.up/v1/things", "/made-up", f"{CONFIG_MAPS}/a/made-up"):
            await client.get(path)
        return (await client.get("/metrics")).body.decode()

    assert "made" not in run(scenario)


def test_watches_are_counted_while_they_are_open(run: Run) -> None:
    async def scenario(world: World, client: Client) -> tuple[Told, Told]:
        async with client.watch(f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1") as following:
            during = await told(client)
            while await following():
                pass
        return during, await told(client)

    during, after = run(scenario)
    watched = {"verb": "WATCH", "resource": "configmaps"}
    assert during.value("apiserver_longrunning_requests", **watched) == 1
    assert during.value("apiserver_request_total", **watched) == 0
    assert after.value("apiserver_longrunning_requests", **watched) == 0
    assert after.value("apiserver_request_total", code="200", **watched) == 1


def test_a_request_under_way_is_none_of_the_long_ones(run: Run) -> None:
    async def scenario(world: World, client: Client) -> Told:
        return await told(client)

    found = run(scenario)
    # The one that asks.
    assert found.value("apiserver_current_inflight_requests", request_kind="readOnly") == 1
    assert found.value("apiserver_current_inflight_requests", request_kind="mutating") == 0


def test_the_store_is_counted(run: Run) -> None:
    async def scenario(world: World, client: Client) -> tuple[Told, int]:
        await client.post(CONFIG_MAPS, config_map("a"))
        return await told(client), world.api.store.revision

    found, revision = run(scenario)
    assert found.value("apiserver_resource_objects", group="", resource="configmaps") == 1
    assert found.value("apiserver_storage_objects", resource="storageclasses.storage.k8s.io") == 1
    assert found.value("etcd_debugging_mvcc_current_revision") == revision


def test_process_and_build_are_told(run: Run) -> None:
    async def scenario(world: World, client: Client) -> Told:
        return await told(client)

    found = run(scenario)
    assert found.value("process_resident_memory_bytes") > 1e6
    assert found.value("kubernetes_build_info", major="1") == 1


def test_metrics_take_the_right_to_read_them(run: Run) -> None:
    async def scenario(world: World, client: Client) -> list[int]:
        async with world.client("ann") as ann, world.client("joe", "system:monitoring") as joe:
            asked = [await each.get("/metrics") for each in (ann, joe)]
        return [each.code for each in (*asked, await client.post("/metrics", {}))]

    assert run(scenario) == [403, 200, 405]


def test_what_else_is_known_is_told_along(run: Run) -> None:
    own = Family("gitops_lab_drift_seconds", "gauge", "Drift.", [("", {"arm": 'a"\n'}, 1.5)])

    async def scenario(world: World, client: Client) -> Told:
        world.server._families = lambda: [own]
        return await told(client)

    assert run(scenario).value("gitops_lab_drift_seconds", arm='a"\n') == 1.5


def test_every_family_is_well_formed(run: Run) -> None:
    """What `promtool check metrics` would find fault with, as far as it is ours."""

    async def scenario(world: World, client: Client) -> tuple[str, str]:
        await client.get(DEPLOYMENTS)
        plain = await client.get("/metrics")
        modern = await client.get("/metrics", Accept="application/openmetrics-text;version=1.0.0")
        assert plain.headers["Content-Type"].startswith("text/plain; version=")
        assert modern.headers["Content-Type"].startswith("application/openmetrics-text")
        return plain.body.decode(), modern.body.decode()

    plain, modern = run(scenario)
    # prometheus_client's parser of this form has no types.
    modern_families = openmetrics.text_string_to_metric_families(modern)  # type: ignore[no-untyped-call]
    assert {each.name for each in modern_families} >= {"apiserver_request"}
    families = list(read(plain))
    assert len({each.name for each in families}) == len(families)
    for family in families:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert family.documentation
        seen = [(each.name, tuple(sorted(each.labels.items()))) for each in family.samples]
        assert len(set(seen)) == len(seen)
        if family.type == "counter":
            assert all(each.name.endswith("_total") for each in family.samples)


def test_durations_are_sorted_into_classes_that_include_smaller_ones() -> None:
    instants = iter([0, 0.03, 10, 110])
    tally = Tally(lambda: next(instants))
    for _ in range(2):
        with tally.request("GET") as counted:
            counted.code = 200
    text = exposition(tally.families(), "").body.decode()
    found = Told((each.name, each) for each in read(text))
    name = "apiserver_request_duration_seconds"
    counts = {le: found.value(f"{name}_bucket", le=le) for le in ("0.025", "0.05", "60.0", "+Inf")}
    assert counts == {"0.025": 0, "0.05": 1, "60.0": 1, "+Inf": 2}
    assert found.value(f"{name}_sum") == pytest.approx(100.03)
    assert list(BUCKETS) == sorted(BUCKETS)


def test_a_request_that_nobody_waited_for_is_not_counted() -> None:
    tally = Tally(lambda: 0)
    with pytest.raises(ConnectionError), tally.request("GET"):
        raise ConnectionError
    assert not tally.requests and not any(tally.under_way.values())


@pytest.mark.parametrize(
    ("method", "url", "verb", "scope"),
    [
        ("DELETE", CONFIG_MAPS, "DELETECOLLECTION", "namespace"),
        ("PUT", f"{CONFIG_MAPS}/a", "PUT", "resource"),
        ("POST", "/api/v1/namespaces", "POST", "resource"),
        ("GET", "/api/v1/namespaces/default/pods/a/log", "GET", "resource"),
        ("GET", "/api/v1/namespaces/default/pods/a/proxy", "CONNECT", "resource"),
        ("HEAD", "/healthz", "HEAD", ""),
        ("MADEUP", "/version", "other", ""),
        ("MADEUP", CONFIG_MAPS, "other", "namespace"),
    ],
)
def test_the_verb_is_the_one_that_was_meant(method: str, url: str, verb: str, scope: str) -> None:
    call = Call(method, url, Query())
    asked = question(parse(method, url, {}), call, Registry.builtin())
    assert (asked.verb, asked.scope) == (verb, scope)
