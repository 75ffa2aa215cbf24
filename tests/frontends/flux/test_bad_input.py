"""What people do by mistake: Flux goes on, or says why it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gitops_lab.model import ObjectKey
from tests.conftest import config_map, namespace
from tests.frontends.flux.world import FluxWorld, git_repository, kustomization, world

NS = "flux-system"


@pytest.fixture(name="flux")
def a_world() -> Iterator[FluxWorld]:
    yield from world()


def test_a_kustomization_that_git_drops_from_itself_takes_everything_along(
    flux: FluxWorld,
) -> None:
    own = kustomization("root", path="./root", targetNamespace=None)
    flux.commit_files({"root/own.yaml": own, "root/a.yaml": config_map("a", "default")})
    flux.apply(git_repository(), own)
    flux.run(seconds=20)
    assert flux.live("ConfigMap", "a") is not None
    flux.commit_files({"root/own.yaml": None})
    flux.run(minutes=3)
    assert flux.live("Kustomization", "root", NS) is None
    assert flux.live("ConfigMap", "a") is None


def test_a_renamed_kustomization_leaves_its_objects_to_the_new_one(flux: FluxWorld) -> None:
    def child(name: str) -> object:
        return kustomization(name, path="./apps")

    flux.commit_files({"root/child.yaml": child("old"), "apps/a.yaml": config_map("a")})
    flux.apply(git_repository(), kustomization("root", path="./root", targetNamespace=None))
    flux.run(seconds=30)
    flux.commit_files({"root/child.yaml": child("new")})
    flux.run(minutes=25)  # if the old one went first, the next run of the new one repairs it
    assert flux.live("Kustomization", "old", NS) is None
    live = flux.live("ConfigMap", "a")
    assert live is not None
    assert live["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] == "new"


def test_a_namespace_that_is_deleted_comes_back_at_the_next_run(flux: FluxWorld) -> None:
    flux.commit(a=[namespace("shop"), config_map("a", "shop")])
    flux.apply(git_repository(), kustomization(targetNamespace=None, interval="2m"))
    flux.run(seconds=20)
    flux.kubectl.delete(ObjectKey("", "Namespace", "", "shop"))
    flux.run(minutes=5)
    assert flux.live("ConfigMap", "a", "shop") is not None


def test_the_namespace_of_flux_itself_can_go(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    tenant = kustomization("apps", sourceRef={"kind": "GitRepository", "name": "app"})
    source = git_repository()
    for body in (source, tenant):
        body["metadata"]["namespace"] = "team"
    flux.apply(namespace("team"), source, tenant)
    flux.run(seconds=20)
    flux.kubectl.delete(ObjectKey("", "Namespace", "", "team"))
    flux.run(minutes=5)
    assert flux.kubectl.get(ObjectKey("", "Namespace", "", "team")) is None
    assert flux.live("ConfigMap", "a") is None  # its finalizer pruned it


def test_a_source_that_is_deleted_leaves_what_was_applied(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    flux.apply(git_repository(), kustomization(interval="1m"))
    flux.run(seconds=20)
    flux.sandbox.drift(f"GitRepository/{NS}/app", None)
    flux.run(minutes=3)
    assert flux.ready("Kustomization", "apps")[:2] == ("False", "ArtifactFailed")
    assert flux.live("ConfigMap", "a") is not None


def test_a_path_cannot_leave_the_artifact(flux: FluxWorld) -> None:
    flux.commit(a=config_map("a"))
    flux.apply(git_repository(), kustomization(path="../../../etc"))
    flux.run(seconds=20)
    status, reason, message = flux.ready("Kustomization", "apps")
    assert (status, reason) == ("False", "ArtifactFailed")
    assert "kustomization path not found: " in message


def test_without_rights_flux_says_so_and_goes_on_when_it_has_them_again(flux: FluxWorld) -> None:
    group = "rbac.authorization.k8s.io"
    flux.commit(a=config_map("a"))
    flux.apply(git_repository(), kustomization(interval="1m"))
    flux.run(seconds=20)
    keys = [
        ObjectKey.of(obj)
        for obj in flux.kubectl.list(group, "ClusterRoleBinding")
        if any(s.get("namespace") == NS for s in obj.get("subjects") or ())
    ]
    bindings = [flux.kubectl.get(key) for key in keys]
    for key in keys:
        flux.kubectl.delete(key)
    flux.commit(a=config_map("a", x="1"))
    flux.run(minutes=5)
    errors = [e for e in flux.sandbox.journal if e.data.get("state") == "error"]
    assert errors and "is forbidden" in errors[0].why
    for body in bindings:
        assert body is not None
        metadata = {"name": body["metadata"]["name"]}
        fields = {name: body[name] for name in ("apiVersion", "kind", "roleRef", "subjects")}
        flux.apply({**fields, "metadata": metadata})
    flux.run(minutes=20)
    live = flux.live("ConfigMap", "a")
    assert live is not None and live["data"] == {"x": "1"}
