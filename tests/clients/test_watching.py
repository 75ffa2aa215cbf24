"""Watches of the official Python client, and what it builds on them: informers, leader election."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from itertools import islice
from threading import Event, Thread
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client import ApiException
from kubernetes.informer import ADDED, DELETED, ERROR, MODIFIED, SharedInformer
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from kubesim.http import watches
from tests.clients.conftest import PATIENCE, Live, until


@pytest.fixture
def core(api: client.ApiClient, namespace: str) -> client.CoreV1Api:
    """The core API of a namespace with one ConfigMap, `first`."""
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, named("first"))
    return core


def named(name: str) -> client.V1ConfigMap:
    labels = {"of": "test"}
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels=labels))


def told(events: Iterator[Any], number: int) -> list[tuple[str, str]]:
    """The next so many events: what happened, and to which object."""
    return [(each["type"], each["object"].metadata.name) for each in islice(events, number)]


def test_a_watch_tells_changes_in_their_order(core: client.CoreV1Api, namespace: str) -> None:
    since = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, named("a"))
    core.patch_namespaced_config_map("a", namespace, {"data": {"page": "1"}})
    core.delete_namespaced_config_map("a", namespace)
    events = watch.Watch().stream(
        core.list_namespaced_config_map, namespace,
        resource_version=since, timeout_seconds=1, label_selector="of=test",
    )  # fmt: skip
    seen = list(events)
    assert [each["type"] for each in seen] == ["ADDED", "MODIFIED", "DELETED"]
    revisions = [int(each["object"].metadata.resource_version) for each in seen]
    assert revisions == sorted(set(revisions))


def test_a_watch_begins_with_what_is_there(core: client.CoreV1Api, namespace: str) -> None:
    events = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, label_selector="of=test", timeout_seconds=1
    )
    assert told(events, 5) == [("ADDED", "first")]


def test_a_watch_that_the_server_ends_goes_on_where_it_was(
    core: client.CoreV1Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "LONGEST", 0.1)
    watcher = watch.Watch()
    events = watcher.stream(core.list_namespaced_config_map, namespace, label_selector="of=test")
    assert told(events, 1) == [("ADDED", "first")]
    timer = Thread(
        target=lambda: (
            Event().wait(0.5), core.create_namespaced_config_map(namespace, named("second"))
        )
    )  # fmt: skip
    timer.start()
    assert told(events, 1) == [("ADDED", "second")]
    watcher.stop()
    timer.join()
    events.close()


def test_a_watch_from_too_long_ago_is_told_so(
    core: client.CoreV1Api, namespace: str, live: Live
) -> None:
    since = core.list_namespaced_config_map(namespace).metadata.resource_version
    live.forget(("", "configmaps", namespace, "first"))
    with pytest.raises(ApiException) as error:
        list(
            watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version=since)
        )
    assert error.value.status == 410


def test_bookmarks_say_how_far_a_watch_has_come(core: client.CoreV1Api, namespace: str) -> None:
    events = list(
        watch.Watch().stream(
            core.list_namespaced_config_map, namespace,
            allow_watch_bookmarks=True, timeout_seconds=1,
        )
    )  # fmt: skip
    assert events[-1]["type"] == "BOOKMARK"
    assert list(events[-1]["raw_object"]["metadata"]) == ["resourceVersion"]


def test_logs_are_followed(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    pod = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "a", "image": "web:1"}]}}
    core.create_namespaced_pod(namespace, pod)
    until(lambda: core.read_namespaced_pod("web", namespace).status.phase == "Running", "it runs")
    watcher = watch.Watch()
    lines = watcher.stream(core.read_namespaced_pod_log, "web", namespace)
    assert "started" in next(lines)
    watcher.stop()
    lines.close()


class Seen:
    """What an informer has told."""

    def __init__(self, informer: SharedInformer) -> None:
        self.events: queue.Queue[tuple[str, str]] = queue.Queue()
        for type_ in (ADDED, MODIFIED, DELETED):
            informer.add_event_handler(type_, self._handler(type_))
        self.errors: list[Any] = []
        informer.add_event_handler(ERROR, self.errors.append)

    def _handler(self, type_: str) -> Callable[[Any], None]:
        return lambda obj: self.events.put((type_, obj.metadata.name))

    def next(self) -> tuple[str, str]:
        return self.events.get(timeout=PATIENCE)


@pytest.fixture
def informer(core: client.CoreV1Api, namespace: str) -> Iterator[SharedInformer]:
    made = SharedInformer(
        core.list_namespaced_config_map, namespace=namespace, label_selector="of=test"
    )
    yield made
    until_it_watches(made)  # told to stop while it connects, it would not hear of it
    made.stop()


def until_it_watches(informer: SharedInformer) -> None:
    """Wait until the informer's watch is open: it hears of what it lists before that."""
    until(lambda: getattr(informer._watch, "_resp", None), "the informer watches")


def test_an_informer_keeps_a_copy_of_what_is_there(
    informer: SharedInformer, core: client.CoreV1Api, namespace: str
) -> None:
    seen = Seen(informer)
    informer.start()
    assert seen.next() == ("ADDED", "first")
    core.create_namespaced_config_map(namespace, named("second"))
    assert seen.next() == ("ADDED", "second")
    core.patch_namespaced_config_map("first", namespace, {"data": {"page": "2"}})
    assert seen.next() == ("MODIFIED", "first")
    assert informer.cache.get_by_key(f"{namespace}/first").data == {"page": "2"}
    core.delete_namespaced_config_map("first", namespace)
    assert seen.next() == ("DELETED", "first")
    assert informer.cache.list_keys() == [f"{namespace}/second"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_informer_goes_on_after_its_connection_broke(
    informer: SharedInformer, core: client.CoreV1Api, namespace: str, live: Live
) -> None:
    seen = Seen(informer)
    informer.start()
    assert seen.next() == ("ADDED", "first")
    until_it_watches(informer)
    live.disconnect(("", "configmaps", namespace, "first"))
    assert seen.next() == ("MODIFIED", "first")
    core.create_namespaced_config_map(namespace, named("second"))
    assert seen.next() == ("ADDED", "second")
    assert seen.errors


def test_an_informer_lists_again_what_the_server_has_forgotten(
    informer: SharedInformer, core: client.CoreV1Api, namespace: str, live: Live
) -> None:
    seen = Seen(informer)
    informer.start()
    assert seen.next() == ("ADDED", "first")
    live.forget(("", "configmaps", namespace, "first"))
    core.create_namespaced_config_map(namespace, named("second"))
    while (event := seen.next()) != ("ADDED", "second"):
        assert event == ("MODIFIED", "first")
    assert [each.status for each in seen.errors if isinstance(each, ApiException)] == [410]


@pytest.mark.parametrize("lock", [LeaseLock, ConfigMapLock])
def test_of_two_candidates_one_leads(
    configuration: client.Configuration,
    namespace: str,
    lock: type[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaderelection.time, "sleep", Event().wait)
    client.Configuration.set_default(configuration)  # locks ask for no client
    try:
        elections = {}
        for name in ("one", "two"):
            held = electionconfig.Config(
                lock("lead", namespace, name), lease_duration=15, renew_deadline=10, retry_period=5,
                onstarted_leading=lambda: None, onstopped_leading=None,
            )  # fmt: skip
            elections[name] = leaderelection.LeaderElection(held)
        one, two = elections["one"], elections["two"]
        assert one.try_acquire_or_renew()
        assert not two.try_acquire_or_renew()
        assert one.try_acquire_or_renew()
        found, record = two.election_config.lock.get("lead", namespace)
        assert found and record.holder_identity == "one"
        two.observed_time_milliseconds -= 20_000  # the leader was silent for longer than its lease
        monkeypatch.setattr(two, "observed_record", record)
        assert two.try_acquire_or_renew()
        assert not one.try_acquire_or_renew()
    finally:
        client.Configuration.set_default(None)
