"""What becomes of values that are zero, and of an object that is written just as it is."""

from __future__ import annotations

from typing import Any

from gitops_lab.model import named
from tests.conformance.conftest import Subject
from tests.conformance.requests import refused

CONTAINER = {"name": "web", "image": "web:1"}


def deployment(**spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER], **spec}}
    whole = {"replicas": 0, "paused": False, "selector": {"matchLabels": labels}}
    return named("apps/v1", "Deployment", "web", spec={**whole, "template": template})


def test_a_plain_value_that_is_zero_is_not_stored(subject: Subject) -> None:
    live = subject.apply(deployment(hostNetwork=False, nodeSelector={}, tolerations=[]))
    assert "paused" not in live["spec"]
    spec = live["spec"]["template"]["spec"]
    assert {"hostNetwork", "nodeSelector", "tolerations"}.isdisjoint(spec)


def test_a_value_behind_a_pointer_is_stored_though_it_is_zero(subject: Subject) -> None:
    live = subject.apply(deployment(terminationGracePeriodSeconds=0))
    assert live["spec"]["replicas"] == 0
    assert live["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0


def test_who_applies_a_zero_value_owns_it_all_the_same(subject: Subject) -> None:
    subject.apply(deployment(hostNetwork=False), manager="one")
    live = subject.apply(deployment(hostNetwork=False), manager="one")
    [entry] = [each for each in live["metadata"]["managedFields"] if each["manager"] == "one"]
    assert "f:hostNetwork" in entry["fieldsV1"]["f:spec"]["f:template"]["f:spec"]


def test_a_role_without_rules_has_null(subject: Subject) -> None:
    live = subject.apply(named("rbac.authorization.k8s.io/v1", "Role", "none", rules=[]))
    assert live["rules"] is None


def test_an_autoscaler_has_the_fields_of_the_version_it_is_sent_in(subject: Subject) -> None:
    spec = {
        "maxReplicas": 3,
        "scaleTargetRef": {"kind": "Deployment", "name": "web"},
        "metrics": [],
    }
    with refused(500, "", "Kind=HorizontalPodAutoscaler): .spec.metrics: field not declared"):
        subject.apply(named("autoscaling/v1", "HorizontalPodAutoscaler", "web", spec=spec))


def test_bytes_that_are_a_fraction_keep_it(subject: Subject) -> None:
    container = {**CONTAINER, "resources": {"requests": {"memory": "1.1Gi"}}}
    live = subject.apply(deployment(containers=[container]))
    [stored] = live["spec"]["template"]["spec"]["containers"]
    assert stored["resources"]["requests"] == {"memory": "1181116006400m"}
