"""ValidatingAdmissionPolicies: what they are about, what they refuse, and what they demand of
themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, named
from kubesim.validating import ValidatingAdmission
from tests.conftest import deployment
from tests.kubesim.test_custom_resources import CustomWorld

VERSION = "admissionregistration.k8s.io/v1"
KIND = "ValidatingAdmissionPolicy"


class PolicyWorld(CustomWorld):
    """An API server that asks policies."""

    def __init__(self) -> None:
        super().__init__()
        self.api.reviews.append(ValidatingAdmission(self.api))
        self.told: list[str] = []
        self.api.warn = self.told.append

    def say(self, *expressions: str, binding: Object | None = None, **spec: Any) -> None:
        """Have a policy with these expressions, and a binding that denies."""
        body = policy(*expressions, **spec)
        self.create(body)
        self.create(bound(**(binding or {})))

    def refusal(self, body: Object, **options: Any) -> str:
        """Why an object is not created, nothing if it is."""
        try:
            self.create(body, **options)
        except ApiError as error:
            return error.message
        return ""


def rule(**more: Any) -> Object:
    return {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
        **more,
    }


def policy(
    *expressions: str, name: str = "few", match: Object | None = None, **spec: Any
) -> Object:
    spec = {"validations": [{"expression": each} for each in expressions], **spec}
    constraints = {"resourceRules": [rule()], **(match or {})}
    return named(VERSION, KIND, name, spec={"matchConstraints": constraints, **spec})


def bound(name: str = "here", policy: str = "few", **spec: Any) -> Object:
    spec = {"policyName": policy, "validationActions": ["Deny"], **spec}
    return named(VERSION, f"{KIND}Binding", name, spec=spec)


def web(replicas: int = 6, **metadata: Any) -> Object:
    body = deployment(replicas=replicas)
    return {**body, "metadata": {**body["metadata"], **metadata}}


START = (
    'deployments.apps "web" is forbidden: ValidatingAdmissionPolicy '
    "'few' with binding 'here' denied request: "
)
FEW = "object.spec.replicas <= 5"
FAILED = f"{START}failed expression: {FEW}"


@pytest.fixture
def world() -> PolicyWorld:
    return PolicyWorld()


def test_a_policy_refuses_in_the_servers_words(world: PolicyWorld) -> None:
    world.say(FEW)
    with pytest.raises(ApiError) as refusal:
        world.create(web(6))
    error = refusal.value
    assert (error.code, error.reason, error.message) == (422, "Invalid", FAILED)
    assert error.details == {"name": "web", "group": "apps", "kind": "deployments"}
    assert error.causes == [{"message": FAILED.partition("is forbidden: ")[2]}]
    assert world.refusal(web(5)) == ""


def test_a_policy_that_nobody_has_bound_says_nothing(world: PolicyWorld) -> None:
    world.create(policy(FEW))
    assert world.refusal(web(6)) == ""


def test_policies_are_asked_of_every_way_to_write(world: PolicyWorld) -> None:
    world.say(FEW)
    world.create(web(1))
    many = {"spec": {"replicas": 6}}
    with pytest.raises(ApiError, match="denied request"):
        world.patch("Deployment", "web", many)
    with pytest.raises(ApiError, match="denied request"):
        world.apply({**web(), **many}, field_manager="test", force=True)
    with pytest.raises(ApiError, match="denied request"):
        world.update({**world.get("Deployment", "web"), **web(6)}, dry_run=True)
    assert world.get("Deployment", "web")["spec"]["replicas"] == 1


def test_a_policy_that_goes_refuses_no_more(world: PolicyWorld) -> None:
    world.say(FEW)
    assert world.refusal(web(6)) == FAILED
    world.delete(KIND, "few")
    assert world.refusal(web(6)) == ""


@pytest.mark.parametrize(
    ("reason", "code"),
    [("Forbidden", 403), ("Unauthorized", 401), ("RequestEntityTooLarge", 413), ("Invalid", 422)],
)
def test_a_policy_says_how_it_refuses(world: PolicyWorld, reason: str, code: int) -> None:
    world.say(validations=[{"expression": FEW, "message": " too many ", "reason": reason}])
    with pytest.raises(ApiError) as refusal:
        world.create(web(6))
    assert (refusal.value.code, refusal.value.reason) == (code, reason)
    assert refusal.value.message == f"{START}too many"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("'at most 5, not ' + string(object.spec.replicas)", "at most 5, not 6"),
        ("object.spec.nothing", "too many"),
        ("'a\\nb'", "too many"),
        ("' '", "too many"),
    ],
)
def test_a_message_is_put_together_if_it_can_be(
    world: PolicyWorld, expression: str, said: str
) -> None:
    validation = {"expression": FEW, "message": "too many", "messageExpression": expression}
    world.say(validations=[validation])
    assert world.refusal(web(6)) == START + said


@pytest.mark.parametrize(
    ("change", "is_about"),
    [
        ({"apiGroups": ["*"]}, True),
        ({"apiGroups": ["batch"]}, False),
        ({"apiVersions": ["v2"]}, False),
        ({"operations": ["UPDATE"]}, False),
        ({"operations": ["*"]}, True),
        ({"resources": ["*"]}, True),
        ({"resources": ["*/*"]}, True),
        ({"resources": ["deployments/*"]}, True),
        ({"resources": ["deployments/status", "pods"]}, False),
        ({"scope": "Cluster"}, False),
        ({"scope": "Namespaced"}, True),
        ({"resourceNames": ["web"]}, True),
        ({"resourceNames": ["other"]}, False),
    ],
)
def test_a_rule_says_what_a_policy_is_about(
    world: PolicyWorld, change: Object, is_about: bool
) -> None:
    world.say("false", match={"resourceRules": [rule(**change)]})
    assert bool(world.refusal(web())) is is_about


@pytest.mark.parametrize(
    ("match", "is_about"),
    [
        ({"objectSelector": {"matchLabels": {"tier": "front"}}}, True),
        ({"objectSelector": {"matchLabels": {"tier": "back"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"stage": "production"}}}, False),
        ({"excludeResourceRules": [rule(resourceNames=["web"])]}, False),
    ],
)
@pytest.mark.parametrize("side", ["policy", "binding"])
def test_selectors_narrow_what_a_policy_and_a_binding_are_about(
    world: PolicyWorld, match: Object, is_about: bool, side: str
) -> None:
    if side == "policy":
        world.say("false", match=match)
    else:
        world.say("false", binding={"matchResources": match})
    assert bool(world.refusal(web(labels={"tier": "front"}))) is is_about


def test_an_update_is_selected_by_labels_before_or_after(world: PolicyWorld) -> None:
    world.create(web(labels={"tier": "front"}))
    world.say("false", match={"objectSelector": {"matchLabels": {"tier": "front"}}})
    with pytest.raises(ApiError, match="denied request"):
        world.patch("Deployment", "web", {"metadata": {"labels": {"tier": None}}})


def test_a_namespace_is_selected_by_its_own_labels(world: PolicyWorld) -> None:
    match = {
        "namespaceSelector": {"matchLabels": {"stage": "production"}},
        "resourceRules": [rule(apiGroups=[""], resources=["namespaces"], operations=["*"])],
    }
    world.say("false", match=match)
    world.create(named("v1", "Namespace", "test"))
    stage = {"labels": {"stage": "production"}}
    body = named("v1", "Namespace", "shop")
    assert "denied request" in world.refusal({**body, "metadata": {**body["metadata"], **stage}})


def test_a_scale_is_a_resource_of_its_own(world: PolicyWorld) -> None:
    world.say(FEW)
    world.create(web(1))
    world.patch("Deployment", "web", {"spec": {"replicas": 9}}, subresource="scale")
    world.patch("Deployment", "web", {"spec": {"replicas": 1}}, subresource="scale")
    of_scale = {"resourceRules": [rule(resources=["deployments/scale"])]}
    kind = "request.kind.kind == 'Scale' && request.subResource == 'scale'"
    world.create(policy(f"{kind} && {FEW}", name="scales", match=of_scale))
    world.create(bound("scales", "scales"))
    with pytest.raises(ApiError, match="'scales' with binding 'scales' denied"):
        world.patch("Deployment", "web", {"spec": {"replicas": 9}}, subresource="scale")
    world.patch("Deployment", "web", {"spec": {"replicas": 5}}, subresource="scale")


def test_a_status_does_not_concern_who_asks_for_the_object(world: PolicyWorld) -> None:
    world.create(web())
    world.say("false")
    world.patch("Deployment", "web", {"status": {"replicas": 1}}, subresource="status")


def test_a_deletion_can_be_refused(world: PolicyWorld) -> None:
    world.create(web())
    expression = "object == null && oldObject.metadata.name != 'web'"
    world.say(expression, match={"resourceRules": [rule(operations=["DELETE"])]})
    with pytest.raises(ApiError, match="denied request"):
        world.delete("Deployment", "web")
    assert world.has("Deployment", "web")


def test_an_eviction_can_be_refused(world: PolicyWorld) -> None:
    spec = {"containers": [{"name": "web", "image": "shop:1"}]}
    world.create(named("v1", "Pod", "web", spec=spec))
    evictions = rule(apiGroups=[""], resources=["pods/eviction"], operations=["CREATE"])
    world.say("object.kind != 'Eviction'", match={"resourceRules": [evictions]})
    body = named("policy/v1", "Eviction", "web")
    with pytest.raises(ApiError, match="denied request"):
        world.api.create(
            world.resource("Pod"), body, namespace="default", name="web", subresource="eviction"
        )
    assert world.has("Pod", "web")


@pytest.mark.parametrize(
    "expression",
    [
        "oldObject == null",
        "request.operation == 'CREATE' && request.dryRun == false",
        "request.name == 'web' && request.namespace == 'default'",
        "request.userInfo.username == 'ada' && 'teachers' in request.userInfo.groups",
        "request.resource.resource == 'deployments' && request.kind.kind == 'Deployment'",
        "request.options.fieldManager == 'git'",
        "namespaceObject.metadata.name == 'default'",
        "object.metadata.namespace == 'default'",
        "object.spec.template.spec.containers.all(c, c.imagePullPolicy == 'IfNotPresent')",
    ],
)
def test_an_expression_sees_the_request(world: PolicyWorld, expression: str) -> None:
    world.say(expression)
    ada = {"user": "ada", "groups": ("teachers",), "field_manager": "git"}
    assert world.refusal(web(), **ada) == ""


def test_an_update_is_compared_with_what_was_there(world: PolicyWorld) -> None:
    world.say("oldObject == null || object.spec.replicas >= oldObject.spec.replicas")
    world.create(web(3))
    with pytest.raises(ApiError, match="denied request"):
        world.patch("Deployment", "web", {"spec": {"replicas": 2}})
    world.patch("Deployment", "web", {"spec": {"replicas": 4}})


def test_variables_are_made_of_those_before_them(world: PolicyWorld) -> None:
    variables = [
        {"name": "images", "expression": "object.spec.template.spec.containers.map(c, c.image)"},
        {"name": "tags", "expression": "variables.images.map(i, i.split(':')[1])"},
    ]
    world.say("variables.tags.all(t, t != 'latest')", variables=variables)
    assert world.refusal(deployment("web", image="shop:1")) == ""
    other = deployment("other", image="shop:latest")
    assert "denied request: failed expression: variables.tags" in world.refusal(other)


def test_a_variable_counts_only_where_it_is_come_upon(world: PolicyWorld) -> None:
    variables = [{"name": "team", "expression": "object.metadata.labels.team"}]
    world.say("object.spec.replicas == 1 || variables.team == 'shop'", variables=variables)
    assert world.refusal(web(1, name="lonely")) == ""
    assert world.refusal(web(2)) == (
        f"{START}expression 'object.spec.replicas == 1 || variables.team == 'shop'' resulted in "
        'error: composited variable "team" fails to evaluate: no such key: labels'
    )


def test_without_an_answer_the_failure_policy_decides(world: PolicyWorld) -> None:
    world.say("object.spec.nothing == 1")
    assert world.refusal(web()) == (
        f"{START}expression 'object.spec.nothing == 1' resulted in error: no such key: nothing"
    )
    world.patch(KIND, "few", {"spec": {"failurePolicy": "Ignore"}})
    assert world.refusal(web()) == ""


def test_match_conditions_spare_a_request(world: PolicyWorld) -> None:
    condition = {"name": "no-agents", "expression": "!request.userInfo.username.startsWith('sys')"}
    world.say("false", matchConditions=[condition])
    assert world.refusal(web(), user="system:agent") == ""
    assert "denied request" in world.refusal(web(name="other"), user="ada")


def test_a_match_condition_without_an_answer_counts_less_than_one_that_does_not_hold(
    world: PolicyWorld,
) -> None:
    broken = {"name": "broken", "expression": "object.nothing == 1"}
    world.say("false", matchConditions=[broken])
    assert world.refusal(web()).endswith("error: no such key: nothing")
    never = {"name": "never", "expression": "false"}
    world.patch(KIND, "few", {"spec": {"matchConditions": [broken, never]}})
    assert world.refusal(web()) == ""


def test_a_warning_does_not_refuse(world: PolicyWorld) -> None:
    world.say(FEW, binding={"validationActions": ["Warn", "Audit"]})
    assert world.refusal(web(6)) == ""
    assert world.told == [
        "Validation failed for ValidatingAdmissionPolicy 'few' with binding 'here': "
        f"failed expression: {FEW}"
    ]


def test_warnings_are_heard_though_another_policy_refuses(world: PolicyWorld) -> None:
    world.say(FEW)
    world.create(policy("false", name="zeal"))
    world.create(bound("zeal", "zeal", validationActions=["Warn"]))
    assert world.refusal(web(6)) == FAILED
    assert len(world.told) == 1


def test_policies_are_not_asked_about_policies(world: PolicyWorld) -> None:
    world.say("false", match={"resourceRules": [rule(apiGroups=["*"], resources=["*"])]})
    world.delete(KIND, "few")


# Parameters

LIMITED = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
LIMIT = "object.spec.replicas <= int(params.data.most)"


def limits(name: str, most: int, **labels: str) -> Object:
    body = named("v1", "ConfigMap", name, data={"most": str(most)})
    return {**body, "metadata": {**body["metadata"], "labels": labels}}


def reference(**more: Any) -> Object:
    return {"paramRef": {"parameterNotFoundAction": "Deny", **more}}


def test_a_policy_takes_parameters(world: PolicyWorld) -> None:
    world.say(LIMIT, binding=reference(name="limits"), **LIMITED)
    world.create(limits("limits", 3))
    assert world.refusal(web(4)) == f"{START}failed expression: {LIMIT}"
    world.patch("ConfigMap", "limits", {"data": {"most": "4"}})
    assert world.refusal(web(4)) == ""


def test_each_parameter_that_is_selected_must_agree(world: PolicyWorld) -> None:
    world.say(LIMIT, binding=reference(selector={"matchLabels": {"for": "web"}}), **LIMITED)
    world.create(limits("loose", 9, **{"for": "web"}))
    world.create(limits("other", 1))
    assert world.refusal(web(4, name="one")) == ""
    world.create(limits("tight", 3, **{"for": "web"}))
    assert "denied request" in world.refusal(web(4))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {},
            "failed to configure binding: no params found for policy binding with `Deny` "
            "parameterNotFoundAction",
        ),
        ({"parameterNotFoundAction": "Allow"}, ""),
        ({"namespace": "kube-system"}, "failed to configure binding: no params found"),
    ],
)
def test_a_parameter_may_be_missing(world: PolicyWorld, more: Object, said: str) -> None:
    world.say(LIMIT, binding=reference(name="limits", **more), **LIMITED)
    assert said in world.refusal(web(4))
    assert world.has("Deployment", "web") is (not said)


def test_a_kind_of_parameters_must_be_known(world: PolicyWorld) -> None:
    world.say(LIMIT, paramKind={"apiVersion": "example.com/v1", "kind": "Limit"})
    assert world.refusal(web(4)) == (
        "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'few' denied request: "
        "failed to configure policy: failed to find resource referenced by paramKind: "
        "'example.com/v1, Kind=Limit'"
    )


# Equivalents


@pytest.mark.parametrize(("match_policy", "is_about"), [("Equivalent", True), ("Exact", False)])
def test_another_version_of_a_resource_is_meant_too(
    world: PolicyWorld, match_policy: str, is_about: bool
) -> None:
    meant = rule(apiGroups=["autoscaling"], resources=["horizontalpodautoscalers"])
    match = {"matchPolicy": match_policy, "resourceRules": [meant]}
    world.say("object.spec.targetCPUUtilizationPercentage <= 50", match=match)
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    target = {"type": "Utilization", "averageUtilization": 80}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    spec = {"scaleTargetRef": reference, "maxReplicas": 3, "metrics": [metric]}
    body = named("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec)
    assert bool(world.refusal(body)) is is_about


# What a policy must be


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (policy("object.x <="), 'expression: Invalid value: "object.x <=": compilation failed: E'),
        (policy("1"), 'Invalid value: "1": must evaluate to bool but got int'),
        (policy("params.x == 1"), "<input>:1:1: undeclared reference to 'params'"),
        (policy("authorizer.x == 1"), "undeclared reference to 'authorizer'"),
        (policy("request.verb == 'x'"), "undefined field 'verb'"),
        (policy("request.namespace == 'x' && variables.a"), "undeclared reference to 'variables'"),
        (policy(" "), "spec.validations[0].expression: Required value: expression is not spec"),
        (policy(), "spec.validations: Required value: validations or auditAnnotations must con"),
        (policy("true", failurePolicy="Maybe"), 'spec.failurePolicy: Unsupported value: "Maybe"'),
        (policy("true", match={"resourceRules": []}), "matchConstraints.resourceRules: Required"),
        (
            policy("true", match={"resourceRules": [rule(operations=["GET"])]}),
            'resourceRules[0].operations[0]: Unsupported value: "GET"',
        ),
        (
            policy("true", match={"resourceRules": [rule(apiGroups=["*", "apps"])]}),
            "if '*' is present, must not specify other API groups",
        ),
        (policy("true", match={"matchPolicy": "Like"}), 'matchPolicy: Unsupported value: "Like"'),
        (
            policy("variables.b", variables=[{"name": "a", "expression": "true"}]),
            "<input>:1:10: undefined field 'b'",
        ),
        (
            policy("true", variables=[{"name": "a", "expression": "variables.a"}]),
            "spec.variables[0].expression: Invalid value",
        ),
        (
            policy("true", variables=[{"name": "a-b", "expression": "1"}]),
            "must be a valid CEL identifier",
        ),
        (
            policy("true", matchConditions=[{"name": "a", "expression": "1"}]),
            "spec.matchConditions[0].expression: Invalid value",
        ),
        (
            policy("true", matchConditions=[{"name": "a", "expression": "true"}] * 2),
            'spec.matchConditions[1].name: Duplicate value: "a"',
        ),
        (
            policy(validations=[{"expression": "true", "messageExpression": "1"}]),
            "spec.validations[0].messageExpression: Invalid value: \"1\": must evaluate to string",
        ),
        (
            policy(validations=[{"expression": "true", "reason": "Because"}]),
            'spec.validations[0].reason: Unsupported value: "Because"',
        ),
        (policy("true", paramKind={"apiVersion": "v1", "kind": ""}), "paramKind.kind: Required"),
        (
            policy(validations=[], auditAnnotations=[{"key": "a", "valueExpression": "1"}]),
            "valueExpression: Invalid value: \"1\": must evaluate to one of [string null]",
        ),
        (bound(policyName=""), "spec.policyName: Required value"),
        (bound(validationActions=["Deny", "Warn"]), "must not contain both Deny and Warn"),
        (bound(validationActions=[]), "at least one validation action is required"),
        (bound(validationActions=["Shout"]), 'validationActions[0]: Unsupported value: "Shout"'),
        (bound(**reference()), "spec.paramRef: Required value: one of name or selector must be"),
        (bound(**reference(name="a", selector={})), "name and selector are mutually exclusive"),
    ],
)  # fmt: skip
def test_a_policy_or_a_binding_that_makes_no_sense_is_refused(
    world: PolicyWorld, body: Object, said: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        world.create(body)
    assert refusal.value.code == 422
    assert said in refusal.value.message


# Laws


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 8), st.integers(0, 8))
def test_what_one_policy_refuses_is_refused_with_others_beside_it(few: int, many: int) -> None:
    """Policies only ever take away: with two of them, what both allow is allowed."""
    world = PolicyWorld()
    for name, most in (("few", few), ("many", many)):
        world.create(policy(f"object.spec.replicas <= {most}", name=name))
        world.create(bound(name, name))
    for replicas in range(9):
        body = web(replicas, name=f"web-{replicas}")
        assert (world.refusal(body) == "") is (replicas <= min(few, many))
