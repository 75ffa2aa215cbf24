"""Selectors: what they select, and how they are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from kubesim import selectors

WEB = {"app": "web", "tier": "front", "size": "12", "empty": ""}


def selects(selector: str, labels: dict[str, str]) -> bool:
    return selectors.labels(selector)({"metadata": {"labels": labels}})


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        (" app = web , tier != back ", True),
        ("app=web,tier=back", False),
        ("app!=web", False),
        ("absent!=x", True),
        ("app in (web, api)", True),
        ("app in (api)", False),
        ("app notin (api,db)", True),
        ("app notin (web)", False),
        ("absent notin (web)", True),
        ("absent in (web)", False),
        ("app", True),
        ("absent", False),
        ("!absent", True),
        ("!app", False),
        ("size>11", True),
        ("size<12", False),
        ("app>1", False),
        ("empty=", True),
        ("empty=,app", True),
        ("app=", False),
        ("absent=", False),
        ("empty in (,x)", True),
        ("example.com/app", False),
        ("in in (notin)", False),
    ],
)
def test_a_label_selector_selects(selector: str, expected: bool) -> None:
    assert selects(selector, WEB) is expected


def test_an_object_without_labels_meets_selectors_that_ask_for_none() -> None:
    assert selectors.labels("!app")({"metadata": {}})
    assert not selectors.labels("app")({"metadata": {}})


PARSE = "unable to parse requirement: "
NAME = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character"
)


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a,", "found '', expected: identifier after ','"),
        ("!", PARSE + "found '', expected: identifier"),
        ("a b", PARSE + "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", PARSE + "found 'b' expected: '('"),
        ("a in (b", PARSE + "found '', expected: ',', or ')'"),
        ("a=(", PARSE + "found '(', expected: identifier"),
        (
            "a>x",
            PARSE + 'values[0]: Invalid value: "x": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        ("-a", PARSE + f'<nil>: Invalid value: "-a": {NAME}'),
        (
            "a in (b," + "c" * 64 + ")",
            PARSE + f'values[1][a]: Invalid value: "{"c" * 64}": must be no more than 63 bytes',
        ),
        (
            "A_b/c",
            PARSE + '<nil>: Invalid value: "A_b/c": '
            "prefix part must be a lowercase RFC 1123 subdomain",
        ),
    ],
)
def test_a_label_selector_that_is_none_is_refused(selector: str, message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        selectors.labels(selector)
    assert (refusal.value.code, refusal.value.reason) == (400, "BadRequest")
    assert refusal.value.message == message


@given(st.text(alphabet="ab=!,()<>- in\\\t", max_size=12))
def test_every_text_is_a_selector_or_is_refused(text: str) -> None:
    for parse in (selectors.labels, lambda text: selectors.fields(text, "", "pods")):
        try:
            assert parse(text)({"metadata": {"labels": WEB}}) in (True, False)
        except ApiError as refusal:
            assert refusal.code == 400


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "api"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}],
            },
            False,
        ),
    ],
)
def test_a_label_selector_object_selects(selector: dict[str, Any] | None, expected: bool) -> None:
    assert selectors.label_selector(selector)(WEB) is expected


POD = {
    "metadata": {"name": "web-1", "namespace": "shop"},
    "spec": {"nodeName": "n1", "serviceAccountName": "web"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("metadata.name=web-1", True),
        ("metadata.name==web-1,metadata.namespace=shop", True),
        ("metadata.name!=web-1", False),
        ("status.phase!=Running", False),
        ("spec.nodeName=", False),
        ("status.podIP=", True),
        ("spec.serviceAccountName=web", True),
        ("spec.hostNetwork=false", True),
        ("metadata.name=web\\,1", False),
    ],
)
def test_a_field_selector_selects(selector: str, expected: bool) -> None:
    assert selectors.fields(selector, "", "pods")(POD) is expected


def test_a_backslash_takes_the_meaning_of_what_follows() -> None:
    odd = {"metadata": {"name": "a,b=c"}}
    assert selectors.fields("metadata.name=a\\,b\\=c", "", "pods")(odd)


@pytest.mark.parametrize(
    ("group", "plural", "selector", "obj"),
    [
        ("", "events", "involvedObject.name=web", {"involvedObject": {"name": "web"}}),
        ("", "events", "source=kubelet", {"source": {"component": "kubelet"}}),
        ("", "events", "source=job", {"source": {}, "reportingComponent": "job"}),
        ("events.k8s.io", "events", "regarding.name=web", {"involvedObject": {"name": "web"}}),
        ("batch", "jobs", "status.successful=0", {"status": {}}),
        ("batch", "jobs", "status.successful=2", {"status": {"succeeded": 2}}),
        ("", "nodes", "spec.unschedulable=true", {"spec": {"unschedulable": True}}),
        ("", "secrets", "type=Opaque", {"type": "Opaque"}),
        ("", "namespaces", "status.phase=Active", {"status": {"phase": "Active"}}),
    ],
)
def test_each_resource_has_fields_of_its_own(
    group: str, plural: str, selector: str, obj: dict[str, Any]
) -> None:
    assert selectors.fields(selector, group, plural)(obj)
    assert not selectors.fields(selector.replace("=", "!="), group, plural)(obj)


@pytest.mark.parametrize(
    ("group", "plural", "selector", "message"),
    [
        (
            "apps",
            "deployments",
            "spec.replicas=1",
            '"spec.replicas" is not a known field selector: '
            'only "metadata.name", "metadata.namespace"',
        ),
        ("", "pods", "spec.image=x", "field label not supported: spec.image"),
        ("batch", "jobs", "spec.x=1", 'field label "spec.x" not supported for batchv1.Job'),
        ("", "pods", "name", "invalid selector: 'name'; can't understand 'name'"),
    ],
)
def test_a_field_that_cannot_be_selected_is_refused(
    group: str, plural: str, selector: str, message: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        selectors.fields(selector, group, plural)
    assert (refusal.value.code, refusal.value.message) == (400, message)
