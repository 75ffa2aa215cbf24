from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.auth.escalation import EscalationCheck
from kubesim.auth.rules import EVERYTHING
from kubesim.auth.users import User
from tests.kubesim.auth.world import GROUP, JANE, World, binding, plain, role, rule

ROOT = User("root", ("system:authenticated",))


class Cluster(World):
    """An API server that guards against escalation. Jane may write roles, and get pods."""

    def __init__(self) -> None:
        super().__init__()
        self.api.guards.append(EscalationCheck(self.authorizer))
        self.grant(
            rule("create update", "roles rolebindings", GROUP), rule("get", "pods"), name="jane"
        )
        self.grant(*EVERYTHING, to=ROOT, name="root", namespace="")

    def refusal(self, body: Object, user: User = JANE) -> str:
        """Why a user cannot create an object; empty if they can."""
        return self._tried(self.create, body, user)

    def update_refusal(self, body: Object, user: User = JANE) -> str:
        return self._tried(self.update, body, user)

    def _tried(self, verb: Any, body: Object, user: User) -> str:
        try:
            verb(body, user=user.name, groups=user.groups)
        except ApiError as error:
            assert error.code == 403, error
            return error.message
        return ""


def someone(name: str = "joe") -> Object:
    return {"kind": "User", "name": name}


def test_what_one_has_oneself_one_may_grant() -> None:
    world = Cluster()
    assert not world.refusal(role("reader", rule("get", "pods")))
    assert not world.refusal(binding("reader", someone()))


def test_a_role_with_more_than_one_has_is_refused_in_the_real_words() -> None:
    found = Cluster().refusal(role("more", rule("list get", "pods secrets"), rule("get", "nodes")))
    assert found == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" '
        '(groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not '
        "currently held:\n"
        '{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}\n'
        '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["list" "get"]}'
    )


def test_a_binding_to_a_role_with_more_is_refused() -> None:
    world = Cluster()
    world.create(role("keeper", rule("get", "secrets")))
    assert "not currently held" in world.refusal(binding("keeper", someone()))
    assert "not currently held" in world.refusal(binding("root", someone(), to="ClusterRole"))


def test_a_binding_cannot_be_widened_to_others_either() -> None:
    world = Cluster()
    world.create(role("keeper", rule("get", "secrets")))
    world.create(binding("keeper", someone()))
    more = binding("keeper", someone(), someone("jane"))
    assert "not currently held" in world.update_refusal(more)


def test_a_role_cannot_be_widened_by_a_patch_or_an_update() -> None:
    world = Cluster()
    world.create(role("reader", rule("get", "pods")))
    assert "not currently held" in world.update_refusal(role("reader", rule("*", "pods")))
    assert not world.update_refusal(role("reader", rule("get", "pods", names=["one"])))


def test_rights_in_one_namespace_are_none_in_the_whole_cluster() -> None:
    world = Cluster()
    world.grant(rule("create", "clusterroles", GROUP), name="clusterwide", namespace="")
    assert not world.refusal(role("mine", rule("get", "pods")))
    found = world.refusal(role("mine", rule("get", "pods"), kind="ClusterRole"))
    assert "not currently held" in found


@pytest.mark.parametrize("verb", ["escalate", "*"])
def test_the_right_to_escalate_exempts(verb: str) -> None:
    world = Cluster()
    world.grant(rule(verb, "clusterroles", GROUP), name="escalate", namespace="")
    assert not world.refusal(role("any", rule("*", "*", group="*"), kind="ClusterRole"))


def test_the_right_to_bind_a_role_is_enough_without_its_rights() -> None:
    world = Cluster()
    world.grant(rule("bind", "clusterroles", GROUP, names=["root"]), name="bind")
    world.create(role("other", rule("get", "secrets"), kind="ClusterRole"))
    assert not world.refusal(binding("root", someone(), to="ClusterRole"))
    assert "not currently held" in world.refusal(binding("other", someone(), to="ClusterRole"))


def test_only_an_administrator_gathers_rules() -> None:
    world = Cluster()
    world.grant(rule("create update", "clusterroles", GROUP), name="author", namespace="")
    gathering = role("sum", kind="ClusterRole")
    gathering["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    assert world.refusal(gathering) == (
        'clusterroles.rbac.authorization.k8s.io "sum" is forbidden: must have cluster-admin '
        "privileges to use the aggregationRule"
    )
    assert not world.refusal(gathering, ROOT)
    assert "aggregationRule" in world.update_refusal(role("sum", kind="ClusterRole"))


def test_a_binding_to_nothing_is_refused_without_the_right_to_bind_everything() -> None:
    world = Cluster()
    with pytest.raises(ApiError) as error:
        world.create(binding("ghost", someone()), user="joe", groups=())
    assert error.value.message == 'roles.rbac.authorization.k8s.io "ghost" not found'
    assert not world.refusal(binding("ghost", someone()), ROOT)


def test_what_lets_an_object_go_may_be_changed_by_anybody_who_may_write_it() -> None:
    world = Cluster()
    kept = role("keeper", rule("get", "secrets"), finalizers=["example.com/kept"])
    world.create(kept)
    assert not world.update_refusal(role("keeper", rule("get", "secrets")))
    labelled = role("keeper", rule("get", "secrets"), labels={"a": "b"})
    assert "not currently held" in world.update_refusal(labelled)


def test_a_refusal_tells_of_bindings_that_lead_nowhere() -> None:
    world = Cluster()
    world.create(binding("ghost", someone("jane")))
    found = world.refusal(role("more", rule("get", "secrets")))
    ghost = 'roles.rbac.authorization.k8s.io "ghost" not found'
    assert found.endswith(f"; resolution errors: [{ghost}]")


def test_other_objects_are_nobodys_concern() -> None:
    assert not Cluster().refusal(plain("ConfigMap", "settings"))


def test_an_unfinished_role_is_refused_for_what_it_lacks() -> None:
    world = Cluster()
    broken = role("broken", {"apiGroups": [""], "resources": ["pods"]})
    with pytest.raises(ApiError) as error:
        world.create(broken, user="jane", groups=JANE.groups)
    assert error.value.causes[0]["field"] == "rules[0].verbs"
