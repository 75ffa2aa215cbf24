"""Get, list and watch."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from kubesim.api import Api, Watch, bootstrap
from kubesim.store import Store
from tests.kubesim.world import World, config_map, deployment, namespace, pod, refused


@pytest.fixture
def world() -> World:
    world = World()
    world.create(namespace("shop"))
    return world


def told(watch: Watch) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in watch.poll()]


def labelled(name: str, **labels: str) -> dict[str, Any]:
    body = config_map(name)
    body["metadata"]["labels"] = labels
    return body


def test_what_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.get("Deployment", "web")
    assert refused(refusal) == (404, "NotFound", 'deployments.apps "web" not found')
    assert refusal.value.status["details"] == {
        "name": "web",
        "group": "apps",
        "kind": "deployments",
    }


def test_a_list_says_what_it_is_and_when(world: World) -> None:
    found = world.api.list(world.resource("Deployment"))
    assert found == {
        "apiVersion": "apps/v1",
        "kind": "DeploymentList",
        "metadata": {"resourceVersion": str(world.api.store.revision)},
        "items": [],
    }


def test_a_list_takes_one_namespace_or_all(world: World) -> None:
    maps = world.resource("ConfigMap")
    world.create(config_map("b"))
    world.api.create(maps, config_map("a"), namespace="shop")
    assert world.names("ConfigMap") == world.names("ConfigMap", namespace="") == ["b", "a"]
    assert world.names("ConfigMap", namespace="shop") == ["a"]
    assert world.names("Namespace", namespace="shop") == world.names("Namespace")


def test_a_list_selects_by_labels_and_fields(world: World) -> None:
    world.create(labelled("a", app="web"))
    world.create(labelled("b", app="web"))
    world.create(labelled("c", app="api"))
    assert world.names("ConfigMap", labels="app in (web)") == ["a", "b"]
    assert world.names("ConfigMap", labels="app=web", fields="metadata.name!=a") == ["b"]


def test_pages_tell_the_list_as_it_was_at_the_first(world: World) -> None:
    for name in "abcde":
        world.create(config_map(name))
    maps = world.resource("ConfigMap")
    first = world.api.list(maps, limit=2)
    assert first["metadata"]["remainingItemCount"] == 3
    world.delete("ConfigMap", "c")
    world.create(config_map("cc"))
    world.update(config_map("d", changed="yes"))
    second = world.api.list(maps, limit=2, continue_=first["metadata"]["continue"])
    third = world.api.list(maps, limit=2, continue_=second["metadata"]["continue"])
    pages = [first, second, third]
    assert [[item["metadata"]["name"] for item in page["items"]] for page in pages] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]
    assert "data" not in second["items"][1]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1
    assert "continue" not in third["metadata"]


def test_pages_of_a_selection_do_not_say_how_much_is_left(world: World) -> None:
    for name in "abc":
        world.create(labelled(name, app="web"))
    page = world.api.list(world.resource("ConfigMap"), labels="app=web", limit=1)
    assert page["metadata"].keys() == {"resourceVersion", "continue"}


def test_a_page_that_was_asked_for_too_late_has_expired() -> None:
    world = World()
    api = world.api = Api(now=lambda: 0.0, rng=world.api._writing.rng, store=Store(window=5))
    bootstrap(api)
    for name in "abc":
        world.create(config_map(name))
    maps = world.resource("ConfigMap")
    token = api.list(maps, limit=1)["metadata"]["continue"]
    for number in range(6):
        world.update(config_map("c", number=str(number)))
    with pytest.raises(ApiError) as refusal:
        api.list(maps, limit=1, continue_=token)
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
    assert "continue parameter is too old" in refusal.value.message


@pytest.mark.parametrize("token", ["x", "e30", "!!!", "WzFd"])
def test_a_token_of_nobodys_is_a_bad_request(world: World, token: str) -> None:
    with pytest.raises(ApiError, match="continue key is not valid") as refusal:
        world.api.list(world.resource("ConfigMap"), continue_=token)
    assert refusal.value.code == 400


def test_a_watch_from_a_list_tells_what_happens_after_it(world: World) -> None:
    world.create(config_map("a"))
    maps = world.resource("ConfigMap")
    watch = world.api.watch(maps, since=world.api.list(maps)["metadata"]["resourceVersion"])
    assert watch.poll() == []
    world.create(config_map("b"))
    world.update(config_map("a", x="1"))
    world.delete("ConfigMap", "b")
    world.create(pod())
    assert told(watch) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert watch.poll() == []


def test_a_watch_from_nowhere_begins_with_what_there_is(world: World) -> None:
    world.create(config_map("a"))
    maps = world.resource("ConfigMap")
    for since in ("", "0"):
        watch = world.api.watch(maps, since=since)
        assert told(watch) == [("ADDED", "a")]
    world.create(config_map("b"))
    assert told(watch) == [("ADDED", "b")]


def test_a_watch_stays_in_its_namespace(world: World) -> None:
    maps = world.resource("ConfigMap")
    watch = world.api.watch(maps, namespace="shop")
    world.create(config_map("a"))
    world.api.create(maps, config_map("b"), namespace="shop")
    assert told(watch) == [("ADDED", "b")]


def test_what_comes_to_match_is_added_and_what_ceases_to_is_deleted(world: World) -> None:
    world.create(labelled("a", app="web"))
    watch = world.api.watch(world.resource("ConfigMap"), labels="app=web")
    assert told(watch) == [("ADDED", "a")]
    world.create(labelled("b", app="api"))
    world.update(labelled("b", app="web"))
    world.update(labelled("a", app="web", tier="back"))
    assert told(watch) == [("ADDED", "b"), ("MODIFIED", "a")]
    world.update(labelled("a", app="api"))
    world.delete("ConfigMap", "a")
    lost = watch.poll()
    assert [event["type"] for event in lost] == ["DELETED"]
    metadata = lost[0]["object"]["metadata"]
    assert metadata["labels"] == {"app": "web", "tier": "back"}
    assert metadata["resourceVersion"] == str(world.api.store.revision - 1)


def test_a_field_selector_watches_one_object(world: World) -> None:
    watch = world.api.watch(world.resource("ConfigMap"), fields="metadata.name=b")
    for name in "abc":
        world.create(config_map(name))
    assert told(watch) == [("ADDED", "b")]


def test_a_deletion_is_told_with_its_own_revision(world: World) -> None:
    world.create(config_map("a"))
    watch = world.api.watch(world.resource("ConfigMap"), since=str(world.api.store.revision))
    world.delete("ConfigMap", "a")
    [event] = watch.poll()
    assert event["object"]["metadata"]["resourceVersion"] == str(world.api.store.revision)


def test_a_bookmark_says_how_far_a_watch_has_come(world: World) -> None:
    watch = world.api.watch(world.resource("Deployment"))
    world.create(config_map())
    watch.poll()
    assert watch.bookmark() == {
        "type": "BOOKMARK",
        "object": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"resourceVersion": str(world.api.store.revision)},
        },
    }
    end = watch.bookmark(ends_initial_events=True)["object"]["metadata"]["annotations"]
    assert end == {"k8s.io/initial-events-end": "true"}


def test_a_watch_that_fell_behind_the_window_has_expired() -> None:
    world = World()
    world.api = Api(now=lambda: 0.0, rng=world.api._writing.rng, store=Store(window=4))
    bootstrap(world.api)
    world.create(config_map())
    late = world.api.watch(world.resource("ConfigMap"))
    for number in range(6):
        world.update(config_map(number=str(number)))
    for ask in (late.poll, lambda: world.api.watch(world.resource("ConfigMap"), since="2")):
        with pytest.raises(ApiError, match="too old resource version") as refusal:
            ask()
        assert (refusal.value.code, refusal.value.reason) == (410, "Expired")


def test_the_future_cannot_be_watched(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.api.watch(world.resource("Pod"), since="999")
    revision = world.api.store.revision
    assert refused(refusal) == (
        504,
        "Timeout",
        f"Timeout: Too large resource version: 999, current: {revision}",
    )


def test_a_resource_version_is_a_number(world: World) -> None:
    with pytest.raises(ApiError, match='resourceVersion: Invalid value: "new"') as refusal:
        world.api.watch(world.resource("Pod"), since="new")
    assert (refusal.value.code, refusal.value.reason) == (500, "")


def test_only_some_subresources_can_be_read(world: World) -> None:
    world.create(deployment())
    assert world.get("Deployment", "web", subresource="status")["kind"] == "Deployment"
    with pytest.raises(ApiError, match="could not find the requested resource"):
        world.get("Deployment", "web", subresource="log")
    world.create(pod())
    with pytest.raises(ApiError, match="does not allow this method"):
        world.get("Pod", "web-1", subresource="log")
