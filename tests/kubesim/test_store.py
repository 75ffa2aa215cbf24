"""The store: revisions, order, history, snapshots of the past."""

from __future__ import annotations

import marshal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.store import Event, Key, Store


def key(name: str = "a", namespace: str = "default", plural: str = "configmaps") -> Key:
    return Key("", plural, namespace, name)


def obj(key: Key, **data: Any) -> Object:
    return {"metadata": {"namespace": key.namespace, "name": key.name}, **data}


def put(store: Store, at: Key, **data: Any) -> Object:
    write = store.create if store.get(at) is None else store.update
    return write(at, obj(at, **data))


def test_each_change_gets_the_next_revision_and_the_object_carries_it() -> None:
    store = Store()
    first = store.create(key("a"), obj(key("a")))
    second = store.create(key("b"), obj(key("b")))
    third = store.update(key("a"), obj(key("a"), x=1))
    versions = [each["metadata"]["resourceVersion"] for each in (first, second, third)]
    assert versions == ["1", "2", "3"]
    assert store.revision == 3
    assert store.get(key("a")) is third


def test_what_is_handed_in_is_not_changed() -> None:
    given = obj(key())
    Store().create(key(), given)
    assert given == obj(key())


def test_a_name_can_be_taken_only_once() -> None:
    store = Store()
    put(store, key())
    with pytest.raises(ApiError, match='configmaps "a" already exists') as refusal:
        store.create(key(), obj(key()))
    assert (refusal.value.code, refusal.value.reason) == (409, "AlreadyExists")


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_what_is_not_there_cannot_be_changed(verb: str) -> None:
    arguments = [obj(key())] if verb == "update" else []
    with pytest.raises(ApiError, match='configmaps "a" not found') as refusal:
        getattr(Store(), verb)(key(), *arguments)
    assert refusal.value.code == 404


def test_a_write_from_an_old_revision_is_a_conflict() -> None:
    store = Store()
    put(store, key())
    put(store, key(), x=1)
    with pytest.raises(ApiError) as refusal:
        store.update(key(), obj(key(), x=2), "1")
    assert refusal.value.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    with pytest.raises(ApiError, match="has been modified"):
        store.delete(key(), "1")
    assert store.update(key(), obj(key(), x=2), "2")["x"] == 2


def test_a_deletion_has_a_revision_of_its_own_and_tells_the_last_there_was() -> None:
    store = Store()
    old = put(store, key(), x=1)
    gone = store.delete(key())
    assert gone["metadata"]["resourceVersion"] == "2"
    assert gone["x"] == 1
    assert store.get(key()) is None
    assert store.events(1) == [Event(2, "DELETED", key(), gone, old)]


def test_lists_are_ordered_by_namespace_and_name() -> None:
    store = Store()
    places = [("b", "x"), ("a", "z"), ("b", "a"), ("a", "a-b"), ("a", "a")]
    for namespace, name in places:
        put(store, key(name, namespace))
    put(store, key("other", plural="secrets"))
    found = store.list("", "configmaps")
    assert [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in found] == sorted(places)
    assert [o["metadata"]["name"] for o in store.list("", "configmaps", "b")] == ["a", "x"]
    assert store.list("", "configmaps", "c") == []
    assert store.list("apps", "deployments") == []


def test_a_list_can_be_told_as_it_was_at_an_earlier_revision() -> None:
    store = Store()
    a = put(store, key("a"), x=1)
    b = put(store, key("b"))
    put(store, key("a"), x=2)
    store.delete(key("b"))
    put(store, key("c"))
    put(store, key("d", "elsewhere"))
    assert store.list("", "configmaps", "default", revision=2) == [a, b]
    assert store.list("", "configmaps", revision=1) == [a]


def test_history_beyond_the_window_has_expired() -> None:
    store = Store(window=3)
    for number in range(5):
        put(store, key(), x=number)
    assert [event.revision for event in store.events(2)] == [3, 4, 5]
    for ask in (lambda: store.events(1), lambda: store.list("", "configmaps", revision=1)):
        with pytest.raises(ApiError) as refusal:
            ask()
        assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
        assert refusal.value.message == "too old resource version: 1 (2)"


def test_events_of_one_resource_expire_with_the_window_of_all() -> None:
    store = Store(window=2)
    put(store, key("s", plural="secrets"))
    put(store, key("a"))
    put(store, key("b"))
    with pytest.raises(ApiError, match="too old"):
        store.events(0, "", "secrets")
    assert store.events(1, "", "secrets") == []
    assert [event.key.name for event in store.events(1, "", "configmaps")] == ["a", "b"]


def test_listeners_are_told_each_change_as_it_happens_until_they_leave() -> None:
    store = Store()
    told: list[tuple[str, str]] = []
    leave = store.subscribe(lambda event: told.append((event.type, event.key.name)))
    put(store, key("a"))
    put(store, key("a"), x=1)
    store.delete(key("a"))
    leave()
    put(store, key("b"))
    assert told == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_change_that_cannot_be_journalled_is_not_made() -> None:
    def full(event: Event) -> None:
        raise OSError("no space left")

    store = Store(journal=full)
    with pytest.raises(OSError, match="no space"):
        put(store, key())
    assert (store.revision, store.get(key()), store.list("", "configmaps")) == (0, None, [])


_KEYS = [key(name, namespace) for namespace in ("x", "y") for name in "abc"]
_STEPS = st.lists(
    st.tuples(st.sampled_from(_KEYS), st.sampled_from(["put", "delete"]), st.integers(0, 3)),
    max_size=30,
)


def replay(events: list[Event], objects: dict[Key, Object]) -> dict[Key, Object]:
    for event in events:
        if event.type == "DELETED":
            del objects[event.key]
        else:
            objects[event.key] = event.object
    return objects


@settings(max_examples=60)
@given(_STEPS)
def test_the_journal_replayed_gives_the_store_and_nothing_stored_ever_changes(
    steps: list[tuple[Key, str, int]],
) -> None:
    journal: list[Event] = []
    store = Store(journal=journal.append)
    snapshots: list[tuple[list[Object], bytes]] = [([], marshal.dumps([]))]
    for at, verb, value in steps:
        if verb == "put":
            put(store, at, x=value)
        elif store.get(at) is not None:
            store.delete(at)
        else:
            continue
        now = store.list("", "configmaps")
        snapshots.append((now, marshal.dumps(now, 2)))
    assert [event.revision for event in journal] == list(range(1, store.revision + 1))
    present = replay(journal, {})
    assert [present[at] for at in sorted(present)] == store.list("", "configmaps")
    for revision, (listed, frozen) in enumerate(snapshots):
        assert marshal.dumps(listed, 2) == frozen
        assert store.list("", "configmaps", revision=revision) == listed
        known = {Key("", "configmaps", *place(each)): each for each in listed}
        assert replay(store.events(revision), known) == present


def place(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
