"""Create, update, patch and delete: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import re

import pytest

from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conformance.requests import names, refused
from tests.conftest import deployment

SUFFIX = "[bcdfghjklmnpqrstvwxz2456789]{5}"
"""Source: apimachinery `util/rand`: no vowels, so that no words come about."""

HELD = {"name": "book", "finalizers": ["example.com/hold"]}


def book(**data: str) -> Object:
    return named("v1", "ConfigMap", "book", data=data)


# -- Create ---------------------------------------------------------------------------------------


def test_a_generated_name_ends_in_five_letters(subject: Subject) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "book-"}}
    one, two = (subject.requests.create("configmaps", body)["metadata"] for _ in range(2))
    assert re.fullmatch(f"book-{SUFFIX}", one["name"])
    assert one["generateName"] == "book-" and one["name"] != two["name"]


def test_a_name_that_is_taken_already_exists(subject: Subject) -> None:
    subject.requests.create("configmaps", book())
    with refused(409, "AlreadyExists", 'configmaps "book" already exists'):
        subject.requests.create("configmaps", book())


def test_what_has_no_name_is_invalid(subject: Subject) -> None:
    with refused(422, "Invalid", "name or generateName is required", field="metadata.name"):
        subject.requests.create(
            "configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}
        )


def test_a_body_belongs_into_the_namespace_of_its_url(subject: Subject) -> None:
    elsewhere = named("v1", "ConfigMap", "book", "elsewhere")
    with refused(
        400, "BadRequest", "the namespace of the provided object does not match the namespace sent"
    ):
        subject.requests.create("configmaps", elsewhere)


def test_nothing_is_created_with_a_resource_version(subject: Subject) -> None:
    body = book()
    body["metadata"]["resourceVersion"] = "1"
    with refused(500, "", "resourceVersion should not be set on objects to be created"):
        subject.requests.create("configmaps", body)


@pytest.mark.parametrize("name", ["Book", "book_1", "-book", "book-", "a..b", "a" * 254])
def test_a_name_is_a_dns_subdomain(subject: Subject, name: str) -> None:
    why = "no more than 253" if len(name) > 253 else "a lowercase RFC 1123 subdomain must consist"
    with refused(422, "Invalid", f'ConfigMap "{name}" is invalid', why, field="metadata.name"):
        subject.requests.create("configmaps", named("v1", "ConfigMap", name))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a_b", "a lowercase RFC 1123 label must consist of"),
        ("a.b", "must not contain dots"),
        ("a" * 64, "must be no more than 63"),
    ],
)
def test_a_namespaces_name_is_a_dns_label(subject: Subject, name: str, why: str) -> None:
    with refused(422, "Invalid", why, field="metadata.name"):
        subject.requests.create("namespaces", named("v1", "Namespace", name))


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"a b": "c"}, "name part must consist of alphanumeric characters"),
        ({"a": "b c"}, "a valid label must be an empty string or consist of alphanumeric"),
        ({"a" * 64: "b"}, "name part must be no more than 63"),
    ],
)
def test_labels_have_names_and_values_of_limited_form(
    subject: Subject, labels: dict[str, str], why: str
) -> None:
    body = book()
    body["metadata"]["labels"] = labels
    with refused(422, "Invalid", why, field="metadata.labels"):
        subject.requests.create("configmaps", body)


def test_an_unknown_field_is_named(subject: Subject) -> None:
    with refused(400, "BadRequest", 'strict decoding error: unknown field "spec.replica"'):
        subject.requests.create("apps/v1/deployments", deployment(replica=1))


def test_a_value_of_another_type_is_named(subject: Subject) -> None:
    with refused(400, "BadRequest", "cannot be handled as a Deployment", "of type int32"):
        subject.requests.create("apps/v1/deployments", deployment(replicas="many"))


def test_a_dry_run_says_what_would_be(subject: Subject) -> None:
    seen = subject.requests.create("configmaps", book(page="1"), dry_run=True)
    assert seen["metadata"]["uid"] and seen["metadata"]["creationTimestamp"]
    with refused(404, "NotFound", 'configmaps "book" not found'):
        subject.requests.read("configmaps", "book")
    with refused(422, "Invalid", field="spec.replicas"):
        subject.requests.create("apps/v1/deployments", deployment(replicas=-1), dry_run=True)


# -- Update ---------------------------------------------------------------------------------------


def test_who_saw_an_older_state_is_in_conflict(subject: Subject) -> None:
    stale = subject.requests.create("configmaps", book(page="1"))
    subject.requests.update("configmaps", "book", {**stale, "data": {"page": "2"}})
    with refused(
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "book": the object has been modified; '
        "please apply your changes to the latest version and try again",
    ):
        subject.requests.update("configmaps", "book", {**stale, "data": {"page": "3"}})


def test_who_names_no_state_overwrites_any(subject: Subject) -> None:
    subject.requests.create("configmaps", book(a="1", b="1"))
    assert subject.requests.update("configmaps", "book", book(a="2"))["data"] == {"a": "2"}


def test_an_update_that_changes_nothing_writes_nothing(subject: Subject) -> None:
    made = subject.requests.create("configmaps", book(page="1"))
    again = subject.requests.update("configmaps", "book", made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_what_is_not_there_cannot_be_updated(subject: Subject) -> None:
    with refused(404, "NotFound", 'configmaps "book" not found'):
        subject.requests.update("configmaps", "book", book())


def test_an_update_is_for_the_object_of_its_url(subject: Subject) -> None:
    subject.requests.create("configmaps", book())
    with refused(400, "BadRequest", "the name of the object (book) does not match the name on"):
        subject.requests.update("configmaps", "other", book())


def test_an_update_is_for_the_very_object_that_it_names(subject: Subject) -> None:
    made = subject.requests.create("configmaps", book())
    made["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"
    with refused(409, "Conflict", "Precondition failed: UID in precondition: 00000000-"):
        subject.requests.update("configmaps", "book", made)


def test_status_is_not_for_those_who_write_the_rest(subject: Subject) -> None:
    place = "apps/v1/deployments"
    body = {**deployment(paused=True, replicas=0), "status": {"replicas": 9}}
    assert subject.requests.create(place, body).get("status", {}).get("replicas") is None
    live = subject.requests.patch(place, "web", {"status": {"replicas": 9}})
    assert live["status"].get("replicas") is None


def test_the_rest_is_not_for_those_who_write_status(subject: Subject) -> None:
    place = "apps/v1/deployments"
    subject.requests.create(place, deployment(paused=True, replicas=0))
    condition = {"type": "Lucky", "status": "True", "reason": "Test", "message": ""}
    both = {"spec": {"replicas": 3}, "status": {"conditions": [condition]}}
    live = subject.requests.patch(place, "web", both, sub="status")
    assert live["spec"]["replicas"] == 0
    assert "Lucky" in [each["type"] for each in live["status"]["conditions"]]
    assert live["metadata"]["generation"] == 1


def test_scale_is_the_number_of_replicas(subject: Subject) -> None:
    place = "apps/v1/deployments"
    subject.requests.create(place, deployment(paused=True, replicas=0))
    scale = subject.requests.read(place, "web", sub="scale")
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert scale["status"]["selector"] == "app=web"
    scale["spec"]["replicas"] = 2
    del scale["metadata"]["resourceVersion"]  # a controller may have told its status since
    assert subject.requests.update(place, "web", scale, sub="scale")["spec"] == {"replicas": 2}
    live = subject.requests.read(place, "web")
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (2, 2)
    with refused(422, "Invalid", "must be greater than or equal to 0", field="spec.replicas"):
        subject.requests.patch(place, "web", {"spec": {"replicas": -1}}, sub="scale")


def test_a_dry_run_changes_nothing(subject: Subject) -> None:
    made = subject.requests.create("configmaps", book(page="1"))
    changed = {**made, "data": {"page": "2"}}
    seen = subject.requests.update("configmaps", "book", changed, dry_run=True)
    assert seen["data"] == {"page": "2"}
    subject.requests.delete("configmaps", "book", dry_run=True)
    assert subject.requests.read("configmaps", "book") == made


# -- Patches --------------------------------------------------------------------------------------


def test_a_merge_patch_removes_what_is_null(subject: Subject) -> None:
    subject.requests.create("configmaps", book(a="1", b="1"))
    live = subject.requests.patch("configmaps", "book", {"data": {"a": None, "c": "2"}})
    assert live["data"] == {"b": "1", "c": "2"}


def test_a_merge_patch_replaces_lists(subject: Subject) -> None:
    place = "apps/v1/deployments"
    subject.requests.create(place, deployment(replicas=0))
    other = {"containers": [{"name": "other", "image": "other:1"}]}
    live = subject.requests.patch(place, "web", {"spec": {"template": {"spec": other}}})
    assert [each["name"] for each in live["spec"]["template"]["spec"]["containers"]] == ["other"]


def test_a_json_patch_is_done_in_its_order(subject: Subject) -> None:
    subject.requests.create("configmaps", book(a="1"))
    steps = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "copy", "from": "/data/a", "path": "/data/b"},
        {"op": "replace", "path": "/data/a", "value": "2"},
        {"op": "add", "path": "/data/c~1d", "value": "3"},
    ]
    with refused(422, "Invalid", "a valid config key must consist", field="data[c/d]"):
        subject.requests.patch("configmaps", "book", steps, type="json")
    live = subject.requests.patch("configmaps", "book", steps[:3], type="json")
    assert live["data"] == {"a": "2", "b": "1"}


def test_a_json_patch_whose_test_fails_does_nothing(subject: Subject) -> None:
    subject.requests.create("configmaps", book(a="1"))
    steps = [
        {"op": "remove", "path": "/data/a"},
        {"op": "test", "path": "/metadata/name", "value": "other"},
    ]
    with refused(422, "Invalid"):
        subject.requests.patch("configmaps", "book", steps, type="json")
    assert subject.requests.read("configmaps", "book")["data"] == {"a": "1"}


def test_a_patch_with_a_resource_version_is_for_that_state(subject: Subject) -> None:
    made = subject.requests.create("configmaps", book(a="1"))
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    subject.requests.patch("configmaps", "book", {"data": {"a": "2"}})
    with refused(409, "Conflict", "the object has been modified"):
        subject.requests.patch("configmaps", "book", {**stale, "data": {"a": "3"}})


def test_what_is_not_there_cannot_be_patched(subject: Subject) -> None:
    with refused(404, "NotFound", 'configmaps "book" not found'):
        subject.requests.patch("configmaps", "book", {"data": {"a": "1"}})


# -- Delete ---------------------------------------------------------------------------------------


def test_what_is_deleted_is_not_found(subject: Subject) -> None:
    made = subject.requests.create("configmaps", book())
    gone = subject.requests.delete("configmaps", "book")
    assert gone["status"] == "Success"
    assert gone["details"] == {
        "name": "book", "kind": "configmaps", "uid": made["metadata"]["uid"],
    }  # fmt: skip
    with refused(404, "NotFound", 'configmaps "book" not found'):
        subject.requests.delete("configmaps", "book")


def test_a_deletion_may_be_for_one_state_only(subject: Subject) -> None:
    made = subject.requests.create("configmaps", book())
    subject.requests.patch("configmaps", "book", {"data": {"a": "1"}})
    revision = made["metadata"]["resourceVersion"]
    why = f"the ResourceVersion in the precondition ({revision}) does not match"
    with refused(409, "Conflict", why):
        subject.requests.delete("configmaps", "book", revision=revision)


def test_a_deletion_may_be_for_one_object_only(subject: Subject) -> None:
    subject.requests.create("configmaps", book())
    with refused(409, "Conflict", "the UID in the precondition (other) does not match the UID in"):
        subject.requests.delete("configmaps", "book", uid="other")


def test_a_finalizer_only_goes_once_the_object_is_to_go(subject: Subject) -> None:
    subject.requests.create("configmaps", {**book(), "metadata": HELD})
    going = subject.requests.delete("configmaps", "book")
    assert going["kind"] == "ConfigMap" and going["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    with refused(
        422,
        "Invalid",
        "no new finalizers can be added if the object is being deleted",
        field="metadata.finalizers",
    ):
        subject.requests.patch("configmaps", "book", more)
    subject.requests.patch("configmaps", "book", {"metadata": {"finalizers": []}})
    with refused(404, "NotFound"):
        subject.requests.read("configmaps", "book")


def test_who_is_to_go_can_still_be_changed_but_not_be_saved(subject: Subject) -> None:
    subject.requests.create("configmaps", {**book(), "metadata": HELD})
    before = subject.requests.delete("configmaps", "book")["metadata"]["deletionTimestamp"]
    changed = subject.requests.patch(
        "configmaps", "book", {"data": {"a": "1"}, "metadata": {"deletionTimestamp": None}}
    )
    assert changed["data"] == {"a": "1"}
    assert changed["metadata"]["deletionTimestamp"] == before
    subject.requests.patch("configmaps", "book", {"metadata": {"finalizers": None}})


def test_many_are_deleted_by_their_labels(subject: Subject) -> None:
    for name, shelf in (("a", "x"), ("b", "y"), ("c", "x")):
        body = named("v1", "ConfigMap", name)
        body["metadata"]["labels"] = {"shelf": shelf}
        subject.requests.create("configmaps", body)
    subject.requests.delete_all("configmaps", labels="shelf=x")
    assert names(subject.requests.list("configmaps", labels="shelf")) == ["b"]
