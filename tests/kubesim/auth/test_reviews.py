from __future__ import annotations

from random import Random
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.auth.certificates import Authority
from kubesim.auth.reviews import KINDS, review
from kubesim.auth.tokens import ISSUER, Tokens
from kubesim.auth.users import ADMIN, User
from tests.kubesim.auth.world import JANE, World, binding, plain, refused, rule

AUTHORITY = Authority.create()
PODS = {"verb": "get", "resource": "pods", "namespace": "default"}


class Cluster(World):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = Tokens(AUTHORITY.token_key, self.api.store, rng=Random(1))

    def ask(self, kind: str, by: User = JANE, within: str = "", **spec: Any) -> Object:
        """The status of the answer."""
        status: Object = self.answer(kind, {"spec": spec}, by, within)["status"]
        return status

    def answer(self, kind: str, body: Any, user: User = JANE, namespace: str = "") -> Object:
        return review(
            kind,
            body,
            user,
            authorizer=self.authorizer,
            tokens=self.tokens,
            now=self.now,
            namespace=namespace,
        )


def test_one_may_ask_what_one_may() -> None:
    world = Cluster()
    world.grant(rule("get", "pods"))
    assert world.ask("SelfSubjectAccessReview", resourceAttributes=PODS) == {
        "allowed": True,
        "reason": 'RBAC: allowed by RoleBinding "some/default" of Role "some" to User "jane"',
    }
    other = {**PODS, "resource": "secrets"}
    assert world.ask("SelfSubjectAccessReview", resourceAttributes=other) == {"allowed": False}


def test_an_answer_repeats_the_question() -> None:
    found = Cluster().answer("SelfSubjectAccessReview", {"spec": {"resourceAttributes": PODS}})
    assert found == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": PODS},
        "status": {"allowed": False},
    }


def test_one_may_ask_for_paths_and_subresources() -> None:
    world = Cluster()
    world.grant({"nonResourceURLs": ["/metrics"], "verbs": ["get"]}, namespace="", name="a")
    world.grant(rule("get", "pods/log", names=["web"]), name="b")
    path = {"path": "/metrics", "verb": "get"}
    assert world.ask("SelfSubjectAccessReview", nonResourceAttributes=path)["allowed"]
    log = {**PODS, "subresource": "log", "name": "web"}
    assert world.ask("SelfSubjectAccessReview", resourceAttributes=log)["allowed"]
    assert not world.ask("SelfSubjectAccessReview", resourceAttributes=PODS)["allowed"]


def test_the_administrator_may_ask_what_others_may() -> None:
    world = Cluster()
    world.grant(rule("get", "pods"))
    for user, allowed in (("jane", True), ("joe", False)):
        status = world.ask("SubjectAccessReview", ADMIN, user=user, resourceAttributes=PODS)
        assert status["allowed"] is allowed


def test_a_question_in_a_namespace_stays_in_it() -> None:
    world = Cluster()
    world.grant(rule("get", "pods"))
    asked = {"user": "jane", "resourceAttributes": PODS}
    found = world.ask("LocalSubjectAccessReview", ADMIN, "default", **asked)
    assert found["allowed"]
    with pytest.raises(ApiError, match=r"must match metadata\.namespace"):
        world.ask("LocalSubjectAccessReview", ADMIN, "shop", **asked)


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("SelfSubjectAccessReview", {}, "spec.resourceAttributes"),
        (
            "SelfSubjectAccessReview",
            {"resourceAttributes": PODS, "nonResourceAttributes": {"path": "/", "verb": "get"}},
            "spec.nonResourceAttributes",
        ),
        ("SubjectAccessReview", {"resourceAttributes": PODS}, "spec.user"),
    ],
)
def test_a_review_names_one_user_and_one_question(kind: str, spec: Object, field: str) -> None:
    with pytest.raises(ApiError) as error:
        Cluster().ask(kind, **spec)
    assert (error.value.code, error.value.causes[0]["field"]) == (422, field)


def test_a_review_is_no_object_with_a_name() -> None:
    body = {"metadata": {"name": "mine"}, "spec": {"resourceAttributes": PODS}}
    with pytest.raises(ApiError) as error:
        Cluster().answer("SelfSubjectAccessReview", body)
    assert error.value.causes[0]["field"] == "metadata"


def test_a_question_in_a_namespace_may_name_it_and_asks_for_no_path() -> None:
    world = Cluster()
    spec = {"user": "jane", "resourceAttributes": PODS}
    body = {"metadata": {"namespace": "default"}, "spec": spec}
    answer = world.answer("LocalSubjectAccessReview", body, ADMIN, "default")
    assert answer["status"] == {"allowed": False}
    with pytest.raises(ApiError) as error:
        world.answer("LocalSubjectAccessReview", body, ADMIN, "shop")
    assert error.value.code == 400
    path = {"path": "/", "verb": "get"}
    with pytest.raises(ApiError, match="disallowed on this kind of request"):
        world.ask(
            "LocalSubjectAccessReview", ADMIN, "default", user="x", nonResourceAttributes=path
        )


def test_ones_rules_are_told_apart_by_what_they_are_for() -> None:
    world = Cluster()
    world.grant(rule("get", "pods", names=["web"]))
    world.grant({"nonResourceURLs": ["/x"], "verbs": ["get"]}, namespace="", name="paths")
    assert world.ask("SelfSubjectRulesReview", namespace="default") == {
        "resourceRules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"]}
        ],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
        "incomplete": False,
    }


def test_ones_rules_are_incomplete_while_a_role_is_missing() -> None:
    world = Cluster()
    world.create(binding("ghost", {"kind": "User", "name": "jane"}))
    status = world.ask("SelfSubjectRulesReview", namespace="default")
    assert status["incomplete"]
    assert status["evaluationError"] == 'roles.rbac.authorization.k8s.io "ghost" not found'


def test_rules_are_asked_for_in_a_namespace() -> None:
    with pytest.raises(ApiError) as error:
        Cluster().ask("SelfSubjectRulesReview")
    assert refused(error) == (400, "BadRequest", "no namespace on request")


def test_one_may_ask_who_one_is() -> None:
    found = Cluster().answer("SelfSubjectReview", {})
    assert found["status"] == {
        "userInfo": {"username": "jane", "groups": ["dev", "system:authenticated"]}
    }
    assert found["metadata"] == {"creationTimestamp": "2026-01-05T09:00:00Z"}


def test_a_token_is_reviewed() -> None:
    world = Cluster()
    account = world.create(plain("ServiceAccount", "agent"))
    token = world.tokens.issue("default", "agent", now=world.now)
    status = world.ask("TokenReview", ADMIN, token=token)
    assert status["authenticated"] is True
    assert status["user"]["username"] == "system:serviceaccount:default:agent"
    assert status["user"]["uid"] == account["metadata"]["uid"]
    assert status["audiences"] == [ISSUER]
    assert not world.ask("TokenReview", ADMIN, token=token, audiences=["x"]).get("authenticated")
    world.now += 3600
    assert world.ask("TokenReview", ADMIN, token=token) == {
        "user": {},
        "error": "service account token has expired",
    }


def test_a_token_review_needs_a_token() -> None:
    with pytest.raises(ApiError) as error:
        Cluster().ask("TokenReview", ADMIN)
    assert refused(error) == (
        400,
        "BadRequest",
        "token is required for TokenReview in authentication.k8s.io",
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {"spec": []},
        {"spec": {"resourceAttributes": "pods"}},
        {"spec": {"nonResourceAttributes": 1}},
        {"spec": {"user": 1, "token": 1, "namespace": {}}},
        {"spec": {"groups": [1], "extra": {"a": "b"}, "audiences": "x"}},
        {"metadata": "x"},
        {"kind": "Pod", "apiVersion": "v1"},
    ],
)
def test_a_question_that_cannot_be_read_is_refused_with_a_status(kind: str, body: Any) -> None:
    try:
        Cluster().answer(kind, body)
    except ApiError as error:
        assert error.code in (400, 422)
