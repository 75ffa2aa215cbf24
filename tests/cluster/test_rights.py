from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.cluster.rights import APPLIED, MEMORY, deployer_rights
from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.deployers.workload import NAMESPACE
from gitops_lab.errors import ApiError
from kubesim.auth.escalation import EscalationCheck
from kubesim.auth.users import AUTHENTICATED, User, account_groups
from tests.kubesim.auth.world import World, plain, role, rule

CI = User(PushDeployer.credentials.user, (AUTHENTICATED,))
AGENT = User(PullDeployer.credentials.user, account_groups(NAMESPACE))


class Cluster(World):
    """A cluster in which a pipeline and an agent have been given their rights."""

    def __init__(self, **more: Any) -> None:
        super().__init__()
        self.create(plain("Namespace", NAMESPACE))
        granted = (
            *deployer_rights(CI.name, name="push", prunes=False, **more),
            *deployer_rights(AGENT.name, name="pull", memory=NAMESPACE, **more),
        )
        for obj in granted:
            resource = self.resource(obj["kind"])
            self.api.create(resource, obj)


@pytest.mark.parametrize("user", [CI, AGENT])
@pytest.mark.parametrize("group", APPLIED)
def test_a_deployer_plans_and_applies_applications(user: User, group: str) -> None:
    world = Cluster()
    for plural in APPLIED[group].split():
        for verb in ("get", "create", "patch"):
            assert world.may(verb, f"{plural}.{group}", user=user), plural
            assert not world.may(verb, f"{plural}.{group}", user=user, namespace="kube-system")


def test_every_resource_that_is_granted_exists() -> None:
    known = {(each.group, each.plural) for each in World().api.registry.all()}
    granted = {(group, plural) for group, plurals in APPLIED.items() for plural in plurals.split()}
    assert granted <= known


def test_only_who_prunes_may_delete() -> None:
    world = Cluster()
    assert world.may("delete", "deployments.apps", user=AGENT)
    assert not world.may("delete", "deployments.apps", user=CI)


@pytest.mark.parametrize("user", [CI, AGENT])
@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("list", "pods"),
        ("create", "pods/exec"),
        ("list", "secrets"),
        ("deletecollection", "configmaps"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("patch", "namespaces"),
        ("impersonate", "serviceaccounts"),
    ],
)
def test_a_deployer_may_do_nothing_else(user: User, verb: str, resource: str) -> None:
    assert not Cluster().may(verb, resource, user=user)


def test_an_agent_keeps_its_memory_where_it_lives_and_reads_no_others() -> None:
    world = Cluster()
    for each in MEMORY:
        place = {"namespace": NAMESPACE, "name": f"pull-{each}"}
        assert world.may("get", "configmaps", user=AGENT, **place)
        assert world.may("patch", "configmaps", user=AGENT, **place)
        assert not world.may("get", "configmaps", user=CI, **place)
    assert world.may("create", "configmaps", user=AGENT, namespace=NAMESPACE)
    assert not world.may("get", "configmaps", user=AGENT, namespace=NAMESPACE, name="other")
    assert not world.may("get", "secrets", user=AGENT, namespace=NAMESPACE)


def test_namespaces_are_written_by_leave_only() -> None:
    world = Cluster(creates_namespaces=True)
    assert world.may("create", "namespaces", user=AGENT, namespace="")
    assert world.may("patch", "namespaces", user=CI, namespace="shop", name="shop")


def test_a_deployer_deploys_to_all_its_namespaces() -> None:
    world = World()
    world.create(plain("Namespace", "shop"))
    for obj in deployer_rights("ci", name="push", namespaces=("default", "shop")):
        world.api.create(world.resource(obj["kind"]), obj)
    assert world.may("patch", "services", user=CI, namespace="shop")
    assert world.may("patch", "services", user=CI)


def test_a_deployer_deploys_everywhere_if_git_decides_where() -> None:
    world = World()
    for obj in deployer_rights("ci", name="push", namespaces=None, creates_namespaces=True):
        world.api.create(world.resource(obj["kind"]), obj)
    assert world.may("patch", "services", user=CI, namespace="of-tomorrow")
    assert world.may("create", "namespaces", user=CI, namespace="")
    assert not world.may("create", "roles.rbac.authorization.k8s.io", user=CI)


def test_a_deployer_cannot_give_itself_more() -> None:
    world = Cluster()
    world.api.guards.append(EscalationCheck(world.authorizer))
    with pytest.raises(ApiError, match="not currently held"):
        world.create(role("more", rule("*", "*", "*")), user=AGENT.name, groups=AGENT.groups)
