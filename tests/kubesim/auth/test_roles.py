from __future__ import annotations

import pytest

from gitops_lab.model import Object
from kubesim.auth.roles import bootstrap_rbac
from kubesim.auth.users import ADMIN, ANONYMOUS, AUTHENTICATED, User
from kubesim.controllers.aggregation import ClusterRoleAggregation
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Loop
from tests.kubesim.auth.world import GROUP, World, binding, plain, role, rule

TO_VIEW = "rbac.authorization.k8s.io/aggregate-to-view"


class Cluster(World):
    """An API server with the default roles, and the controller that gathers them."""

    def __init__(self) -> None:
        super().__init__()
        bootstrap_rbac(self.api)
        indexes = Indexes(self.api.store)
        self.loop = Loop(self.api, [ClusterRoleAggregation(self.api, indexes)])
        self.loop.step(self.now)

    def user(self, name: str) -> User:
        """A user who is bound to a ClusterRole of that name in the namespace `default`."""
        self.create(binding(name, {"kind": "User", "name": name}, to="ClusterRole"))
        return User(name, (AUTHENTICATED,))

    def rules(self, name: str) -> list[Object]:
        return list(self.get("ClusterRole", name).get("rules") or [])


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_viewers_read_all_but_secrets(cluster: Cluster) -> None:
    user = cluster.user("view")
    assert cluster.may("list", "pods", user=user)
    assert cluster.may("get", "pods/log", user=user)
    assert cluster.may("watch", "deployments.apps", user=user)
    assert not cluster.may("get", "secrets", user=user)
    assert not cluster.may("create", "pods", user=user)
    assert not cluster.may("get", "roles.rbac.authorization.k8s.io", user=user)
    assert not cluster.may("list", "pods", user=user, namespace="kube-system")


def test_editors_write_workloads_but_no_roles(cluster: Cluster) -> None:
    user = cluster.user("edit")
    assert cluster.may("get", "secrets", user=user)
    assert cluster.may("patch", "deployments.apps/scale", user=user)
    assert cluster.may("list", "pods", user=user)
    assert not cluster.may("create", "roles.rbac.authorization.k8s.io", user=user)
    assert not cluster.may("update", "resourcequotas", user=user)


def test_admins_write_roles_of_their_namespace(cluster: Cluster) -> None:
    user = cluster.user("admin")
    assert cluster.may("create", "rolebindings.rbac.authorization.k8s.io", user=user)
    assert cluster.may("list", "pods", user=user)
    assert cluster.may("delete", "services", user=user)
    assert not cluster.may("update", "namespaces", user=user)
    assert not cluster.may("escalate", "roles.rbac.authorization.k8s.io", user=user)


def test_each_role_gathers_the_smaller_one(cluster: Cluster) -> None:
    view, edit, admin = map(cluster.rules, ("view", "edit", "admin"))
    assert all(each in edit for each in view)
    assert all(each in admin for each in edit)
    assert len(view) < len(edit) < len(admin)


def test_the_rules_of_a_labelled_role_are_added_at_once(cluster: Cluster) -> None:
    user = cluster.user("view")
    more = rule("get", "widgets", group="example.com")
    cluster.create(role("widgets", more, kind="ClusterRole", labels={TO_VIEW: "true"}))
    assert not cluster.may("get", "widgets.example.com", user=user)
    cluster.loop.step(cluster.now)
    assert cluster.may("get", "widgets.example.com", user=user)
    assert more in cluster.rules("admin")
    cluster.delete("ClusterRole", "widgets")
    cluster.loop.step(cluster.now)
    assert not cluster.may("get", "widgets.example.com", user=user)
    assert more not in cluster.rules("admin")


def test_rules_written_by_hand_into_a_gathering_role_are_overwritten(cluster: Cluster) -> None:
    before = cluster.rules("view")
    own = cluster.get("ClusterRole", "view")
    cluster.update({**own, "rules": [rule("*", "secrets")]})
    cluster.loop.step(cluster.now)
    assert cluster.rules("view") == before
    managers = cluster.get("ClusterRole", "view")["metadata"]["managedFields"]
    assert {"clusterrole-aggregation-controller"} <= {each["manager"] for each in managers}


def test_a_role_that_gathers_itself_settles(cluster: Cluster) -> None:
    gathering = role("own", kind="ClusterRole", labels={"gather": "yes"})
    gathering["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"gather": "yes"}}]}
    cluster.create(gathering)
    cluster.create(role("b", rule("get", "pods"), kind="ClusterRole", labels={"gather": "yes"}))
    cluster.create(role("a", rule("get", "pods"), kind="ClusterRole", labels={"gather": "yes"}))
    cluster.loop.step(cluster.now)
    assert cluster.rules("own") == [rule("get", "pods")]
    revision = cluster.api.store.revision
    cluster.loop.step(cluster.now)
    assert cluster.api.store.revision == revision
    cluster.delete("ClusterRole", "a")
    cluster.delete("ClusterRole", "b")
    cluster.loop.step(cluster.now)
    assert cluster.rules("own") == []


@pytest.mark.parametrize("path", ["/version", "/healthz", "/livez", "/readyz"])
def test_anybody_may_ask_whether_the_server_is_well(cluster: Cluster, path: str) -> None:
    assert cluster.may("get", path=path, user=ANONYMOUS)


@pytest.mark.parametrize("path", ["/", "/api", "/apis/apps/v1", "/openapi/v3", "/metrics"])
def test_strangers_learn_nothing_else(cluster: Cluster, path: str) -> None:
    assert not cluster.may("get", path=path, user=ANONYMOUS)


def test_strangers_ask_no_reviews(cluster: Cluster) -> None:
    asked = "selfsubjectaccessreviews.authorization.k8s.io"
    assert not cluster.may("create", asked, user=ANONYMOUS, namespace="")
    assert cluster.may("create", asked, user=User("x", (AUTHENTICATED,)), namespace="")


def test_everybody_known_discovers_the_api(cluster: Cluster) -> None:
    user = User("x", (AUTHENTICATED,))
    for path in ("/api", "/api/v1", "/apis", "/openapi/v2", "/version"):
        assert cluster.may("get", path=path, user=user)
    assert not cluster.may("get", path="/metrics", user=user)


def test_cluster_admin_is_bound_to_the_masters(cluster: Cluster) -> None:
    assert cluster.get("ClusterRoleBinding", "cluster-admin")["subjects"] == [
        {"apiGroup": GROUP, "kind": "Group", "name": "system:masters"}
    ]
    assert cluster.may("do", "anything", user=ADMIN)


def test_a_user_bound_to_cluster_admin_may_do_everything(cluster: Cluster) -> None:
    user = User("root", (AUTHENTICATED,))
    subject = {"kind": "User", "name": "root"}
    cluster.create(
        binding("root", subject, to="ClusterRole", role="cluster-admin", everywhere=True)
    )
    assert cluster.may("do", "anything.example.com/at-all", user=user)
    assert cluster.may("post", path="/anywhere", user=user)


def test_default_roles_once_there_are_left_alone(cluster: Cluster) -> None:
    revision = cluster.api.store.revision
    bootstrap_rbac(cluster.api)
    assert cluster.api.store.revision == revision


def test_a_default_role_gets_back_what_it_lacks_and_keeps_what_was_added(
    cluster: Cluster,
) -> None:
    wanted = cluster.rules("system:basic-user")
    mine = rule("get", "pods")
    own = cluster.get("ClusterRole", "system:basic-user")
    cluster.update({**own, "rules": [mine, wanted[0]]})
    bootstrap_rbac(cluster.api)
    assert cluster.rules("system:basic-user") == [mine, *wanted]


def test_a_default_binding_gets_its_subjects_back(cluster: Cluster) -> None:
    own = cluster.get("ClusterRoleBinding", "system:discovery")
    cluster.update({**own, "subjects": []})
    bootstrap_rbac(cluster.api)
    assert cluster.get("ClusterRoleBinding", "system:discovery")["subjects"] == own["subjects"]


def test_a_default_role_that_is_not_to_be_updated_is_not(cluster: Cluster) -> None:
    own = cluster.get("ClusterRole", "system:basic-user")
    metadata = dict(own["metadata"])
    metadata["annotations"] = {"rbac.authorization.kubernetes.io/autoupdate": "false"}
    cluster.update({**own, "metadata": metadata, "rules": [rule("get", "pods")]})
    bootstrap_rbac(cluster.api)
    assert cluster.rules("system:basic-user") == [rule("get", "pods")]


def test_a_namespaces_account_is_nobody_special(cluster: Cluster) -> None:
    cluster.create(plain("ServiceAccount", "agent"))
    agent = User("system:serviceaccount:default:agent", (AUTHENTICATED,))
    assert not cluster.may("get", "pods", user=agent)


@pytest.mark.parametrize(
    ("user", "verb", "resource"),
    [
        ("system:kube-scheduler", "create", "pods/binding"),
        ("system:kube-controller-manager", "list", "secrets"),
        ("system:kube-proxy", "watch", "endpointslices.discovery.k8s.io"),
        ("system:serviceaccount:kube-system:generic-garbage-collector", "delete", "pods"),
        (
            "system:serviceaccount:kube-system:namespace-controller",
            "deletecollection",
            "jobs.batch",
        ),
    ],
)
def test_the_clusters_own_parts_have_the_rights_of_their_roles(
    user: str, verb: str, resource: str
) -> None:
    world = World()
    bootstrap_rbac(world.api)
    part = User(user, (AUTHENTICATED,))
    assert world.may(verb, resource, part)
    assert not world.may("create", "roles.rbac.authorization.k8s.io", part)


def test_the_roles_in_namespaces_are_there_and_a_second_start_changes_nothing() -> None:
    world = World()
    bootstrap_rbac(world.api)
    revision = world.api.store.revision
    bootstrap_rbac(world.api)
    assert world.api.store.revision == revision
    names = {
        each["metadata"]["name"] for each in world.api.store.list(GROUP, "roles", "kube-system")
    }
    assert "extension-apiserver-authentication-reader" in names
