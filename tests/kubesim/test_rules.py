"""Rules of definitions in CEL (`x-kubernetes-validations`): what they demand, and of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from tests.kubesim.test_custom_resources import CustomWorld, crd, version

PATH = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]"

SPEC = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer"},
        "maxReplicas": {"type": "integer"},
        "note": {"type": "string", "nullable": True},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
            },
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def with_rules(place: str = "", **rule: Any) -> Object:
    """A definition with one rule, at the spec or at a place below it."""

    def ruled(schema: Any, steps: list[str]) -> Any:
        if not steps:
            return {**schema, "x-kubernetes-validations": [rule]}
        step, *rest = steps
        if step == "*":
            inner = "items" if "items" in schema else "additionalProperties"
            return {**schema, inner: ruled(schema[inner], rest)}
        properties = schema["properties"]
        return {**schema, "properties": {**properties, step: ruled(properties[step], rest)}}

    return crd(version(ruled(SPEC, place.split(".") if place else []), subresources={"status": {}}))


def tab(**spec: Any) -> Object:
    return {
        "apiVersion": "stable.example.com/v1",
        "kind": "CronTab",
        "metadata": {"name": "backup"},
        "spec": spec,
    }


def said(world: CustomWorld, body: Object, *, update: bool = False) -> str:
    """What is wrong with an object, nothing if it is accepted."""
    try:
        if update:
            old = world.get("CronTab", "backup")
            world.update({**body, "metadata": old["metadata"]})
        else:
            world.create(body)
    except ApiError as error:
        assert (error.code, error.reason) == (422, "Invalid")
        start = 'CronTab.stable.example.com "backup" is invalid: '
        assert error.message.startswith(start)
        return error.message.removeprefix(start)
    return ""


@pytest.fixture
def world() -> CustomWorld:
    return CustomWorld()


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({}, "failed rule: self.replicas <= self.maxReplicas"),
        ({"message": "too many"}, "too many"),
        (
            {"messageExpression": "'%d > %d'.format([self.replicas, self.maxReplicas])"},
            "3 > 2",
        ),
        ({"messageExpression": "self.note", "message": "too many"}, "too many"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_its_words(
    world: CustomWorld, rule: Object, why: str
) -> None:
    world.define(with_rules(rule="self.replicas <= self.maxReplicas", **rule))
    assert said(world, tab(replicas=3, maxReplicas=2)) == f"spec: Invalid value: {why}"
    assert said(world, tab(replicas=2, maxReplicas=2)) == ""
    assert said(world, tab(replicas=4, maxReplicas=3), update=True).endswith(": " + (
        "4 > 3" if why == "3 > 2" else why
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"reason": "FieldValueForbidden"}, "spec: Forbidden: no"),
        ({"reason": "FieldValueRequired"}, "spec: Required value: no"),
        ({"reason": "FieldValueDuplicate"}, "spec: Duplicate value"),
        ({"fieldPath": ".replicas"}, "spec.replicas: Invalid value: no"),
        ({"fieldPath": ".labels['a']"}, "spec.labels.a: Invalid value: no"),
    ],
)
def test_a_rule_says_of_what_field_and_why(world: CustomWorld, more: Object, expected: str) -> None:
    world.define(with_rules(rule="self.replicas < 3", message="no", **more))
    assert said(world, tab(replicas=3)) == expected


@pytest.mark.parametrize(
    ("place", "rule", "spec", "expected"),
    [
        ("replicas", "self < 3", {"replicas": 3}, "spec.replicas: Invalid value"),
        ("tags.*", "self != 'x'", {"tags": ["a", "x"]}, "spec.tags[1]: Invalid value"),
        ("labels.*", "self != 'x'", {"labels": {"a": "x"}}, "spec.labels[a]: Invalid value"),
        ("ports.*", "self.port > 0", {"ports": [{"name": "a", "port": 0}]}, "spec.ports[0]: "),
        ("ports", "self.map(p, p.port).sum() < 9", {"ports": [{"name": "a", "port": 9}]}, "spec.p"),
        ("note", "self != ''", {"note": ""}, "spec.note: Invalid value"),
    ],
)
def test_a_rule_is_asked_of_the_value_at_its_place(
    world: CustomWorld, place: str, rule: str, spec: Object, expected: str
) -> None:
    world.define(with_rules(place, rule=rule))
    assert said(world, tab(**spec)).startswith(expected)
    assert said(world, tab(note=None)) == ""


def test_a_rule_without_an_answer_refuses(world: CustomWorld) -> None:
    world.define(with_rules(rule="self.replicas > 1"))
    assert said(world, tab()) == (
        "spec: Invalid value: no such key: replicas evaluating rule: self.replicas > 1"
    )


def test_a_rule_of_the_whole_object_sees_its_name(world: CustomWorld) -> None:
    definition = with_rules(rule="true")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["x-kubernetes-validations"] = [{"rule": "self.metadata.name.startsWith('x')"}]
    world.define(definition)
    assert said(world, tab()).startswith("<nil>: Invalid value: failed rule: self.meta")


def test_a_rule_about_the_past_is_asked_of_updates_only(world: CustomWorld) -> None:
    world.define(with_rules("replicas", rule="self >= oldSelf", message="cannot shrink"))
    assert said(world, tab(replicas=3)) == ""
    refusal = said(world, tab(replicas=2), update=True)
    assert refusal == "spec.replicas: Invalid value: cannot shrink"
    assert said(world, tab(replicas=4), update=True) == ""


def test_the_past_of_a_list_item_is_found_by_its_keys(world: CustomWorld) -> None:
    world.define(with_rules("ports.*.port", rule="self == oldSelf"))
    one, other = {"name": "a", "port": 1}, {"name": "b", "port": 2}
    assert said(world, tab(ports=[one, other])) == ""
    assert said(world, tab(ports=[other, one, {"name": "c", "port": 3}]), update=True) == ""
    assert "spec.ports[0].port" in said(world, tab(ports=[{"name": "b", "port": 9}]), update=True)


def test_a_past_that_may_be_none_is_optional(world: CustomWorld) -> None:
    rule = "oldSelf.hasValue() ? self >= oldSelf.value() : self == 1"
    world.define(with_rules("replicas", rule=rule, optionalOldSelf=True, message="step by step"))
    assert said(world, tab(replicas=2)).endswith("step by step")
    assert said(world, tab(replicas=1)) == ""
    assert said(world, tab(replicas=5), update=True) == ""
    assert said(world, tab(replicas=4), update=True).endswith("step by step")


def test_what_an_update_leaves_alone_is_not_asked_again(world: CustomWorld) -> None:
    world.define(with_rules("replicas", rule="self > 0"))
    world.create(tab(replicas=1))
    definition = world.get("CustomResourceDefinition", "crontabs.stable.example.com")
    stricter = with_rules("replicas", rule="self > 5")
    world.update({**stricter, "metadata": definition["metadata"]})
    world.step()
    assert said(world, tab(replicas=1, note="new"), update=True) == ""
    assert said(world, tab(replicas=2), update=True) != ""


def test_a_status_is_held_to_rules_too(world: CustomWorld) -> None:
    definition = with_rules(rule="true")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["status"] = {
        "type": "object",
        "properties": {"ready": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.ready >= 0", "message": "below zero"}],
    }
    world.define(definition)
    world.create(tab())
    with pytest.raises(ApiError, match="status: Invalid value: below zero"):
        world.patch("CronTab", "backup", {"status": {"ready": -1}}, subresource="status")


def test_rules_are_not_asked_about_what_the_schema_refuses(world: CustomWorld) -> None:
    world.define(with_rules(rule="self.replicas > 5"))
    assert said(world, tab(replicas="many")) == (
        '[spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: '
        '"string", <nil>: Invalid value: null: some validation rules were not checked because the '
        "object was invalid; correct the existing errors to complete validation]"
    )


@pytest.mark.parametrize(
    ("rule", "field", "why"),
    [
        ({"rule": " "}, "rule", "Required value: rule is not specified"),
        ({"rule": "self.replicas +"}, "rule", "compilation failed: ERROR: <input>:1:16: Syntax"),
        ({"rule": "self.replica > 1"}, "rule", "ERROR: <input>:1:5: undefined field 'replica'"),
        ({"rule": "object.x == 1"}, "rule", "undeclared reference to 'object"),
        (
            {"rule": "self.replicas > '3'"},
            "rule",
            "ERROR: <input>:1:15: found no matching overload for '_>_' applied to '(int, string)'",
        ),
        ({"rule": "self.note == self.replicas"}, "rule", "'_==_' applied to '(string, int)'"),
        ({"rule": "!self.replicas"}, "rule", "'!_' applied to '(int)'"),
        (
            {"rule": "self.ports.all(p, p.name + 1 == 2)"},
            "rule",
            "found no matching overload for '_+_' applied to '(string, int)'",
        ),
        ({"rule": "self.replicas"}, "rule", "cel expression must evaluate to a bool"),
        ({"rule": "1"}, "rule", "cel expression must evaluate to a bool"),
        ({"rule": "true", "message": " "}, "message", "must be non-empty if specified"),
        ({"rule": "true", "message": "a\nb"}, "message", "must not contain line breaks"),
        ({"rule": "true\n&& true"}, "message", "must be specified if rule contains line breaks"),
        ({"rule": "true", "messageExpression": "1"}, "messageExpression", "must evaluate to a str"),
        ({"rule": "true", "reason": "Because"}, "reason", 'Unsupported value: "Because"'),
        ({"rule": "true", "fieldPath": ".nowhere"}, "fieldPath", "must be a valid path"),
        (
            {"rule": "oldSelf.hasValue() &&\n self.replica > 1", "optionalOldSelf": True,
             "message": "no"},
            "rule",
            "ERROR: <input>:2:6: undefined field 'replica'",
        ),
    ],
)  # fmt: skip
def test_a_rule_is_checked_when_it_is_defined(
    world: CustomWorld, rule: Object, field: str, why: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        world.define(with_rules(**rule))
    assert refusal.value.code == 422
    (cause,) = refusal.value.causes
    assert cause["field"] == f"{PATH}.{field}"
    assert why in cause["message"]


def test_a_rule_cannot_ask_for_a_past_that_cannot_be_told(world: CustomWorld) -> None:
    with pytest.raises(ApiError, match="oldSelf cannot be used on the uncorrelatable portion"):
        world.define(with_rules("tags.*", rule="self == oldSelf"))
