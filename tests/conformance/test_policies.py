"""Rules in CEL: of ValidatingAdmissionPolicies, and of custom resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, ObjectKey, copied, named
from tests.conformance.conftest import Subject
from tests.conftest import config_map, deployment

GROUP = "admissionregistration.k8s.io"
KIND = "ValidatingAdmissionPolicy"

Say = Callable[..., str]
"""Makes a policy with an expression, bound to the test's namespace; answers its name."""


@pytest.fixture
def say(subject: Subject) -> Iterator[Say]:
    name = f"{subject.namespace}-policy"

    def make(expression: str, *actions: str, binding: Object | None = None, **spec: Any) -> str:
        rule = {
            "apiGroups": ["apps"],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["deployments"],
        }
        spec = {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": expression}],
            **spec,
        }
        here = {"matchLabels": {"kubernetes.io/metadata.name": subject.namespace}}
        bound = {
            "policyName": name,
            "validationActions": list(actions) or ["Deny"],
            "matchResources": {"namespaceSelector": here},
            **(binding or {}),
        }
        subject.cluster.apply(named(f"{GROUP}/v1", KIND, name, spec=spec), manager="test")
        body = named(f"{GROUP}/v1", f"{KIND}Binding", name, spec=bound)
        subject.cluster.apply(body, manager="test")
        return name

    yield make
    for kind in (f"{KIND}Binding", KIND):
        subject.cluster.delete(ObjectKey(GROUP, kind, "", name))


def denied(subject: Subject, body: Object) -> ApiError | None:
    """The refusal of an object that is only tried; policies need a moment on a real cluster."""
    try:
        subject.apply(body, dry_run=True)
    except ApiError as error:
        if "denied request" in error.message or "is invalid" in error.message:
            return error
        raise
    return None


def test_a_policy_refuses_what_it_forbids(subject: Subject, say: Say) -> None:
    name = say("object.spec.replicas <= 5")
    error = subject.until(lambda: denied(subject, deployment(replicas=6)), "policy")
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == (
        f"deployments.apps \"web\" is forbidden: {KIND} '{name}' with binding '{name}' denied "
        "request: failed expression: object.spec.replicas <= 5"
    )
    assert subject.apply(deployment(replicas=0))["spec"]["replicas"] == 0


def test_a_policy_says_why_in_its_own_words(subject: Subject, say: Say) -> None:
    images = "object.spec.template.spec.containers.map(c, c.image)"
    validation = {
        "expression": "variables.images.all(i, !i.endsWith(':latest'))",
        "messageExpression": "'name a version, not ' + variables.images[0]",
        "reason": "Forbidden",
    }
    variables = [{"name": "images", "expression": images}]
    say("", validations=[validation], variables=variables)
    body = deployment(image="shop:latest", replicas=0)
    error = subject.until(lambda: denied(subject, body), "policy")
    assert (error.code, error.reason) == (403, "Forbidden")
    assert error.message.endswith("denied request: name a version, not shop:latest")


def test_a_policy_takes_its_parameter_from_an_object(subject: Subject, say: Say) -> None:
    subject.apply(config_map("limits", most="3"))
    reference = {"name": "limits", "parameterNotFoundAction": "Deny"}
    say(
        "object.spec.replicas <= int(params.data.most)",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        binding={"paramRef": reference},
    )
    subject.until(lambda: denied(subject, deployment(replicas=4)), "policy")
    subject.apply(config_map("limits", most="4"))
    subject.until(lambda: denied(subject, deployment(replicas=4)) is None, "parameter")


def test_a_policy_compares_with_what_was_there(subject: Subject, say: Say) -> None:
    subject.apply(deployment(replicas=0, minReadySeconds=2))
    say("oldObject == null || object.spec.minReadySeconds >= oldObject.spec.minReadySeconds")
    less, more = (deployment(replicas=0, minReadySeconds=n) for n in (1, 3))
    subject.until(lambda: denied(subject, less), "policy")
    assert denied(subject, more) is None


def test_a_policy_that_warns_lets_pass(subject: Subject, say: Say) -> None:
    say("false", "Warn")
    assert subject.apply(deployment(replicas=0))["metadata"]["name"] == "web"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.spec.replicas <=", "compilation failed: ERROR: <input>:1:24: Syntax error"),
        ("objekt.spec == 1", "compilation failed: ERROR: <input>:1:1: undeclared reference to 'o"),
        ("request.verb == 'x'", "compilation failed: ERROR: <input>:1:8: undefined field 'verb'"),
        ("'yes'", "must evaluate to bool"),
    ],
)
def test_a_policy_must_compile(subject: Subject, say: Say, expression: str, said: str) -> None:
    with pytest.raises(ApiError) as refusal:
        say(expression)
    assert refusal.value.code == 422
    (cause,) = refusal.value.causes
    assert cause["field"] == "spec.validations[0].expression"
    assert said in cause["message"]


# Custom resources

RULES = [
    {"rule": "self.few <= self.many", "message": "few is more than many"},
    {"rule": "self.name == oldSelf.name", "fieldPath": ".name", "message": "a name is for ever"},
]


def definition(subject: Subject, rules: list[Object]) -> Object:
    """A definition of a group that no other test has."""
    number = {"type": "integer"}
    properties = {"few": number, "many": number, "name": {"type": "string"}}
    spec = {"type": "object", "x-kubernetes-validations": rules, "properties": properties}
    group = f"{subject.namespace}.example.com"
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }
    return named(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"bounds.{group}",
        spec={
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "bounds", "kind": "Bound"},
            "versions": [version],
        },
    )


@pytest.fixture
def bounds(subject: Subject) -> Iterator[Callable[..., Object]]:
    """Makes objects of a kind that has rules."""
    body = definition(subject, RULES)
    name = body["metadata"]["name"]
    key = ObjectKey("apiextensions.k8s.io", "CustomResourceDefinition", "", name)

    def is_served() -> bool:
        conditions = subject.get(key)["status"]["conditions"] or []
        return any((c["type"], c["status"]) == ("Established", "True") for c in conditions)

    def make(**spec: Any) -> Object:
        return named(f"{body['spec']['group']}/v1", "Bound", "one", spec=spec)

    subject.cluster.apply(copied(body), manager="test")
    subject.until(is_served, "definition")
    yield make
    subject.cluster.delete(key)


def test_a_rule_of_a_definition_is_held_to(subject: Subject, bounds: Callable[..., Object]) -> None:
    error = denied(subject, bounds(few=3, many=2, name="a"))
    assert error is not None and error.code == 422
    assert error.message.endswith("is invalid: spec: Invalid value: few is more than many")
    assert denied(subject, bounds(few=2, many=2, name="a")) is None


def test_a_rule_about_the_past_is_for_updates(
    subject: Subject, bounds: Callable[..., Object]
) -> None:
    subject.apply(bounds(few=1, many=2, name="a"))
    subject.apply(bounds(few=1, many=3, name="a"))
    error = denied(subject, bounds(few=1, many=3, name="b"))
    assert error is not None
    assert error.message.endswith("spec.name: Invalid value: a name is for ever")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "self.some <= self.many",
            "compilation failed: ERROR: <input>:1:5: undefined field 'some'",
        ),
        ("self.few <=", "compilation failed: ERROR: <input>:1:12: Syntax error"),
        ("self.few", "cel expression must evaluate to a bool"),
    ],
)
def test_a_rule_must_compile(subject: Subject, rule: str, said: str) -> None:
    with pytest.raises(ApiError) as refusal:
        subject.cluster.apply(definition(subject, [{"rule": rule}]), manager="test")
    assert refusal.value.code == 422
    assert said in refusal.value.message
