"""The adapter of real clusters: over HTTPS it says what the simulated cluster says in-process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from gitops_lab.cluster.kubeconfig import KubeconfigCluster, refusal
from gitops_lab.cluster.simulated import SimulatedCluster, SimulatedConnection
from gitops_lab.errors import ApiError, ClusterUnreachable, UsageError
from gitops_lab.model import ObjectKey
from gitops_lab.ports import ADMINISTRATORS, Cluster, Credentials
from kubesim.auth import Authenticator, Authority, Authorizer, Tokens
from kubesim.auth.kubeconfig import kubeconfig, write
from kubesim.clock import EPOCH, SimClock
from kubesim.http.server import Server
from tests.conftest import config_map, deployment, namespace

BOOK = ObjectKey("", "ConfigMap", "default", "book")
INSIDE = Credentials("test", inside=True, groups=ADMINISTRATORS)


class Served:
    """A cluster behind HTTPS, on an event loop in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.simulated = SimulatedCluster("served", clock=SimClock(), random=Random(1))
        self.authority = Authority.create(name="test", now=_wall())
        api = self.simulated.api
        self.tokens = Tokens(self.authority.token_key, api.store, rng=Random(2))
        self.server = Server(
            api,
            authority=self.authority,
            authenticator=Authenticator(self.tokens),
            authorizer=Authorizer(api.store),
            now=lambda: EPOCH,
            reachable=lambda: self.simulated.reachable,
        )
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self.server.start(), self.loop).result(30)

    def config(self, *groups: str, port: int = 0) -> Path:
        path = self.folder / f"kubeconfig-{'-'.join(groups)}-{port}".replace(":", "")
        certificate = self.authority.issue_client("jane", groups)
        url = f"https://127.0.0.1:{port or self.port}"
        config = kubeconfig(url, self.authority.ca_pem, certificate=certificate, cluster="served")
        write(config, path)
        return path

    def connect(self, *groups: str) -> KubeconfigCluster:
        cache = self.folder / "discovery.json"
        return KubeconfigCluster("served", self.config(*groups), cache=cache)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        self.loop.close()


def _wall() -> float:
    import time

    return time.time()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served"))
    yield served
    served.stop()


@pytest.fixture
def cluster(served: Served) -> Iterator[KubeconfigCluster]:
    """The cluster as an administrator sees it; each test finds no book in it."""
    cluster = served.connect("system:masters")
    yield cluster
    cluster.delete(BOOK)
    cluster.close()


@pytest.fixture
def inside(served: Served) -> SimulatedConnection:
    return served.simulated.connect(INSIDE)


def book(page: str = "1") -> dict[str, object]:
    return config_map("book", "default", page=page)


def test_it_is_a_cluster(cluster: KubeconfigCluster) -> None:
    port: Cluster = cluster
    assert port.name == "served"


def test_what_is_applied_is_what_is_got_here_and_in_process(
    cluster: KubeconfigCluster, inside: SimulatedConnection
) -> None:
    applied = cluster.apply(book(), manager="test")
    assert applied["data"] == {"page": "1"}
    assert cluster.get(BOOK) == applied == inside.get(BOOK)


def test_a_dry_run_says_what_would_be_and_stores_nothing(cluster: KubeconfigCluster) -> None:
    assert cluster.apply(book(), manager="test", dry_run=True)["data"] == {"page": "1"}
    assert cluster.get(BOOK) is None


def test_a_polite_apply_is_refused_what_another_owns_in_the_servers_own_words(
    cluster: KubeconfigCluster, inside: SimulatedConnection
) -> None:
    cluster.apply(book("1"), manager="one")
    refused = []
    for port in (cluster, inside):
        with pytest.raises(ApiError) as error:
            port.apply(book("2"), manager="two", force=False)
        refused.append(error.value.status)
    assert refused[0] == refused[1]
    assert refused[0]["code"] == 409 and refused[0]["details"]["causes"]
    assert cluster.apply(book("2"), manager="two")["data"] == {"page": "2"}


def test_a_patch_is_a_merge_patch_by_its_manager(cluster: KubeconfigCluster) -> None:
    cluster.apply(config_map("book", "default", page="1", line="1"), manager="one")
    patched = cluster.patch(BOOK, {"data": {"page": None, "word": "2"}}, manager="kubectl-edit")
    assert patched["data"] == {"line": "1", "word": "2"}
    managers = {each["manager"] for each in patched["metadata"]["managedFields"]}
    assert managers == {"one", "kubectl-edit"}


def test_a_subresource_can_be_patched(cluster: KubeconfigCluster) -> None:
    cluster.apply(namespace("shelf"), manager="one")
    condition = {"type": "Full", "status": "True"}
    key = ObjectKey("", "Namespace", "", "shelf")
    patched = cluster.patch(
        key, {"status": {"conditions": [condition]}}, manager="test", subresource="status"
    )
    assert patched["status"]["conditions"][0]["type"] == "Full"
    cluster.delete(key)


def test_what_is_gone_is_none_and_deleting_it_is_no_error(cluster: KubeconfigCluster) -> None:
    cluster.apply(book(), manager="one")
    cluster.delete(BOOK)
    assert cluster.get(BOOK) is None
    cluster.delete(BOOK)


def test_only_the_very_object_is_deleted(cluster: KubeconfigCluster) -> None:
    uid = cluster.apply(book(), manager="one")["metadata"]["uid"]
    with pytest.raises(ApiError, match="does not match the UID in record") as error:
        cluster.delete(BOOK, uid="00000000-0000-4000-8000-000000000000")
    assert error.value.code == 409
    cluster.delete(BOOK, uid=uid)
    assert cluster.get(BOOK) is None


def test_a_list_tells_kinds_and_is_sorted_and_selected(
    cluster: KubeconfigCluster, inside: SimulatedConnection
) -> None:
    for name in ("web", "api"):
        cluster.apply({**deployment(name), "metadata": _in_default(name, tier=name)}, manager="a")
    found = cluster.list("apps", "Deployment")
    assert [each["metadata"]["name"] for each in found] == ["api", "web"]
    assert found == inside.list("apps", "Deployment")
    assert found[0]["apiVersion"] == "apps/v1" and found[0]["kind"] == "Deployment"
    (web,) = cluster.list("apps", "Deployment", namespace="default", labels={"tier": "web"})
    assert web["metadata"]["name"] == "web"
    assert cluster.list("apps", "Deployment", namespace="kube-system") == []


def _in_default(name: str, **labels: str) -> dict[str, object]:
    return {"name": name, "namespace": "default", "labels": labels}


def test_an_object_comes_in_the_version_that_is_asked_for(cluster: KubeconfigCluster) -> None:
    cluster.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 3,
            },
        },
        manager="a",
    )
    key = ObjectKey("autoscaling", "HorizontalPodAutoscaler", "default", "web")
    versions = []
    for version in ("", "v1", "v2"):
        found = cluster.get(key, version=version)
        assert found is not None
        versions.append(found["apiVersion"])
    assert versions == ["autoscaling/v2", "autoscaling/v1", "autoscaling/v2"]


def test_kinds_are_namespaced_or_not_or_unknown_as_in_process(
    cluster: KubeconfigCluster, inside: SimulatedConnection
) -> None:
    for group, kind in (("", "ConfigMap"), ("", "Namespace"), ("apps", "Deployment")):
        assert cluster.is_namespaced(group, kind) == inside.is_namespaced(group, kind)
    for group, kind in (("", "Deployment"), ("example.com", "Widget")):
        refused = []
        for port in (cluster, inside):
            with pytest.raises(ApiError) as error:
                port.is_namespaced(group, kind)
            refused.append(error.value.status)
        assert refused[0] == refused[1]


def test_an_unknown_version_is_refused_as_in_process(
    cluster: KubeconfigCluster, inside: SimulatedConnection
) -> None:
    for port in (cluster, inside):
        with pytest.raises(ApiError, match='no matches for kind "ConfigMap" in version "v7"'):
            port.apply({**book(), "apiVersion": "v7"}, manager="a")


def test_it_may_do_what_its_own_credentials_allow(served: Served) -> None:
    stranger = served.connect()
    with pytest.raises(ApiError, match='User "jane" cannot get resource') as error:
        stranger.get(BOOK)
    assert (error.value.code, error.value.reason) == (403, "Forbidden")
    stranger.close()


def test_a_cluster_that_hangs_up_is_unreachable_and_then_reachable_again(
    served: Served, cluster: KubeconfigCluster
) -> None:
    cluster.apply(book(), manager="a")
    served.simulated.reachable = False
    try:
        with pytest.raises(ClusterUnreachable, match="does not answer"):
            cluster.get(BOOK)
    finally:
        served.simulated.reachable = True
    assert cluster.get(BOOK) is not None


def test_a_cluster_that_is_not_there_is_unreachable(served: Served, tmp_path: Path) -> None:
    config = served.config("system:masters", port=1)  # nothing listens there
    nowhere = KubeconfigCluster("nowhere", config, cache=tmp_path / "discovery.json")
    with pytest.raises(ClusterUnreachable, match="nowhere"):
        nowhere.list("", "ConfigMap")


def test_another_authoritys_server_is_not_talked_to(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    stranger = Authority.create(now=_wall())
    certificate = stranger.issue_client("jane")
    url = f"https://127.0.0.1:{served.port}"
    write(kubeconfig(url, stranger.ca_pem, certificate=certificate), path)
    with pytest.raises(ClusterUnreachable):
        KubeconfigCluster("strange", path, cache=tmp_path / "discovery.json").get(BOOK)


def test_a_proxy_of_the_users_is_not_asked_for_a_cluster_on_this_machine(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    cluster = served.connect("system:masters")
    assert cluster.get(BOOK) is None
    cluster.close()


@pytest.mark.parametrize("context", ["nowhere", ""])
def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path: Path, context: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("apiVersion: v1\nkind: Config\n")
    cluster = KubeconfigCluster("x", path, context=context, cache=tmp_path / "discovery.json")
    with pytest.raises(UsageError) as error:
        cluster.get(BOOK)
    assert error.value.where == str(path)


def test_an_answer_that_is_no_status_is_told_as_it_is() -> None:
    error = refusal(502, "Bad Gateway", b"<html>no upstream</html>")
    assert (error.code, error.reason) == (502, "Bad Gateway")
    assert error.message == "<html>no upstream</html>"
    assert refusal(503, None, None).message == "HTTP status 503"
    assert refusal(500, "Internal Server Error", "[1]").message == "[1]"
