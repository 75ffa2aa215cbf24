from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import copied
from kubesim.admission import default
from kubesim.admission.validation import RULES, validate
from kubesim.resources import Resource
from kubesim.schema import decode
from tests.kubesim.refusals import (
    KINDS,
    REGISTRY,
    SUBDOMAIN,
    VALUE,
    accepted,
    edited,
    refusal,
    resource_of,
    said,
)


@pytest.mark.parametrize("kind", KINDS)
def test_good_objects_are_accepted(kind: str) -> None:
    assert said(accepted(kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_good_objects_are_decoded_without_complaint(kind: str) -> None:
    obj = accepted(kind)
    same, findings = decode(obj, resource_of(obj).node)
    assert not findings
    assert same == obj


def test_every_rule_has_a_good_object() -> None:
    covered = {(resource_of(accepted(kind)).group, kind) for kind in KINDS}
    assert set(RULES) - covered == {("autoscaling", "Scale")}


def test_one_fault_is_said_plainly() -> None:
    old = accepted("Deployment")
    error = refusal(edited(old, {"spec.selector": {"matchLabels": {"app": "web", "a": "b"}},
                                 "spec.template.metadata.labels.a": "b"}), old)  # fmt: skip
    assert error is not None
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == (
        'Deployment.apps "web" is invalid: spec.selector: Invalid value: '
        '{"matchLabels":{"a":"b","app":"web"}}: field is immutable'
    )
    assert error.details == {"name": "web", "group": "apps", "kind": "Deployment"}
    assert error.causes == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: {"matchLabels":{"a":"b","app":"web"}}: field is immutable',
            "field": "spec.selector",
        }
    ]


def test_several_faults_are_listed_and_the_core_group_has_no_name() -> None:
    error = refusal(edited(accepted("Service"), {"spec.ports": [], "spec.type": "Odd"}))
    assert error is not None
    assert error.message == (
        'Service "web" is invalid: [spec.ports: Required value, spec.type: Unsupported value: '
        '"Odd": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]'
    )
    assert [cause["reason"] for cause in error.causes] == [
        "FieldValueRequired",
        "FieldValueNotSupported",
    ]
    assert error.details == {"name": "web", "kind": "Service"}


def test_the_same_fault_is_said_once_and_counted_as_often_as_it_occurs() -> None:
    error = refusal(edited(accepted("ConfigMap"), {"metadata.labels": {"a": "-", "b": "-"}}))
    assert error is not None
    assert (
        error.message == f'ConfigMap "web" is invalid: metadata.labels: Invalid value: "-": {VALUE}'
    )
    assert len(error.causes) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_stored_is_not_judged_again_when_its_body_is_untouched(kind: str) -> None:
    """Or else a stricter release could not even delete what an older one had let in."""
    old = edited(accepted(kind), {"spec": {"nonsense": True}})
    new = edited(old, {"metadata.labels": {"app": "web"}, "status": {"phase": "Ready"}})
    assert said(new, old) == []
    assert said(old, old) == []


def test_a_scale_is_not_negative() -> None:
    scales = Resource("autoscaling", "v1", "Scale", "deployments", "scale", namespaced=True)
    scale = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": 0}}
    validate(scale, scales)
    with pytest.raises(ApiError) as refused:
        validate({**scale, "spec": {"replicas": -1}}, scales)
    assert refused.value.message == (
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater '
        "than or equal to 0"
    )


def test_a_custom_resource_is_named_like_most_objects() -> None:
    widgets = Resource("example.com", "v1", "Widget", "widgets", "widget", namespaced=True)
    widget = {"metadata": {"name": "w-1", "namespace": "shop"}, "spec": {"anything": "goes"}}
    validate(widget, widgets)
    with pytest.raises(ApiError, match=r'Widget\.example\.com "W" is invalid'):
        validate({**widget, "metadata": {"name": "W", "namespace": "shop"}}, widgets)


def test_a_kind_without_rules_has_its_metadata_checked() -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "A"}}
    assert said(lease) == [
        f'metadata.name: Invalid value: "A": {SUBDOMAIN}',
        "metadata.namespace: Required value",
    ]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every field and item below a value, with what it is in."""
    if not isinstance(value, dict | list):
        return []
    found = []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found += [(value, key), *_places(inner)]
    return found


_KEPT = ("apiVersion", "kind", "metadata")


def _emptied(value: Any) -> Any:
    return type(value)() if value is not None else None


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_is_left_out_gets_an_answer(data: st.DataObject) -> None:
    """Nothing but a refusal comes of an object of the right types, however little is in it."""
    old = accepted(data.draw(st.sampled_from(KINDS)))
    new = copied(old)
    for _ in range(data.draw(st.integers(1, 4))):
        places = [place for place in _places(new) if place[1] not in _KEPT]
        if not places:
            break
        inside, key = data.draw(st.sampled_from(places))
        if data.draw(st.booleans()) or isinstance(inside, list):
            inside[key] = _emptied(inside[key])
        else:
            del inside[key]
    resource = resource_of(old)
    assume(not decode(new, resource.node)[1].invalid)
    for before in (None, old):
        try:
            validate(new, resource, old=before)
        except ApiError as error:
            assert error.code == 422
            assert error.causes


APPS = Path(__file__).parents[2].parent / "shared" / "apps"


def _manifests() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted(APPS.rglob("*.yaml")):
        for number, document in enumerate(yaml.safe_load_all(path.read_text())):
            if isinstance(document, dict) and "kind" in document:
                found.append((f"{path.relative_to(APPS)}[{number}]", document))
    return found


@pytest.mark.skipif(not APPS.is_dir(), reason="the example applications are not at hand")
def test_real_manifests_are_accepted() -> None:
    refused, count = {}, 0
    for origin, manifest in _manifests():
        try:
            resource = REGISTRY.by_kind(manifest.get("apiVersion", ""), manifest["kind"])
        except ApiError:
            continue  # a custom resource, or a file that is Kustomize's own
        place = {"namespace": "default"} if resource.namespaced else {}
        manifest["metadata"] = {**place, **manifest["metadata"]}
        obj = default(decode(manifest, resource.node)[0], resource)
        count += 1
        if faults := said(obj):
            refused[origin] = faults
    assert refused == {}
    assert count > 50
