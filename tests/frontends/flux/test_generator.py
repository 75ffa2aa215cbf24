"""ArtifactGenerator: parts of one repository, each with a revision of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gitops_lab.frontends.conditions import find
from gitops_lab.frontends.flux.generator import copy_files
from gitops_lab.model import Object, named
from tests.conftest import config_map
from tests.frontends.flux.world import FluxWorld, git_repository, kustomization, world

NS = "flux-system"
FILES = {name: name.encode() for name in ("README.md", "apps/a.yaml", "apps/deep/b.yaml", "x/c.md")}


@pytest.fixture(name="flux")
def a_world() -> Iterator[FluxWorld]:
    yield from world()


def generator(*artifacts: Any, **spec: Any) -> Object:
    whole = {
        "sources": [{"alias": "repo", "kind": "GitRepository", "name": "app"}],
        "artifacts": list(artifacts),
        **spec,
    }
    version = "source.extensions.fluxcd.io/v1beta1"
    return named(version, "ArtifactGenerator", "parts", NS, spec=whole)


def part(name: str, **more: Any) -> Any:
    copy = [{"from": f"@repo/{name}/**", "to": "@artifact/"}]
    return {"name": name, "originRevision": "@repo", "copy": copy, **more}


def uses(name: str) -> Object:
    source = {"kind": "ExternalArtifact", "name": name}
    return kustomization(name, sourceRef=source)


@pytest.mark.parametrize(
    ("pattern", "target", "exclude", "paths"),
    [
        ("apps/**", "", (), {"a.yaml", "deep/b.yaml"}),
        ("apps/**", "to/", (), {"to/a.yaml", "to/deep/b.yaml"}),
        ("apps", "to", (), {"to/apps/a.yaml", "to/apps/deep/b.yaml"}),
        ("*.md", "docs/", (), {"docs/README.md"}),
        ("apps/*.yaml", "", (), {"apps/a.yaml"}),
        ("README.md", "docs/", (), {"docs/README.md"}),
        ("README.md", "LIESMICH.md", (), {"LIESMICH.md"}),
        ("**", "", ("**/*.yaml",), {"README.md", "x/c.md"}),
        ("missing/**", "", (), set()),
    ],
)
def test_what_a_copy_takes_and_where_it_goes(
    pattern: str, target: str, exclude: tuple[str, ...], paths: set[str]
) -> None:
    assert set(copy_files(FILES, pattern, target, exclude)) == paths


def test_a_commit_elsewhere_does_not_concern_a_part(flux: FluxWorld) -> None:
    first = flux.commit_files({"a/a.yaml": config_map("a"), "b/b.yaml": config_map("b")})
    flux.apply(git_repository(), generator(part("a"), part("b")), uses("a"), uses("b"))
    flux.run(minutes=1)
    status = flux.get("Kustomization", "a")["status"]
    assert status["lastAppliedRevision"].startswith("latest@sha256:")
    assert status["lastAppliedOriginRevision"] == first
    text = "reconciliation succeeded, generated 2 artifact(s)"
    assert flux.ready("ArtifactGenerator", "parts") == ("True", "Succeeded", text)
    runs = {name: flux.get("Kustomization", name)["status"]["history"] for name in "ab"}
    flux.commit_files({"b/b.yaml": config_map("b", x="1")})
    flux.run(minutes=2)
    now = {name: flux.get("Kustomization", name)["status"]["history"] for name in "ab"}
    assert now["a"] == runs["a"] and len(now["b"]) == 2
    live = flux.live("ConfigMap", "b")
    assert live is not None and live["data"] == {"x": "1"}


def test_a_part_may_take_the_revision_of_its_source(flux: FluxWorld) -> None:
    revision = flux.commit_files({"a/a.yaml": config_map("a")})
    flux.apply(git_repository(), generator(part("a", revision="@repo")))
    flux.run(seconds=20)
    record = flux.get("ExternalArtifact", "a")["status"]["artifact"]
    assert record["revision"] == revision
    assert record["metadata"] == {"org.opencontainers.image.revision": revision}
    assert flux.ready("ExternalArtifact", "a") == ("True", "Succeeded", "Artifact is ready")


def test_a_source_that_is_not_ready_is_waited_for(flux: FluxWorld) -> None:
    flux.apply(generator(part("a")))
    flux.run(seconds=2)
    text = "get sources failed: source 'GitRepository/flux-system/app' is not ready"
    assert flux.ready("ArtifactGenerator", "parts") == ("False", "SourceFetchFailed", text)
    flux.commit_files({"a/a.yaml": config_map("a")})
    flux.apply(git_repository())
    flux.run(seconds=20)
    assert flux.ready("ArtifactGenerator", "parts")[0] == "True"


@pytest.mark.parametrize(
    ("artifacts", "spec", "reason", "message"),
    [
        ([part("a"), part("a")], {}, "ValidationFailed", "duplicate artifact name 'a' found"),
        ([part("missing")], {}, "BuildFailed",
         "no files match pattern 'missing/**' in source 'repo'"),
        ([part("a")], {"pathPattern": "@repo/{x}"}, "NotSimulated",
         "not simulated: spec.pathPattern"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_says_why(
    flux: FluxWorld, artifacts: list[Any], spec: dict[str, Any], reason: str, message: str
) -> None:
    flux.commit_files({"a/a.yaml": config_map("a")})
    flux.apply(git_repository())
    flux.run(seconds=5)
    flux.apply(generator(*artifacts, **spec))
    flux.run(seconds=5)
    assert flux.ready("ArtifactGenerator", "parts") == ("False", reason, message)
    stalled = find(flux.get("ArtifactGenerator", "parts"), "Stalled")
    assert (stalled is None) is (reason == "BuildFailed")


def test_a_part_that_is_no_longer_made_goes(flux: FluxWorld) -> None:
    flux.commit_files({"a/a.yaml": config_map("a"), "b/b.yaml": config_map("b")})
    flux.apply(git_repository(), generator(part("a"), part("b")))
    flux.run(seconds=20)
    flux.apply(generator(part("a")))
    flux.run(seconds=5)
    assert flux.live("ExternalArtifact", "b", NS) is None
    flux.sandbox.drift(f"ArtifactGenerator/{NS}/parts", None)
    flux.run(seconds=5)
    assert flux.live("ExternalArtifact", "a", NS) is None
    assert flux.live("ArtifactGenerator", "parts", NS) is None
