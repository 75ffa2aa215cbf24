"""Lists and watches: what is selected, in which order, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conformance.requests import Rest, names, refused


def shelved(name: str, **labels: str) -> Object:
    body = named("v1", "ConfigMap", name)
    body["metadata"]["labels"] = {"of": "test", **labels}
    return body


@pytest.fixture
def shelves(subject: Subject) -> Subject:
    """Four ConfigMaps: three on a shelf, one of them old, and one that lies about."""
    for name, labels in (
        ("a", {"shelf": "x"}), ("b", {"shelf": "y"}), ("c", {"shelf": "x", "old": ""}), ("d", {}),
    ):  # fmt: skip
        subject.requests.create("configmaps", shelved(name, **labels))
    return subject


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("shelf=x", "ac"),
        ("shelf==x", "ac"),
        ("shelf!=x", "bd"),
        ("shelf in (x, y)", "abc"),
        ("shelf notin (x)", "bd"),
        ("shelf", "abc"),
        ("!shelf", "d"),
        ("shelf=x,!old", "a"),
        ("old=", "c"),
        ("shelf in (z)", ""),
    ],
)
def test_labels_select(shelves: Subject, selector: str, found: str) -> None:
    selected = shelves.requests.list("configmaps", labels=f"of=test,{selector}")
    assert names(selected) == list(found)


@pytest.mark.parametrize("selector", ["shelf in x", "a b", "=x", "shelf in (x", "-a=b"])
def test_a_label_selector_that_cannot_be_read_is_a_bad_request(
    subject: Subject, selector: str
) -> None:
    with refused(400, "BadRequest"):
        subject.requests.list("configmaps", labels=selector)


def test_fields_select_by_name(shelves: Subject) -> None:
    found = shelves.requests.list("configmaps", fields="metadata.name=b")
    assert names(found) == ["b"]
    rest = shelves.requests.list("configmaps", fields="metadata.name!=b", labels="of=test")
    assert names(rest) == ["a", "c", "d"]


def test_secrets_are_selected_by_type(subject: Subject) -> None:
    subject.requests.create("secrets", named("v1", "Secret", "a", type="example.com/a"))
    subject.requests.create("secrets", named("v1", "Secret", "b"))
    assert names(subject.requests.list("secrets", fields="type=example.com/a")) == ["a"]


def test_pods_are_selected_by_their_node_and_phase(subject: Subject) -> None:
    for name, node in (("a", "nowhere"), ("b", "elsewhere")):
        spec = {"nodeName": node, "containers": [{"name": "a", "image": "a:1"}]}
        subject.requests.create("pods", named("v1", "Pod", name, spec=spec))
    assert names(subject.requests.list("pods", fields="spec.nodeName=nowhere")) == ["a"]
    assert names(subject.requests.list("pods", fields="status.phase=Running")) == []
    assert len(names(subject.requests.list("pods", fields="spec.restartPolicy=Always"))) == 2


@pytest.mark.parametrize("place", ["pods", "configmaps", "apps/v1/deployments"])
def test_a_field_that_does_not_select_is_a_bad_request(subject: Subject, place: str) -> None:
    with refused(400, "BadRequest", "spec.color"):
        subject.requests.list(place, fields="spec.color=red")


def test_a_list_is_of_its_kind_and_of_one_moment(shelves: Subject) -> None:
    found = shelves.requests.list("configmaps")
    assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMapList")
    newest = max(int(obj["metadata"]["resourceVersion"]) for obj in found["items"])
    assert int(found["metadata"]["resourceVersion"]) >= newest


def test_pages_are_all_of_the_first_ones_moment(shelves: Subject) -> None:
    one = shelves.requests.list("configmaps", limit=2)
    shelves.requests.delete("configmaps", "d")
    token = one["metadata"]["continue"]
    assert one["metadata"]["remainingItemCount"] >= 2
    found, metadata = names(one), one["metadata"]
    while token:
        page = shelves.requests.list("configmaps", limit=2, after=token)
        assert page["metadata"]["resourceVersion"] == metadata["resourceVersion"]
        found, token = found + names(page), page["metadata"].get("continue")
    assert [name for name in found if name in "abcd"] == list("abcd")


def test_nobody_counts_what_is_selected(shelves: Subject) -> None:
    one = shelves.requests.list("configmaps", limit=2, labels="of=test")
    assert one["metadata"]["continue"]
    assert "remainingItemCount" not in one["metadata"]


def test_a_token_that_is_none_is_a_bad_request(subject: Subject) -> None:
    with refused(400, "BadRequest", "continue key is not valid"):
        subject.requests.list("configmaps", limit=2, after="nonsense")


# -- Watches --------------------------------------------------------------------------------------


def told(events: Any) -> list[tuple[str, str]]:
    return [(each["type"], each["object"]["metadata"]["name"]) for each in events]


def now(subject: Subject) -> str:
    revision: str = subject.requests.list("configmaps")["metadata"]["resourceVersion"]
    return revision


def test_a_watch_tells_every_change_in_order(subject: Subject) -> None:
    since = now(subject)
    subject.requests.create("configmaps", shelved("a"))
    subject.requests.create("configmaps", shelved("b"))
    subject.requests.patch("configmaps", "a", {"data": {"page": "1"}})
    subject.requests.delete("configmaps", "b")
    subject.requests.delete("configmaps", "a")
    events = subject.requests.events("configmaps", since=since, labels="of=test")
    assert told(events) == [
        ("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b"), ("DELETED", "a"),
    ]  # fmt: skip
    revisions = [int(each["object"]["metadata"]["resourceVersion"]) for each in events]
    assert revisions == sorted(set(revisions))
    assert events[-1]["object"]["data"] == {"page": "1"}


def test_a_watch_goes_on_from_any_of_its_events(subject: Subject) -> None:
    since = now(subject)
    for name in "abc":
        subject.requests.create("configmaps", shelved(name))
    events = subject.requests.events("configmaps", since=since, labels="of=test")
    middle = events[1]["object"]["metadata"]["resourceVersion"]
    rest = subject.requests.events("configmaps", since=middle, labels="of=test")
    assert told(rest) == [("ADDED", "c")]


def test_who_begins_to_match_is_added_and_who_ceases_to_is_deleted(subject: Subject) -> None:
    since = now(subject)
    subject.requests.create("configmaps", shelved("a", shelf="x"))
    for labels in ({"shelf": "y"}, {"shelf": "x"}, {"shelf": "x", "old": ""}):
        subject.requests.patch("configmaps", "a", {"metadata": {"labels": labels}})
    events = subject.requests.events("configmaps", since=since, labels="shelf=x")
    assert [each["type"] for each in events] == ["ADDED", "DELETED", "ADDED", "MODIFIED"]
    # What ceased to match is told as it last matched.
    assert events[1]["object"]["metadata"]["labels"]["shelf"] == "x"


def test_a_watch_may_be_of_one_object(subject: Subject) -> None:
    since = now(subject)
    for name in "ab":
        subject.requests.create("configmaps", shelved(name))
    events = subject.requests.events("configmaps", since=since, fields="metadata.name=b")
    assert told(events) == [("ADDED", "b")]


def test_a_watch_from_no_state_begins_with_what_is_there(shelves: Subject) -> None:
    events = shelves.requests.events("configmaps", since="", labels="of=test")
    assert sorted(told(events)) == [("ADDED", name) for name in "abcd"]


def test_a_watch_from_a_state_that_is_no_number_fails(subject: Subject) -> None:
    with refused(500, "", 'resourceVersion: Invalid value: "yesterday"'):
        subject.requests.events("configmaps", since="yesterday")


@pytest.mark.stream
def test_a_list_may_come_as_a_watch_whose_bookmark_says_where_it_ends(shelves: Subject) -> None:
    assert isinstance(shelves.requests, Rest)
    streamed = {
        "allowWatchBookmarks": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    before = int(now(shelves))
    events = shelves.requests.events("configmaps", since="", labels="of=test", **streamed)
    (end,) = [at for at, each in enumerate(events) if each["type"] == "BOOKMARK"][:1]
    assert sorted(told(events[:end])) == [("ADDED", name) for name in "abcd"]
    bookmark = events[end]["object"]
    assert (bookmark["apiVersion"], bookmark["kind"]) == ("v1", "ConfigMap")
    assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(bookmark["metadata"]["resourceVersion"]) >= before


@pytest.mark.stream
def test_nobody_gets_bookmarks_who_did_not_ask(shelves: Subject) -> None:
    events = shelves.requests.events("configmaps", since=now(shelves), labels="of=test")
    assert [each for each in events if each["type"] == "BOOKMARK"] == []
