"""Helm's kinds and other sources that need a network: they end in their real conditions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gitops_lab.model import Object, named
from gitops_lab.renderers import charts
from tests.conftest import config_map
from tests.frontends.flux.world import FluxWorld, git_repository, world

NS = "flux-system"
CHART = {"charts/shop/Chart.yaml": "{apiVersion: v2, name: shop, version: 1.2.3}",
         "charts/shop/values.yaml": "{color: blue, size: 1}"}  # fmt: skip


@pytest.fixture(name="flux")
def a_world() -> Iterator[FluxWorld]:
    yield from world()


def source(kind: str, **spec: Any) -> Object:
    return named("source.toolkit.fluxcd.io/v1", kind, "podinfo", NS,
                 spec={"interval": "1m", **spec})  # fmt: skip


def release(kind: str = "HelmRepository", name: str = "podinfo", **spec: Any) -> Object:
    chart = {"spec": {"chart": "podinfo", "sourceRef": {"kind": kind, "name": name}}}
    return named("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web", NS,
                 spec={"interval": "5m", "chart": chart, **spec})  # fmt: skip


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (source("HelmRepository", url="https://charts.example.org/podinfo"), "Failed",
         "failed to fetch Helm repository index: failed to cache index to temporary file: "
         'Get "https://charts.example.org/podinfo/index.yaml": dial tcp: lookup '
         "charts.example.org: no such host"),
        (source("OCIRepository", url="oci://ghcr.io/x/y"), "OCIArtifactPullFailed",
         'failed to determine artifact digest: Get "https://ghcr.io/v2/": dial tcp: lookup '
         "ghcr.io: no such host"),
        (source("Bucket", endpoint="minio.example.org", bucketName="b"), "BucketOperationFailed",
         "failed to confirm existence of 'b' bucket: Get \"https://minio.example.org/b/?location=\""
         ": dial tcp: lookup minio.example.org: no such host"),
    ],
)  # fmt: skip
def test_a_source_without_a_network_says_what_it_could_not_reach(
    flux: FluxWorld, body: Object, reason: str, message: str
) -> None:
    flux.apply(body)
    flux.run(seconds=10)
    assert flux.ready(body["kind"], "podinfo") == ("False", reason, message)
    event = next(e for e in flux.kubectl.list("", "Event", namespace=NS) if e["reason"] == reason)
    assert event["count"] == 4  # after 0.75, 1.5 and 3 seconds


def test_a_helm_repository_of_type_oci_is_only_data(flux: FluxWorld) -> None:
    flux.apply(source("HelmRepository", url="oci://ghcr.io/x", type="oci"))
    flux.run(seconds=5)
    assert flux.get("HelmRepository", "podinfo")["status"] == {"observedGeneration": -1}


def test_a_release_waits_for_a_chart_that_never_comes(flux: FluxWorld) -> None:
    flux.apply(source("HelmRepository", url="https://charts.example.org"), release())
    flux.run(seconds=10)
    text = "HelmChart 'flux-system/flux-system-web' is not ready: does not have an artifact"
    assert flux.ready("HelmRelease", "web") == ("False", "SourceNotReady", text)
    assert flux.get("HelmRelease", "web")["status"]["helmChart"] == "flux-system/flux-system-web"
    text = "no artifact available for HelmRepository source 'podinfo'"
    assert flux.ready("HelmChart", "flux-system-web") == ("False", "NoSourceArtifact", text)
    flux.sandbox.drift(f"HelmRelease/{NS}/web", None)
    flux.run(seconds=5)
    assert flux.live("HelmChart", "flux-system-web", NS) is None


def test_a_release_waits_for_another(flux: FluxWorld) -> None:
    flux.apply(release(dependsOn=[{"name": "db"}]))
    flux.run(seconds=5)
    status, reason, message = flux.ready("HelmRelease", "web")
    assert (status, reason) == ("False", "DependencyNotReady")
    assert message.startswith("unable to get 'flux-system/db' dependency: ")


def chart_release(**spec: Any) -> Object:
    body = release("GitRepository", "app", targetNamespace="default", **spec)
    body["spec"]["chart"]["spec"]["chart"] = "./charts/shop"
    return body


def test_a_chart_in_git_is_packaged(flux: FluxWorld) -> None:
    flux.commit_files(CHART)
    flux.apply(git_repository(), chart_release())
    flux.run(seconds=60)
    told = ("True", "ChartPackageSucceeded", "packaged 'shop' chart with version '1.2.3'")
    assert flux.ready("HelmChart", "flux-system-web") == told


def test_without_helm_a_chart_is_not_simulated(
    flux: FluxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "renderer", lambda: None)
    flux.commit_files(CHART)
    flux.apply(git_repository(), chart_release())
    flux.run(seconds=60)
    status, reason, message = flux.ready("HelmRelease", "web")
    assert (status, reason) == ("False", "NotSimulated")
    assert message.startswith("not simulated: Helm. ")


def test_with_helm_a_chart_is_installed_upgraded_and_removed(
    flux: FluxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    def render(files: Any, links: Any, folder: str, name: str) -> bytes:
        values = yaml.safe_load(files["values.yaml"])
        data = {key: str(value) for key, value in values.items()}
        return yaml.safe_dump(config_map(f"{name}-settings", **data)).encode()

    monkeypatch.setattr(charts, "renderer", lambda: render)
    flux.commit_files(CHART)
    flux.apply(git_repository(), chart_release(values={"color": "red"}))
    flux.run(seconds=60)
    text = "Helm install succeeded for release default/default-web.v1 with chart shop@1.2.3"
    assert flux.ready("HelmRelease", "web") == ("True", "InstallSucceeded", text)
    live = flux.live("ConfigMap", "default-web-settings")
    assert live is not None and live["data"] == {"color": "red", "size": "1"}
    assert live["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    flux.apply(chart_release(values={"color": "green"}))
    flux.run(seconds=10)
    status, reason, text = flux.ready("HelmRelease", "web")
    assert (status, reason) == ("True", "UpgradeSucceeded") and ".v2 with chart" in text
    history = flux.get("HelmRelease", "web")["status"]["history"]
    assert [(h["version"], h["status"]) for h in history] == [(2, "deployed"), (1, "superseded")]
    flux.sandbox.drift("ConfigMap/default/default-web-settings", {"data": {"color": "hand"}})
    flux.run(minutes=12)
    live = flux.live("ConfigMap", "default-web-settings")
    assert live is not None and live["data"]["color"] == "hand"  # drift detection is off
    flux.sandbox.drift(f"HelmRelease/{NS}/web", None)
    flux.run(seconds=5)
    assert flux.live("ConfigMap", "default-web-settings") is None
