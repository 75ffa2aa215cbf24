"""Whole set-ups: the best-known example of Flux, and tenants that must stay apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_lab.frontends.conditions import find
from gitops_lab.model import Object, named
from gitops_lab.sandbox import Sandbox
from tests.conftest import config_map
from tests.frontends.flux.world import FluxWorld, git_repository, kustomization, world

EXAMPLE = (
    Path(__file__).parents[3].parent / "shared" / "data" / "repos" / "flux2-kustomize-helm-example"
)


@pytest.fixture(name="flux")
def a_world() -> Iterator[FluxWorld]:
    yield from world()


def reasons(flux: FluxWorld, group: str, kind: str) -> dict[str, str]:
    """The reason of each object's Ready condition, by name."""
    found = flux.kubectl.list(group, kind)
    return {
        obj["metadata"]["name"]: (find(obj, "Ready") or {"reason": ""})["reason"] for obj in found
    }


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the example is not at ../shared")
def test_the_best_known_example_runs_as_far_as_a_network_allows(flux: FluxWorld) -> None:
    flux.commit_files(
        {
            str(path.relative_to(EXAMPLE)): path.read_text()
            for path in EXAMPLE.rglob("*")
            if path.is_file() and ".git" not in path.parts
        }
    )
    root = kustomization("flux-system", "flux-system", path="./clusters/staging",
                         targetNamespace=None)  # fmt: skip
    flux.apply(git_repository("flux-system"), root)
    flux.run(minutes=6)
    assert reasons(flux, "source.toolkit.fluxcd.io", "ExternalArtifact") == {
        "apps": "Succeeded", "infrastructure": "Succeeded",
    }  # fmt: skip
    assert reasons(flux, "kustomize.toolkit.fluxcd.io", "Kustomization") == {
        "flux-system": "ReconciliationSucceeded",
        "infra-controllers": "HealthCheckFailed",
        "infra-configs": "DependencyNotReady",
        "apps": "DependencyNotReady",
    }
    assert reasons(flux, "source.toolkit.fluxcd.io", "OCIRepository") == {
        "cert-manager": "OCIArtifactPullFailed", "gateway-helm": "OCIArtifactPullFailed",
    }  # fmt: skip
    assert reasons(flux, "helm.toolkit.fluxcd.io", "HelmRelease") == {
        "cert-manager": "SourceNotReady", "envoy-gateway": "SourceNotReady",
    }  # fmt: skip
    message = flux.ready("Kustomization", "infra-controllers")[2]
    assert "HelmRelease/cert-manager/cert-manager status: 'InProgress'" in message


def tenant(name: str) -> list[Object]:
    """A namespace, an account that may only work in it, and a Kustomization that uses it."""
    group = "rbac.authorization.k8s.io"
    role = named(f"{group}/v1", "Role", "tenant", name)
    role["rules"] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    binding = named(f"{group}/v1", "RoleBinding", "tenant", name)
    binding["roleRef"] = {"apiGroup": group, "kind": "Role", "name": "tenant"}
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "tenant", "namespace": name}]
    sync = kustomization(name, path=f"./{name}", targetNamespace=None, serviceAccountName="tenant",
                         sourceRef={"kind": "GitRepository", "name": "app",
                                    "namespace": "flux-system"})  # fmt: skip
    sync["metadata"]["namespace"] = name
    account = named("v1", "ServiceAccount", "tenant", name)
    return [named("v1", "Namespace", name), account, role, binding, sync]


def test_tenants_cannot_reach_each_others_namespaces(flux: FluxWorld) -> None:
    flux.commit_files(
        {"red/a.yaml": config_map("a", "red"), "blue/a.yaml": config_map("a", "blue")}
    )
    flux.apply(git_repository(), *tenant("red"), *tenant("blue"))
    flux.run(seconds=20)
    for name in ("red", "blue"):
        assert flux.ready("Kustomization", name, name)[0] == "True"
    flux.commit_files({"red/a.yaml": [config_map("a", "red"), config_map("a", "blue", by="red")]})
    flux.run(seconds=70)
    status, reason, message = flux.ready("Kustomization", "red", "red")
    assert (status, reason) == ("False", "ReconciliationFailed")
    assert message.startswith("ConfigMap/blue/a dry-run failed (Forbidden): ")
    assert "system:serviceaccount:red:tenant" in message
    live = flux.live("ConfigMap", "a", "blue")
    assert live is not None and "data" not in live


def test_flux_deploys_applications_with_the_rights_for_applications_only() -> None:
    import yaml

    with Sandbox("flux", seed=1, rights="application") as sandbox:
        sandbox.commit("first", {"a.yaml": yaml.safe_dump(config_map("a"))})
        sandbox.run(minutes=2)
        assert str(sandbox.status()).startswith("flux: in sync, Healthy")
        role = named("rbac.authorization.k8s.io/v1", "Role", "r", rules=[])
        sandbox.commit("a role", {"r.yaml": yaml.safe_dump(role)})
        sandbox.run(minutes=2)
        assert "Role/default/r dry-run failed (Forbidden)" in str(sandbox.why("flux"))
