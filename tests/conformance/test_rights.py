"""Who may do what, and the words in which the others are refused.

These tests ask as other users, by impersonation; the administrator must be allowed that.
"""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conformance.requests import Rest, names, refused

GROUP = "rbac.authorization.k8s.io"
RBAC = f"{GROUP}/v1"
READ = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}

pytestmark = pytest.mark.users


@pytest.fixture
def jane(subject: Subject) -> Rest:
    """A user without any right, of this test only."""
    assert isinstance(subject.requests, Rest)
    return subject.requests.as_user(f"jane-{subject.namespace}")


def grant(subject: Subject, user: Rest, *rules: Object, kind: str = "Role") -> None:
    """Give a user rules, in the namespace of the test."""
    everywhere, name = kind == "ClusterRole", f"granted-{subject.namespace}"
    place = f"{RBAC}/{kind.lower()}s"
    subject.requests.create(place, {**named(RBAC, kind, name), "rules": list(rules)})
    subject.requests.create(f"{RBAC}/rolebindings", bound(user, name, kind))
    if everywhere:
        subject.until(lambda: names(subject.requests.list(place)), "the role")


def bound(user: Rest, role: str, kind: str = "Role") -> Object:
    subject = {"kind": "User", "name": user.headers["Impersonate-User"], "apiGroup": GROUP}
    return {
        **named(RBAC, "RoleBinding", role),
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        "subjects": [subject],
    }


def test_what_nobody_granted_is_forbidden(subject: Subject, jane: Rest) -> None:
    who, where = jane.headers["Impersonate-User"], subject.namespace
    with refused(
        403,
        "Forbidden",
        f'configmaps is forbidden: User "{who}" cannot list resource "configmaps" in API group "" '
        f'in the namespace "{where}"',
    ):
        jane.list("configmaps")


def test_the_object_is_named_where_it_is_known(subject: Subject, jane: Rest) -> None:
    who, where = jane.headers["Impersonate-User"], subject.namespace
    with refused(
        403,
        "Forbidden",
        f'deployments.apps "web" is forbidden: User "{who}" cannot get resource "deployments" in '
        f'API group "apps" in the namespace "{where}"',
    ):
        jane.read("apps/v1/deployments", "web")


def test_what_lives_in_no_namespace_is_refused_at_the_cluster_scope(jane: Rest) -> None:
    with refused(403, "Forbidden", 'cannot list resource "nodes" in API group "" at the cluster'):
        jane.list("nodes")


def test_subresources_are_rights_of_their_own(subject: Subject, jane: Rest) -> None:
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}
    grant(subject, jane, rule)
    with refused(403, "Forbidden", 'cannot patch resource "deployments/scale"'):
        jane.patch("apps/v1/deployments", "web", {"spec": {"replicas": 1}}, sub="scale")


def test_a_role_allows_what_it_says_and_no_more(subject: Subject, jane: Rest) -> None:
    grant(subject, jane, READ)
    subject.until(lambda: not forbidden(jane), "the role counts")
    with refused(403, "Forbidden", 'cannot delete resource "configmaps"'):
        jane.delete("configmaps", "book")
    with refused(403, "Forbidden", 'cannot list resource "secrets"'):
        jane.list("secrets")


def forbidden(user: Rest) -> bool:
    try:
        user.list("configmaps")
    except Exception:
        return True
    return False


def test_a_role_of_the_cluster_that_is_bound_in_a_namespace_counts_there(
    subject: Subject, jane: Rest
) -> None:
    grant(subject, jane, READ, kind="ClusterRole")
    subject.until(lambda: not forbidden(jane), "the role counts")
    with refused(403, "Forbidden", 'in the namespace "default"'):
        jane.within("default").list("configmaps")
    subject.requests.delete(f"{RBAC}/clusterroles", f"granted-{subject.namespace}")


def test_a_role_may_be_for_some_objects_only(subject: Subject, jane: Rest) -> None:
    for name in ("mine", "others"):
        subject.requests.create("configmaps", named("v1", "ConfigMap", name))
    grant(subject, jane, {**READ, "verbs": ["get"], "resourceNames": ["mine"]})
    subject.until(lambda: allowed(jane, "get", name="mine"), "the role counts")
    assert jane.read("configmaps", "mine")["metadata"]["name"] == "mine"
    with refused(403, "Forbidden", 'configmaps "others" is forbidden'):
        jane.read("configmaps", "others")


def allowed(user: Rest, verb: str, **more: str) -> bool:
    """Whether a user may do something to ConfigMaps: what `kubectl auth can-i` asks."""
    asked = {"verb": verb, "resource": "configmaps", "namespace": user.namespace, **more}
    review: Any = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = user.create("authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def test_everybody_may_ask_what_they_may(subject: Subject, jane: Rest) -> None:
    assert not allowed(jane, "list")
    grant(subject, jane, READ)
    subject.until(lambda: allowed(jane, "list"), "the role counts")
    assert not allowed(jane, "delete")


def test_everybody_may_ask_who_they_are(jane: Rest) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    user = jane.create("authentication.k8s.io/v1/selfsubjectreviews", body)["status"]["userInfo"]
    assert user["username"] == jane.headers["Impersonate-User"]
    assert user["groups"] == ["system:authenticated"]


def test_an_administrator_may_ask_for_others(subject: Subject) -> None:
    body: Any = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "jane",
            "groups": ["system:masters"],
            "resourceAttributes": {"verb": "delete", "resource": "nodes"},
        },
    }
    place = "authorization.k8s.io/v1/subjectaccessreviews"
    assert subject.requests.create(place, body)["status"]["allowed"] is True
    body["spec"]["groups"] = ["dev"]
    assert subject.requests.create(place, body)["status"]["allowed"] is False


def test_nobody_grants_what_they_have_not(subject: Subject, jane: Rest) -> None:
    write = {"apiGroups": [GROUP], "resources": ["roles"], "verbs": ["create"]}
    grant(subject, jane, write, READ)
    subject.until(lambda: not forbidden(jane), "the role counts")
    own = {**named(RBAC, "Role", "own"), "rules": [READ]}
    assert jane.create(f"{RBAC}/roles", own)["rules"] == [READ]
    more = {**named(RBAC, "Role", "more"), "rules": [{**READ, "verbs": ["delete"]}]}
    with refused(403, "Forbidden", "is attempting to grant RBAC permissions not currently held"):
        jane.create(f"{RBAC}/roles", more)


def test_nobody_binds_what_they_have_not(subject: Subject, jane: Rest) -> None:
    write = {"apiGroups": [GROUP], "resources": ["rolebindings"], "verbs": ["create"]}
    grant(subject, jane, write, READ)
    subject.until(lambda: not forbidden(jane), "the role counts")
    with refused(403, "Forbidden", "is attempting to grant RBAC permissions not currently held"):
        jane.create(f"{RBAC}/rolebindings", bound(jane, "cluster-admin", "ClusterRole"))


def test_an_account_is_in_the_groups_of_its_namespace(subject: Subject) -> None:
    requests = subject.requests
    assert isinstance(requests, Rest)
    name = f"system:serviceaccount:{subject.namespace}:default"
    account = requests.as_user(name)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    user = account.create("authentication.k8s.io/v1/selfsubjectreviews", body)["status"]["userInfo"]
    assert {"system:serviceaccounts", f"system:serviceaccounts:{subject.namespace}"} <= set(
        user["groups"]
    )


def test_who_may_view_is_made_of_many_roles(subject: Subject, jane: Rest) -> None:
    subject.requests.create(f"{RBAC}/rolebindings", bound(jane, "view", "ClusterRole"))
    subject.until(lambda: not forbidden(jane), "the role counts")
    with refused(403, "Forbidden", 'cannot list resource "secrets"'):
        jane.list("secrets")
    view = subject.requests.read(f"{RBAC}/clusterroles", "view")
    selectors = view["aggregationRule"]["clusterRoleSelectors"]
    assert {"matchLabels": {f"{GROUP}/aggregate-to-view": "true"}} in selectors


def test_a_role_for_viewers_is_added_to_what_they_may(subject: Subject, jane: Rest) -> None:
    name = f"more-{subject.namespace}"
    more = named(RBAC, "ClusterRole", name)
    more["metadata"]["labels"] = {f"{GROUP}/aggregate-to-view": "true"}
    rule = {"apiGroups": ["example.com"], "resources": [name], "verbs": ["get"]}
    subject.requests.create(f"{RBAC}/clusterroles", {**more, "rules": [rule]})

    def known() -> bool:
        return rule in subject.requests.read(f"{RBAC}/clusterroles", "view")["rules"]

    subject.until(known, "viewers may do more")
    subject.requests.delete(f"{RBAC}/clusterroles", name)
    subject.until(lambda: not known(), "viewers may do it no more")


def test_a_kind_that_does_not_exist_is_forbidden_rather_than_unknown(jane: Rest) -> None:
    with refused(403, "Forbidden", 'cannot list resource "sandwiches" in API group "example.com"'):
        jane.list("example.com/v1/sandwiches")
