from __future__ import annotations

import pytest

from kubesim.auth.authorization import Attributes
from kubesim.auth.users import ADMIN, ANONYMOUS, User, account_groups
from tests.kubesim.auth.world import GROUP, JANE, World, ask, binding, plain, role, rule


def test_nothing_is_allowed_that_no_rule_allows() -> None:
    world = World()
    assert not world.may("get", "pods")
    world.grant(rule("get list", "pods"))
    assert world.may("get", "pods")
    assert not world.may("delete", "pods")
    assert not world.may("get", "secrets")
    assert not world.may("get", "pods.apps")
    assert not world.may("get", "pods", user=User("joe", JANE.groups))


def test_a_role_binding_counts_in_its_own_namespace_only() -> None:
    world = World()
    world.grant(rule("get", "pods"))
    assert not world.may("get", "pods", namespace="kube-system")
    assert not world.may("get", "pods", namespace="")


def test_a_cluster_role_binding_counts_everywhere() -> None:
    world = World()
    world.grant(rule("get", "pods"), namespace="")
    assert world.may("get", "pods", namespace="kube-system")
    assert world.may("get", "pods", namespace="")


def test_a_role_binding_can_give_a_cluster_role_in_one_namespace() -> None:
    world = World()
    world.create(role("reader", rule("get", "pods"), kind="ClusterRole"))
    world.create(binding("reader", {"kind": "Group", "name": "dev"}, to="ClusterRole"))
    assert world.may("get", "pods")
    assert not world.may("get", "pods", namespace="kube-system")


def test_a_service_account_is_meant_by_name_and_namespace() -> None:
    world = World()
    world.create(role("reader", rule("get", "pods")))
    own = {"kind": "ServiceAccount", "name": "agent"}
    world.create(binding("own", own, role="reader"))
    world.create(binding("far", {**own, "namespace": "kube-system"}, role="reader"))
    found = {
        place: world.may("get", "pods", user=User(f"system:serviceaccount:{place}:agent"))
        for place in ("default", "kube-system", "kube-public")
    }
    assert found == {"default": True, "kube-system": True, "kube-public": False}


def test_all_accounts_of_a_namespace_are_a_group() -> None:
    world = World()
    world.create(role("reader", rule("get", "pods")))
    group = {"kind": "Group", "name": "system:serviceaccounts:shop"}
    world.create(binding("reader", group))
    assert world.may("get", "pods", user=User("x", account_groups("shop")))
    assert not world.may("get", "pods", user=User("x", account_groups("default")))


def test_masters_may_do_everything_without_any_role() -> None:
    world = World()
    assert world.may("anything", "things.example.com/at-all", user=ADMIN)
    assert world.may("post", path="/anywhere", user=ADMIN)


@pytest.mark.parametrize(
    ("resources", "asked", "allowed"),
    [
        ("pods", "pods/log", False),
        ("pods/log", "pods/log", True),
        ("pods/log", "pods", False),
        ("*", "pods/log", True),
        ("*/scale", "deployments/scale", True),
        ("*/scale", "deployments", False),
        ("*/scale", "deployments/status", False),
        ("pods/*", "pods/log", False),
    ],
)
def test_a_subresource_is_a_resource_of_its_own(resources: str, asked: str, allowed: bool) -> None:
    world = World()
    world.grant(rule("get", resources))
    assert world.may("get", asked) is allowed


def test_stars_stand_for_every_verb_and_group() -> None:
    world = World()
    world.grant(rule("*", "deployments", group="*"))
    assert world.may("evict", "deployments.apps")
    assert not world.may("evict", "pods")


def test_named_objects_are_allowed_by_name_and_never_listed_or_created() -> None:
    world = World()
    world.grant(rule("get list create", "configmaps", names=["one"]))
    assert world.may("get", "configmaps", name="one")
    assert not world.may("get", "configmaps", name="two")
    assert not world.may("list", "configmaps")
    assert not world.may("create", "configmaps")


def test_a_path_is_allowed_by_a_rule_for_paths() -> None:
    world = World()
    rules = {"nonResourceURLs": ["/healthz", "/apis/*"], "verbs": ["get"]}
    world.grant(rules, namespace="")
    allowed = [p for p in ("/healthz", "/healthz/x", "/apis", "/apis/", "/apis/apps/v1", "/")
               if world.may("get", path=p)]  # fmt: skip
    assert allowed == ["/healthz", "/apis/", "/apis/apps/v1"]
    assert not world.may("post", path="/healthz")


def test_a_change_of_roles_counts_at_once() -> None:
    world = World()
    assert not world.may("get", "pods")
    world.grant(rule("get", "pods"))
    assert world.may("get", "pods")
    world.update(role("some", rule("list", "pods")))
    assert not world.may("get", "pods") and world.may("list", "pods")
    world.delete("RoleBinding", "some")
    assert not world.may("list", "pods")


def test_the_reason_names_binding_role_and_subject() -> None:
    world = World()
    world.grant(rule("get", "pods"))
    world.grant(rule("get", "secrets"), namespace="", name="all")
    found = [world.authorizer.allows(JANE, ask("get", each)).reason for each in ("pods", "secrets")]
    assert found == [
        'RBAC: allowed by RoleBinding "some/default" of Role "some" to User "jane"',
        'RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "all" to User "jane"',
    ]


def test_a_binding_to_a_role_that_is_not_there_is_told() -> None:
    world = World()
    world.create(binding("pod-reader", {"kind": "User", "name": "jane"}))
    error = world.authorizer.forbidden(JANE, ask("list", "pods"))
    assert error.message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the '
        'namespace "default": RBAC: roles.rbac.authorization.k8s.io "pod-reader" not found'
    )
    world.create(role("pod-reader", rule("list", "pods")))
    assert world.may("list", "pods")


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            ask("list", "pods"),
            'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the '
            'namespace "default"',
        ),
        (
            ask("get", "deployments.apps", name="web"),
            'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments" '
            'in API group "apps" in the namespace "default"',
        ),
        (
            ask("get", "pods/log", name="web"),
            'pods "web" is forbidden: User "jane" cannot get resource "pods/log" in API group "" '
            'in the namespace "default"',
        ),
        (
            ask("list", "nodes", namespace=""),
            'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the '
            "cluster scope",
        ),
        (ask("get", path="/metrics"), 'forbidden: User "jane" cannot get path "/metrics"'),
    ],
)
def test_a_refusal_has_the_real_servers_words(asked: Attributes, text: str) -> None:
    error = World().authorizer.forbidden(JANE, asked)
    assert (error.code, error.reason, error.message) == (403, "Forbidden", text)


def test_a_refusal_tells_which_object() -> None:
    error = World().authorizer.forbidden(ANONYMOUS, ask("get", "deployments.apps", name="web"))
    assert error.details == {"name": "web", "group": "apps", "kind": "deployments"}


def test_rules_add_up_over_bindings_and_groups() -> None:
    world = World()
    world.create(plain("Namespace", "shop"))
    world.grant(rule("get", "pods"), namespace="", name="all")
    world.grant(rule("list", "pods"))
    assert world.authorizer.rules_for(JANE, "") == (rule("get", "pods"),)
    assert world.authorizer.rules_for(JANE, "default") == (
        rule("get", "pods"),
        rule("list", "pods"),
    )
    assert world.authorizer.rules_for(JANE, "shop") == (rule("get", "pods"),)


def test_a_role_that_is_bound_can_be_of_no_rules() -> None:
    world = World()
    empty = role("empty")
    del empty["rules"]
    world.create(empty)
    world.create(binding("empty", {"kind": "User", "name": "jane", "apiGroup": GROUP}))
    assert not world.may("get", "pods")
