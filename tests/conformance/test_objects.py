"""Objects: what the server adds, keeps, refuses and forgets."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import named
from tests.conformance.conftest import Subject
from tests.conftest import deployment


def book(**data: str) -> dict[str, object]:
    return named("v1", "ConfigMap", "book", data=data)


def test_a_new_object_gets_an_identity(subject: Subject) -> None:
    metadata = subject.apply(book(page="1"))["metadata"]
    assert metadata["uid"] and metadata["creationTimestamp"].endswith("Z")
    assert metadata["resourceVersion"] not in ("", "0")


def test_each_write_moves_the_resource_version_and_a_repeated_one_does_not(
    subject: Subject,
) -> None:
    first = subject.apply(book(page="1"))["metadata"]["resourceVersion"]
    again = subject.apply(book(page="1"))["metadata"]["resourceVersion"]
    second = subject.apply(book(page="2"))["metadata"]["resourceVersion"]
    assert first == again != second


def test_the_generation_moves_with_the_spec_only(subject: Subject) -> None:
    key = subject.key("Deployment", "web", "apps")
    assert subject.apply(deployment(replicas=0))["metadata"]["generation"] == 1
    subject.cluster.patch(key, {"metadata": {"labels": {"a": "b"}}}, manager="test")
    assert subject.get(key)["metadata"]["generation"] == 1
    subject.cluster.patch(key, {"spec": {"paused": True}}, manager="test")
    assert subject.get(key)["metadata"]["generation"] == 2


def test_a_deployment_gets_its_defaults(subject: Subject) -> None:
    spec = subject.apply(deployment())["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["dnsPolicy"]) == ("Always", "ClusterFirst")
    assert pod["terminationGracePeriodSeconds"] == 30
    assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert pod["containers"][0]["terminationMessagePath"] == "/dev/termination-log"


def test_an_untagged_image_is_always_pulled(subject: Subject) -> None:
    spec = subject.apply(deployment(image="shop"))["spec"]
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Always"


def test_a_service_gets_an_address_and_keeps_it(subject: Subject) -> None:
    ports = [{"port": 80}]
    service = named("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": ports})
    first = subject.apply(service)["spec"]
    assert first["type"] == "ClusterIP" and first["clusterIPs"] == [first["clusterIP"]]
    assert first["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    service["spec"]["ports"] = [{"port": 81}]
    assert subject.apply(service)["spec"]["clusterIP"] == first["clusterIP"]


def test_text_in_a_secret_becomes_base64(subject: Subject) -> None:
    secret = subject.apply(named("v1", "Secret", "key", stringData={"a": "hello"}))
    assert secret["data"] == {"a": "aGVsbG8="} and secret["type"] == "Opaque"
    assert "stringData" not in secret


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"replicas": -1}, "spec.replicas"),
        ({"selector": {"matchLabels": {"app": "other"}}}, "spec.template.metadata.labels"),
        ({"strategy": {"type": "Sideways"}}, "spec.strategy"),
    ],
)
def test_what_makes_no_sense_is_invalid_and_names_the_field(
    subject: Subject, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        subject.apply(deployment(**change))
    assert (refusal.value.code, refusal.value.reason) == (422, "Invalid")
    assert field in [cause["field"] for cause in refusal.value.causes]
    assert 'Deployment.apps "web" is invalid' in refusal.value.message


def test_a_selector_cannot_change(subject: Subject) -> None:
    subject.apply(deployment(replicas=0))
    other = deployment(replicas=0)
    labels = {"app": "web", "tier": "front"}
    other["spec"]["selector"]["matchLabels"] = labels
    other["spec"]["template"]["metadata"]["labels"] = labels
    with pytest.raises(ApiError) as refusal:
        subject.apply(other)
    assert refusal.value.code == 422 and "field is immutable" in refusal.value.message


def test_a_missing_namespace_is_not_found(subject: Subject) -> None:
    nowhere = named("v1", "ConfigMap", "book", "no-such-namespace")
    for dry_run in (True, False):
        with pytest.raises(ApiError) as refusal:
            subject.cluster.apply(nowhere, manager="test", dry_run=dry_run)
        assert refusal.value.code == 404
        assert refusal.value.message == 'namespaces "no-such-namespace" not found'


def test_a_dry_run_leaves_nothing_behind(subject: Subject) -> None:
    seen = subject.apply(book(page="1"), dry_run=True)
    assert seen["data"] == {"page": "1"}
    assert subject.cluster.get(subject.key("ConfigMap", "book")) is None


def test_lists_follow_labels(subject: Subject) -> None:
    for name, shelf in (("a", "x"), ("b", "y"), ("c", "x")):
        labelled = named("v1", "ConfigMap", name)
        labelled["metadata"]["labels"] = {"shelf": shelf}
        subject.apply(labelled)
    found = subject.cluster.list(
        "", "ConfigMap", namespace=subject.namespace, labels={"shelf": "x"}
    )
    assert [obj["metadata"]["name"] for obj in found] == ["a", "c"]


def test_a_deletion_with_another_uid_is_a_conflict(subject: Subject) -> None:
    subject.apply(book())
    key = subject.key("ConfigMap", "book")
    with pytest.raises(ApiError) as refusal:
        subject.cluster.delete(key, uid="00000000-0000-4000-8000-000000000000")
    assert (refusal.value.code, refusal.value.reason) == (409, "Conflict")
    subject.cluster.delete(key)
    assert subject.cluster.get(key) is None


def test_a_finalizer_holds_an_object_until_it_is_removed(subject: Subject) -> None:
    held = book()
    held["metadata"] = {"name": "book", "finalizers": ["example.com/hold"]}
    subject.apply(held)
    key = subject.key("ConfigMap", "book")
    subject.cluster.delete(key)
    assert "deletionTimestamp" in subject.get(key)["metadata"]
    subject.cluster.patch(key, {"metadata": {"finalizers": None}}, manager="test")
    assert subject.cluster.get(key) is None
