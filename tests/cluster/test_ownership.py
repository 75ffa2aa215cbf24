"""What belongs to a sandbox in a shared cluster: that, and nothing else, is listed and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitops_lab.cluster.context import require_rights
from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.ownership import SharedCluster, labelled, labels, owned, remove, strangers
from gitops_lab.cluster.rights import deployer_rights
from gitops_lab.errors import ApiError, LabError
from gitops_lab.model import Object, ObjectKey, copied, named
from kubesim.auth.roles import bootstrap_rbac
from kubesim.clock import EPOCH
from tests.cluster.test_kubeconfig import Served
from tests.conftest import config_map, deployment, namespace

WIDGETS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.lab.example.com"},
    "spec": {
        "group": "lab.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        ],
    },
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    bootstrap_rbac(served.simulated.api)
    yield served
    served.stop()


@pytest.fixture
def settle(served: Served) -> Callable[[], None]:
    """Lets the controllers do what is due, on the event loop that serves."""

    async def step() -> None:
        for _ in range(5):
            served.simulated.step(EPOCH)

    return lambda: asyncio.run_coroutine_threadsafe(step(), served.loop).result(30)


@pytest.fixture
def cluster(served: Served) -> Iterator[KubeconfigCluster]:
    """The cluster as its administrator sees it."""
    cluster = served.connect("system:masters")
    yield cluster
    cluster.close()


@pytest.fixture
def shared(served: Served) -> Iterator[SharedCluster]:
    """The cluster as the sandbox `demo` sees it."""
    path = served.config("system:masters")
    shared = SharedCluster("shared", path, cache=path.with_name("cache.json"), sandbox="demo")
    yield shared
    shared.close()


def key(kind: str, name: str, namespace: str = "lab", group: str = "") -> ObjectKey:
    return ObjectKey(group, kind, namespace, name)


NAMESPACE = key("Namespace", "lab", "")
BOOK = key("ConfigMap", "book")


def apply(cluster: KubeconfigCluster, *objects: Object) -> None:
    for obj in objects:
        cluster.apply(obj, manager="test")


def test_what_is_applied_through_a_shared_cluster_is_labelled(shared: SharedCluster) -> None:
    body = config_map("book", "default", page="1")
    before = copied(body)
    applied = shared.apply(body, manager="test")
    assert applied["metadata"]["labels"] == labels("demo")
    assert body == before
    again = shared.apply(body, manager="test")
    assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]
    assert shared.apply(body, manager="test", dry_run=True)["metadata"]["labels"] == labels("demo")


def test_what_others_made_is_not_taken_over(
    cluster: KubeconfigCluster, shared: SharedCluster
) -> None:
    apply(cluster, config_map("theirs", "default", page="1"))
    apply(cluster, labelled(config_map("others", "default", page="1"), "other"))
    for name in ("theirs", "others"):
        for dry_run in (True, False):
            with pytest.raises(ApiError, match="does not belong to the sandbox 'demo'") as caught:
                shared.apply(config_map(name, "default", page="2"), manager="test", dry_run=dry_run)
            assert caught.value.code == 409
        live = cluster.get(key("ConfigMap", name, "default"))
        assert live is not None and live["data"] == {"page": "1"}


def test_an_objects_own_labels_stay() -> None:
    obj = named("v1", "ConfigMap", "book")
    obj["metadata"]["labels"] = {"app": "shop"}
    assert labelled(obj, "demo")["metadata"]["labels"] == {"app": "shop", **labels("demo")}


def test_exactly_what_is_labelled_is_owned(
    cluster: KubeconfigCluster, shared: SharedCluster, settle: Callable[[], None]
) -> None:
    web = deployment()
    web["metadata"]["namespace"] = "lab"
    service = named("v1", "Service", "web", "lab", spec={"ports": [{"port": 80}]})
    apply(shared, namespace("lab"), config_map("book", "lab"), web, service)
    apply(cluster, config_map("theirs", "lab"), config_map("theirs", "default"))
    apply(cluster, labelled(config_map("others", "lab"), "other"))
    settle()
    assert cluster.list("apps", "ReplicaSet", namespace="lab")
    assert owned(cluster, "demo") == [
        BOOK,
        key("Service", "web"),
        key("Deployment", "web", group="apps"),
        NAMESPACE,
    ]
    assert owned(cluster, "other") == [key("ConfigMap", "others")]
    assert owned(cluster, "another") == []


def test_contents_go_before_their_containers(
    cluster: KubeconfigCluster, shared: SharedCluster, settle: Callable[[], None]
) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}
    apply(shared, namespace("lab"), WIDGETS)
    settle()
    shared.kinds()
    apply(
        shared, config_map("book", "lab"), {**role, "metadata": {"name": "a", "namespace": "lab"}}
    )
    apply(shared, named("lab.example.com/v1", "Widget", "wheel", "lab"))
    apply(
        shared, named("storage.k8s.io/v1", "StorageClass", "slow", provisioner="none.example.com")
    )
    kinds = [each.kind for each in owned(cluster, "demo")]
    assert kinds == [
        "Widget",
        "ConfigMap",
        "StorageClass",
        "Role",
        "CustomResourceDefinition",
        "Namespace",
    ]
    remove(cluster, "demo", owned(cluster, "demo"))
    settle()
    assert owned(cluster, "demo") == []


def test_what_is_owned_is_removed_and_nothing_else(
    cluster: KubeconfigCluster, shared: SharedCluster, settle: Callable[[], None]
) -> None:
    apply(shared, namespace("lab"), config_map("book", "lab"), config_map("ours", "default"))
    apply(cluster, config_map("theirs", "default"))
    settle()
    assert remove(cluster, "demo", owned(cluster, "demo")) == []
    settle()
    assert owned(cluster, "demo") == []
    assert cluster.get(NAMESPACE) is None
    assert cluster.get(key("ConfigMap", "theirs", "default"))
    assert remove(cluster, "demo", [BOOK, NAMESPACE]) == []


def test_a_namespace_that_others_use_is_left_standing_and_told(
    cluster: KubeconfigCluster, shared: SharedCluster, settle: Callable[[], None]
) -> None:
    apply(shared, namespace("lab"), config_map("book", "lab"))
    apply(cluster, config_map("theirs", "lab"))
    settle()
    assert strangers(cluster, "demo", "lab") == [key("ConfigMap", "theirs")]
    assert remove(cluster, "demo", owned(cluster, "demo")) == [NAMESPACE]
    settle()
    assert cluster.get(key("ConfigMap", "theirs"))
    assert cluster.get(BOOK) is None


def test_what_every_namespace_has_is_no_stranger(
    cluster: KubeconfigCluster, shared: SharedCluster, settle: Callable[[], None]
) -> None:
    web = deployment()
    web["metadata"]["namespace"] = "lab"
    apply(shared, namespace("lab"), web)
    settle()
    assert cluster.list("", "ServiceAccount", namespace="lab")
    assert cluster.list("", "Pod", namespace="lab")
    assert strangers(cluster, "demo", "lab") == []


def test_what_changed_hands_since_it_was_listed_is_not_touched(
    cluster: KubeconfigCluster, shared: SharedCluster
) -> None:
    apply(shared, config_map("book", "default"))
    found = owned(cluster, "demo")
    change = {"metadata": {"labels": {"gitops-lab/sandbox": "other"}}}
    cluster.patch(found[0], change, manager="test")
    remove(cluster, "demo", found)
    assert cluster.get(found[0])


# -- with the least rights -------------------------------------------------------------------------


def test_who_may_list_in_one_namespace_only_finds_what_is_there(
    cluster: KubeconfigCluster, served: Served
) -> None:
    apply(cluster, namespace("lab"))
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "get", "delete"]}]
    rbac, header = "rbac.authorization.k8s.io", {"name": "lister", "namespace": "lab"}
    subject = {"apiGroup": rbac, "kind": "User", "name": "jane"}
    apply(
        cluster,
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": header, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": header,
            "subjects": [subject],
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "lister"},
        },
        labelled(config_map("book", "lab"), "demo"),
        labelled(config_map("book", "default"), "demo"),
    )
    path = served.config()
    jane = KubeconfigCluster("jane", path, cache=path.with_name("cache.json"))
    assert owned(jane, "demo", namespaces=["lab"]) == [BOOK]
    assert remove(jane, "demo", [BOOK]) == []
    assert owned(jane, "demo", namespaces=["lab"]) == []
    jane.close()


def test_who_may_do_everything_may_set_up_a_sandbox(cluster: KubeconfigCluster) -> None:
    require_rights(cluster)
    require_rights(cluster, ["default", "lab"])


def test_who_administers_a_namespace_may_set_up_a_sandbox_there_only(
    cluster: KubeconfigCluster, served: Served, settle: Callable[[], None]
) -> None:
    rbac = "rbac.authorization.k8s.io"
    binding: Object = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "jane", "namespace": "lab"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": "jane"}],
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "admin"},
    }
    apply(cluster, namespace("lab"), binding)
    settle()  # the role's rules are aggregated from others
    path = served.config()
    jane = KubeconfigCluster("jane", path, cache=path.with_name("cache.json"))
    require_rights(jane, ["lab"])
    with pytest.raises(LabError) as caught:
        require_rights(jane)
    assert "you may not create namespaces, delete namespaces, create configmaps" in str(
        caught.value
    )
    with pytest.raises(LabError, match="create configmaps in default"):
        require_rights(jane, ["lab", "default"])
    apply(
        jane, *deployer_rights("ci", name="push", namespaces=["lab"])
    )  # and so what they grant, they have
    jane.close()
