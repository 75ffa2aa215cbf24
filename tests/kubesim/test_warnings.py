"""What is accepted, but not without a word."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.admission.warnings import warnings
from tests.kubesim.refusals import accepted, edited

POD = "spec.containers[0]"


def said(kind: str, edits: dict[str, Any], old: Object | None = None) -> list[str]:
    return list(warnings(edited(accepted(kind), edits), old))


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "Service", "CronJob", "PersistentVolume"])
def test_of_good_objects_nothing_is_said(kind: str) -> None:
    assert said(kind, {}) == []


def test_a_variable_hides_another() -> None:
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    hidden = 'hides previous definition of "A", which may be dropped when using apply'
    assert said("Pod", {f"{POD}.env": twice}) == [f"{POD}.env[1]: {hidden}"]
    template = "spec.jobTemplate.spec.template."
    edits = {f"{template}{POD}.env": twice}
    assert said("CronJob", edits) == [f"{template}{POD}.env[1]: {hidden}"]


def test_a_variable_may_build_on_another_of_its_name() -> None:
    path = [{"name": "P", "value": "/bin"}, {"name": "P", "value": "$(P):/usr/bin"}]
    assert said("Pod", {f"{POD}.env": path}) == []


def test_a_port_is_listed_twice() -> None:
    twice = [{"containerPort": 80, "protocol": "TCP"}] * 2
    assert said("Pod", {f"{POD}.ports": twice}) == [
        f"{POD}.ports[1]: duplicate port definition with {POD}.ports[0]"
    ]


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        (
            {f"{POD}.resources": {"requests": {"memory": "1181116006400m"}}},
            f'{POD}.resources.requests[memory]: fractional byte value "1181116006400m" is invalid, '
            "must be an integer",
        ),
        (
            {"spec.nodeSelector": {"beta.kubernetes.io/os": "linux"}},
            'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/'
            'os" instead',
        ),
        (
            {"spec.volumes[1]": {"name": "old", "gitRepo": {"repository": "x"}}},
            "spec.volumes[1].gitRepo: deprecated in v1.11",
        ),
        (
            {"spec.imagePullSecrets": [{"name": ""}]},
            'spec.imagePullSecrets[0].name: invalid empty name ""',
        ),
    ],
)
def test_what_a_pod_should_not_say(edits: dict[str, Any], text: str) -> None:
    assert said("Pod", edits) == [text]


def test_a_template_that_stays_is_not_spoken_of_again() -> None:
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    old = edited(accepted("Deployment"), {f"spec.template.{POD}.env": twice})
    assert list(warnings(edited(old, {"spec.replicas": 5}), old)) == []


def test_a_service_warns_of_a_field_that_is_ignored() -> None:
    assert said("Service", {"spec.externalName": "example.com"}) == [
        'spec.externalName is ignored when spec.type is not "ExternalName"'
    ]
