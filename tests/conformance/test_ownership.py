"""Server-side apply: who owns which field, and what follows from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conformance.requests import refused
from tests.conftest import deployment


def book(**data: str) -> Object:
    return named("v1", "ConfigMap", "book", data=data)


def managers(obj: Object) -> dict[tuple[str, str], Object]:
    return {
        (entry["manager"], entry["operation"]): entry["fieldsV1"]
        for entry in obj["metadata"]["managedFields"]
    }


def times(obj: Object, manager: str) -> list[str]:
    entries = obj["metadata"]["managedFields"]
    return [entry["time"] for entry in entries if entry["manager"] == manager]


def test_a_manager_that_applies_owns_the_fields_it_sets(subject: Subject) -> None:
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


# -- Who took a field, and from whom --------------------------------------------------------------


def test_many_conflicts_are_told_together(subject: Subject) -> None:
    subject.apply(book(a="1", b="1"), manager="one")
    with refused(
        409,
        "Conflict",
        'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b',
        field=".data.b",
    ):
        subject.apply(book(a="2", b="2"), manager="two", force=False)


def test_a_conflict_with_an_edit_tells_its_version(subject: Subject) -> None:
    subject.requests.create("configmaps", book(a="1"))
    subject.requests.patch("configmaps", "book", {"data": {"a": "2"}}, manager="editor")
    with refused(409, "Conflict", 'conflict with "editor" using v1: .data.a'):
        subject.apply(book(a="3"), manager="one", force=False)


def test_a_conflict_changes_nothing(subject: Subject) -> None:
    before = subject.apply(book(a="1"), manager="one")
    with refused(409, "Conflict"):
        subject.apply(book(a="2", b="2"), manager="two", force=False)
    assert subject.requests.read("configmaps", "book") == before


def test_an_edit_takes_without_asking(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one")
    live = subject.requests.patch("configmaps", "book", {"data": {"a": "2"}}, manager="editor")
    assert list(managers(live)) == [("editor", "Update")]


def test_an_edit_to_the_same_value_takes_nothing(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one")
    live = subject.requests.patch("configmaps", "book", {"data": {"a": "1"}}, manager="editor")
    assert list(managers(live)) == [("one", "Apply")]


def test_who_applies_and_edits_has_two_entries(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one")
    live = subject.requests.patch("configmaps", "book", {"data": {"b": "1"}}, manager="one")
    assert managers(live) == {
        ("one", "Apply"): {"f:data": {"f:a": {}}},
        ("one", "Update"): {"f:data": {"f:b": {}}},
    }


def test_a_shared_field_stays_until_the_last_owner_leaves(subject: Subject) -> None:
    for manager in ("one", "two"):
        subject.apply(book(a="1"), manager=manager)
    assert subject.apply(book(), manager="one")["data"] == {"a": "1"}
    assert not subject.apply(book(), manager="two").get("data")


def test_a_shared_field_is_changed_by_none_of_them_alone(subject: Subject) -> None:
    for manager in ("one", "two"):
        subject.apply(book(a="1"), manager=manager)
    with refused(409, "Conflict", 'conflict with "two": .data.a'):
        subject.apply(book(a="2"), manager="one", force=False)


def test_what_was_removed_by_another_can_be_stated_again(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one")
    subject.requests.patch("configmaps", "book", {"data": {"a": None}}, manager="editor")
    assert subject.apply(book(a="1"), manager="one", force=False)["data"] == {"a": "1"}


def test_an_entry_tells_when_what_and_in_which_version(subject: Subject) -> None:
    (entry,) = subject.apply(book(a="1"), manager="one")["metadata"]["managedFields"]
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "manager": "one", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:a": {}}},
    }  # fmt: skip


def test_an_apply_that_changes_nothing_leaves_time_and_version(subject: Subject) -> None:
    first = subject.apply(book(a="1"), manager="one")
    subject.pass_time(2)
    assert subject.apply(book(a="1"), manager="one") == first


def test_defaults_of_an_atomic_value_do_not_make_an_apply_a_write(subject: Subject) -> None:
    config = deployment("web", replicas=0)
    (container,) = config["spec"]["template"]["spec"]["containers"]
    reference = {"fieldRef": {"fieldPath": "metadata.name"}}  # gets an apiVersion by default
    container["env"] = [{"name": "POD", "valueFrom": reference}]
    first = subject.apply(config, manager="one")
    subject.pass_time(2)
    again = subject.apply(config, manager="one")
    assert times(again, "one") == times(first, "one")


def test_all_entries_can_be_taken_away(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one")
    stripped: Object = {"metadata": {"managedFields": [{}]}}
    live = subject.requests.patch("configmaps", "book", stripped)
    assert not live["metadata"].get("managedFields")


def test_an_apply_says_who_it_is(subject: Subject) -> None:
    with refused(422, "Invalid", "is required for apply patch", field="fieldManager"):
        body = book(a="1")
        subject.requests.patch("configmaps", "book", body, type="apply", manager="")


def test_only_an_apply_is_forced(subject: Subject) -> None:
    subject.requests.create("configmaps", book(a="1"))
    with refused(422, "Invalid", "may not be specified for non-apply patch", field="force"):
        subject.requests.patch("configmaps", "book", {"data": {}}, force=True)


def test_an_apply_may_be_for_one_state_only(subject: Subject) -> None:
    subject.apply(book(a="1"), manager="one")
    stale = book(a="2")
    stale["metadata"]["resourceVersion"] = "1"
    with refused(409, "Conflict", "the object has been modified"):
        subject.apply(stale, manager="one")


# -- Shapes ---------------------------------------------------------------------------------------

PLACE = "apps/v1/deployments"


def of_pods(**spec: Any) -> Object:
    """An apply configuration of a Deployment that says this of its pods and no more."""
    return named("apps/v1", "Deployment", "web", spec={"template": {"spec": spec}})


def spec_of(live: Object) -> Any:
    return live["spec"]["template"]["spec"]


def test_a_set_is_shared_item_by_item(subject: Subject) -> None:
    def held(*finalizers: str) -> Object:
        obj = named("v1", "ConfigMap", "book")
        return {**obj, "metadata": {**obj["metadata"], "finalizers": list(finalizers)}}

    subject.apply(held("example.com/a"), manager="one")
    live = subject.apply(held("example.com/b"), manager="two", force=False)
    assert live["metadata"]["finalizers"] == ["example.com/a", "example.com/b"]
    assert subject.apply(held(), manager="one")["metadata"]["finalizers"] == ["example.com/b"]
    subject.apply(held(), manager="two")


def test_an_atomic_list_has_one_owner(subject: Subject) -> None:
    subject.apply(deployment(replicas=0, paused=True), manager="one")
    args = {"name": "web", "args": ["a"]}
    subject.apply(of_pods(containers=[args]), manager="two", force=False)
    other = {"name": "web", "args": ["a", "b"]}
    place = '.spec.template.spec.containers[name="web"].args'
    with refused(409, "Conflict", f'conflict with "two": {place}'):
        subject.apply(of_pods(containers=[other]), manager="three", force=False)


def test_an_atomic_map_has_one_owner(subject: Subject) -> None:
    subject.apply(deployment(replicas=0, paused=True), manager="one")
    subject.apply(of_pods(nodeSelector={"disk": "fast"}), manager="two", force=False)
    with refused(409, "Conflict", 'conflict with "two": .spec.template.spec.nodeSelector'):
        subject.apply(of_pods(nodeSelector={"zone": "a"}), manager="three", force=False)
    live = subject.apply(of_pods(nodeSelector={"zone": "a"}), manager="three")
    assert spec_of(live)["nodeSelector"] == {"zone": "a"}


def test_ports_are_told_apart_by_number_and_protocol(subject: Subject) -> None:
    ports = [{"port": 53, "protocol": "TCP", "name": "a"}]
    service = named("v1", "Service", "dns", spec={"ports": ports})
    subject.apply(service, manager="one")
    more = [{"port": 53, "protocol": "UDP", "name": "b"}]
    live = subject.apply(
        named("v1", "Service", "dns", spec={"ports": more}), manager="two", force=False
    )
    assert [(each["port"], each["protocol"]) for each in live["spec"]["ports"]] == [
        (53, "TCP"), (53, "UDP"),
    ]  # fmt: skip
    entries = managers(live)["two", "Apply"]["f:spec"]["f:ports"]
    assert list(entries) == ['k:{"port":53,"protocol":"UDP"}']


def test_a_key_that_is_a_default_may_be_left_out(subject: Subject) -> None:
    service = named("v1", "Service", "web", spec={"ports": [{"port": 80, "name": "a"}]})
    live = subject.apply(service, manager="one")
    entries = managers(live)["one", "Apply"]["f:spec"]["f:ports"]
    assert list(entries) == ['k:{"port":80,"protocol":"TCP"}']
    assert subject.apply(service, manager="one") == live


def test_the_same_key_twice_is_refused(subject: Subject) -> None:
    twice = [{"name": "web", "image": "a:1"}, {"name": "web", "image": "b:1"}]
    body = deployment(replicas=0)
    body["spec"]["template"]["spec"]["containers"] = twice
    with pytest.raises(ApiError) as refusal:
        subject.apply(body)
    assert "duplicate" in refusal.value.message


def test_who_adds_an_item_owns_its_key(subject: Subject) -> None:
    live = subject.apply(deployment(replicas=0, paused=True), manager="one")
    own = managers(live)["one", "Apply"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert own == {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}}


def test_a_stated_default_is_owned(subject: Subject) -> None:
    subject.apply(deployment(replicas=1, paused=True), manager="one")
    with refused(409, "Conflict", ".spec.replicas"):
        subject.apply(
            named("apps/v1", "Deployment", "web", spec={"replicas": 2}), manager="two", force=False
        )


def test_an_autoscaler_takes_the_replicas_when_nobody_states_them(subject: Subject) -> None:
    """The hand-over that the documentation of server-side apply tells."""
    subject.apply(deployment(replicas=0), manager="git")
    subject.apply(
        named("apps/v1", "Deployment", "web", spec={"replicas": 0}), manager="scaler", force=False
    )
    live = subject.apply(deployment(), manager="git", force=False)
    assert live["spec"]["replicas"] == 0
    assert "f:replicas" not in managers(live)["git", "Apply"]["f:spec"]
    assert managers(live)["scaler", "Apply"] == {"f:spec": {"f:replicas": {}}}


# -- Subresources ---------------------------------------------------------------------------------


def entries(live: Object) -> set[tuple[str, str, str]]:
    return {
        (each["manager"], each["operation"], each.get("subresource", ""))
        for each in live["metadata"]["managedFields"]
    }


def test_status_is_applied_apart(subject: Subject) -> None:
    subject.apply(deployment(replicas=0, paused=True), manager="one")
    condition = {"type": "Lucky", "status": "True", "reason": "Test", "message": ""}
    body = {
        **named("apps/v1", "Deployment", "web"),
        "spec": {"replicas": 5},
        "status": {"conditions": [condition]},
    }
    live = subject.requests.patch(PLACE, "web", body, type="apply", sub="status", manager="judge")
    assert live["spec"]["replicas"] == 0
    assert ("judge", "Apply", "status") in entries(live)
    assert list(managers(live)["judge", "Apply"]) == ["f:status"]


def test_a_manager_that_applies_does_not_own_status(subject: Subject) -> None:
    body = {**deployment(replicas=0, paused=True), "status": {"replicas": 4}}
    live = subject.apply(body, manager="one")
    assert list(managers(live)["one", "Apply"]) == ["f:spec"]


def test_who_scales_owns_the_replicas(subject: Subject) -> None:
    subject.apply(deployment(replicas=0, paused=True), manager="one")
    subject.requests.patch(PLACE, "web", {"spec": {"replicas": 1}}, sub="scale", manager="scaler")
    live = subject.requests.read(PLACE, "web")
    assert ("scaler", "Update", "scale") in entries(live)
    with refused(409, "Conflict", 'conflict with "scaler" with subresource "scale" using '):
        subject.apply(deployment(replicas=0, paused=True), manager="one", force=False)


# -- From kubectl's own apply to the server's -----------------------------------------------------

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def applied_by_kubectl(subject: Subject, **data: str) -> None:
    """What `kubectl apply` leaves behind."""
    body = book(**data)
    body["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(body)}
    subject.requests.create("configmaps", body)


def test_kubectl_has_no_conflict_with_what_it_applied_itself(subject: Subject) -> None:
    applied_by_kubectl(subject, a="1")
    live = subject.requests.patch(
        "configmaps", "book", book(a="2"), type="apply", manager="kubectl"
    )
    assert live["data"] == {"a": "2"}
    last = json.loads(live["metadata"]["annotations"][LAST_APPLIED])
    assert last["data"] == {"a": "2"}


def test_anybody_else_has(subject: Subject) -> None:
    applied_by_kubectl(subject, a="1")
    with refused(409, "Conflict", ".data.a"):
        subject.requests.patch("configmaps", "book", book(a="2"), type="apply", manager="flux")


def test_so_has_kubectl_with_what_was_changed_since(subject: Subject) -> None:
    applied_by_kubectl(subject, a="1")
    subject.requests.patch("configmaps", "book", {"data": {"a": "5"}}, manager="another")
    with refused(409, "Conflict", ".data.a"):
        subject.requests.patch("configmaps", "book", book(a="2"), type="apply", manager="kubectl")


def test_who_states_null_for_what_is_there_not_states_nothing(subject: Subject) -> None:
    body = {**deployment(replicas=0), "status": None}
    body["spec"]["template"]["spec"]["nodeSelector"] = None
    live = subject.apply(body, manager="one")
    again = subject.apply(body, manager="one")
    assert "nodeSelector" not in live["spec"]["template"]["spec"]
    assert again["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
