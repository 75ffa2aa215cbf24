"""What the status of a ValidatingAdmissionPolicy tells of its expressions."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Loop
from kubesim.controllers.policies import PolicyStatus
from kubesim.resources import Registry
from kubesim.validating.typechecking import warnings
from tests.kubesim.test_validating import KIND, policy, rule
from tests.kubesim.world import World

REGISTRY = Registry.builtin()


def told(*expressions: str, **more: Any) -> list[tuple[str, str]]:
    found = warnings(policy(*expressions, **more), REGISTRY)
    return [(each["fieldRef"], each["warning"]) for each in found]


def test_a_field_that_the_kind_has_not_is_told() -> None:
    assert told("object.spec.replica > 1") == [
        (
            "spec.validations[0].expression",
            "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replica'\n"
            " | object.spec.replica > 1\n | ...........^\n",
        )
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.replicas <= 5 && oldObject.metadata.namespace == 'shop'",
        "object.spec.template.spec.containers.all(c, c.image.contains(':'))",
        "has(object.spec.template.spec.securityContext.runAsNonRoot)",
        "object.metadata.?labels.team.orValue('') != ''",
        "object.metadata.labels.anything == 'x' && 'y' in object.metadata.annotations",
        "quantity(object.spec.template.spec.containers[0].resources.limits.cpu) == quantity('1')",
        "object.spec.strategy.rollingUpdate.maxSurge == 1",
        "object.spec.strategy.rollingUpdate.maxSurge == '25%'",
    ],
)
def test_what_the_kind_has_is_not_told(expression: str) -> None:
    assert told(expression) == []


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("object.spec.template.spec.containers.all(c, c.img != '')", "undefined field 'img'"),
        ("object.spec.replicas == '5'", "'_==_' applied to '(int, string)'"),
        ("oldObject.spec.paused > 1", "'_>_' applied to '(bool, int)'"),
    ],
)
def test_types_are_followed_into_lists_and_loops(expression: str, said: str) -> None:
    ((_, warning),) = told(expression)
    assert said in warning


def test_variables_have_the_type_of_what_they_are_made_of() -> None:
    variables = [
        {"name": "pod", "expression": "object.spec.template.spec"},
        {"name": "containers", "expression": "variables.pod.containers"},
    ]
    assert told("variables.containers.all(c, c.image != '')", variables=variables) == []
    ((_, warning),) = told("variables.containers.all(c, c.img != '')", variables=variables)
    assert "undefined field 'img'" in warning


def test_parameters_have_a_type_too() -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert told("params.data.most == '1'", paramKind=kind) == []
    ((_, warning),) = told("params.datas.most == '1'", paramKind=kind)
    assert "undefined field 'datas'" in warning
    unknown = {"apiVersion": "example.com/v1", "kind": "Limit"}
    assert told("params.spec.most == 1", paramKind=unknown) == []


def test_each_kind_that_is_named_is_looked_at() -> None:
    resources = {"resourceRules": [rule(resources=["deployments", "daemonsets", "pods/exec"])]}
    ((_, warning),) = told("object.spec.replicas < 3", match=resources)
    assert warning.startswith("apps/v1, Kind=DaemonSet: ERROR: ")


@pytest.mark.parametrize("wild", [{"apiGroups": ["*"]}, {"apiVersions": ["*"]}])
def test_what_only_a_wildcard_means_is_not_looked_at(wild: Object) -> None:
    assert told("object.spec.replica > 1", match={"resourceRules": [rule(**wild)]}) == []


def test_the_status_follows_the_policy() -> None:
    world = World()
    loop = Loop(world.api, [PolicyStatus(world.api, Indexes(world.api.store))])
    world.create(policy("object.spec.replica > 1"))
    loop.step(world.now)
    status = world.get(KIND, "few")["status"]
    assert status["observedGeneration"] == 1
    assert len(status["typeChecking"]["expressionWarnings"]) == 1
    world.patch(KIND, "few", {"spec": {"validations": [{"expression": "true"}]}})
    loop.step(world.now)
    status = world.get(KIND, "few")["status"]
    assert status == {"observedGeneration": 2, "typeChecking": {}}
    revision = world.api.store.revision
    loop.step(world.now)
    assert world.api.store.revision == revision
