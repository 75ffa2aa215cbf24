"""Server-side apply: who owns which field, and what follows from it."""

from __future__ import annotations

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conftest import deployment


def book(**data: str) -> Object:
    return named("v1", "ConfigMap", "book", data=data)


def managers(obj: Object) -> dict[tuple[str, str], Object]:
    return {
        (entry["manager"], entry["operation"]): entry["fieldsV1"]
        for entry in obj["metadata"]["managedFields"]
    }


def test_whoever_applies_owns_what_he_states(subject: Subject) -> None:
    live = subject.apply(book(a="1"), manager="one")
    assert managers(live) == {("one", "Apply"): {"f:data": {"f:a": {}}}}


def test_two_who_state_the_same_value_share_the_field(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one", force=False)
    live = subject.apply(book(a="1"), manager="two", force=False)
    assert managers(live)["one", "Apply"] == managers(live)["two", "Apply"]


def test_another_value_is_a_conflict_that_names_the_owner_and_the_field(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one")
    with pytest.raises(ApiError) as refusal:
        subject.apply(book(a="2"), manager="two", force=False)
    assert (refusal.value.code, refusal.value.reason) == (409, "Conflict")
    assert refusal.value.message == ('Apply failed with 1 conflict: conflict with "one": .data.a')
    assert refusal.value.causes == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]


def test_force_takes_the_field_over(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one")
    live = subject.apply(book(a="2"), manager="two", force=True)
    assert live["data"] == {"a": "2"}
    assert list(managers(live)) == [("two", "Apply")]


def test_what_an_owner_states_no_more_goes(subject: Subject) -> None:
    subject.apply(book(a="1", b="1"), manager="one")
    assert subject.apply(book(a="1"), manager="one")["data"] == {"a": "1"}


def test_unless_another_owns_it_too(subject: Subject) -> None:
    subject.apply(book(a="1", b="1"), manager="one")
    subject.apply(book(b="1"), manager="two")
    assert subject.apply(book(a="1"), manager="one")["data"] == {"a": "1", "b": "1"}


def test_an_edit_owns_what_it_changes(subject: Subject) -> None:
    subject.apply(book(a="1", b="1"), manager="one")
    subject.cluster.patch(subject.key("ConfigMap", "book"), {"data": {"a": "2"}}, manager="editor")
    live = subject.get(subject.key("ConfigMap", "book"))
    assert managers(live)["one", "Apply"] == {"f:data": {"f:b": {}}}
    assert managers(live)["editor", "Update"] == {"f:data": {"f:a": {}}}


def test_items_of_a_keyed_list_have_owners_of_their_own(subject: Subject) -> None:
    subject.apply(deployment(replicas=0), manager="one")
    sidecar = deployment(replicas=0)
    sidecar["spec"] = {
        "selector": sidecar["spec"]["selector"],
        "template": {"spec": {"containers": [{"name": "sidecar", "image": "proxy:1"}]}},
    }
    live = subject.apply(sidecar, manager="two", force=False)
    containers = live["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["web", "sidecar"]
    del sidecar["spec"]["template"]
    live = subject.apply(sidecar, manager="two", force=False)
    containers = live["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["web"]


def test_a_value_that_git_never_states_is_left_alone(subject: Subject) -> None:
    wanted = deployment()
    subject.apply(wanted, manager="agent")
    key = subject.key("Deployment", "web", "apps")
    subject.cluster.patch(key, {"spec": {"replicas": 0}}, manager="autoscaler")
    assert subject.apply(wanted, manager="agent")["spec"]["replicas"] == 0


def test_managed_fields_cannot_be_applied(subject: Subject) -> None:
    cheat = book(a="1")
    cheat["metadata"]["managedFields"] = [{"manager": "x"}]
    with pytest.raises(ApiError) as refusal:
        subject.apply(cheat)
    assert refusal.value.code == 400
    assert "managedFields must be nil" in refusal.value.message
