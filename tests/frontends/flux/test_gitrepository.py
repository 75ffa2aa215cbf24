"""GitRepository: revisions, conditions, events, timings and errors, as in source-controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gitops_lab.sandbox import URL
from tests.conftest import config_map
from tests.frontends.flux.world import FluxWorld, git_repository, world


@pytest.fixture(name="flux")
def a_world() -> Iterator[FluxWorld]:
    yield from world()


def test_a_commit_becomes_an_artifact(flux: FluxWorld) -> None:
    revision = flux.commit("Add settings\n\nand more", settings=config_map())
    flux.apply(git_repository())
    flux.run(seconds=5)
    status = flux.get("GitRepository", "app")["status"]
    artifact, commit = status["artifact"], revision.removeprefix("main@sha1:")
    assert artifact["revision"] == revision
    assert artifact["path"] == f"gitrepository/flux-system/app/{commit}.tar.gz"
    assert artifact["url"].endswith(f".cluster.local./{artifact['path']}")
    assert status["observedGeneration"] == 1
    text = f"stored artifact for revision '{revision}'"
    assert [(c["type"], c["status"], c["reason"], c["message"]) for c in status["conditions"]] == [
        ("Ready", "True", "Succeeded", text),
        ("ArtifactInStorage", "True", "Succeeded", text),
    ]
    told = ("Normal", "NewArtifact", "stored artifact for commit 'Add settings'")
    assert flux.events("GitRepository") == [told]


def test_what_a_watcher_sees_of_a_first_run(flux: FluxWorld) -> None:
    revision = flux.commit(settings=config_map())
    flux.apply(git_repository())
    flux.run(seconds=5)
    new = f"building artifact: new upstream revision '{revision}'"
    done = f"stored artifact for revision '{revision}'"
    assert flux.conditions("GitRepository", "app") == [
        ("Reconciling", "True", "Progressing", "building artifact"),
        ("Ready", "Unknown", "Progressing", "building artifact"),
        ("Reconciling", "True", "Progressing", new),
        ("Ready", "Unknown", "Progressing", new),
        ("Ready", "True", "Succeeded", done),
        ("ArtifactInStorage", "True", "Succeeded", done),
    ]


def test_an_unchanged_branch_is_looked_at_and_not_cloned(flux: FluxWorld) -> None:
    revision = flux.commit(settings=config_map())
    flux.apply(git_repository())
    flux.run(seconds=5)
    stored = flux.get("GitRepository", "app")["status"]["artifact"]
    flux.run(minutes=2)
    assert flux.get("GitRepository", "app")["status"]["artifact"] == stored
    text = f"no changes since last reconciliation: observed revision '{revision}'"
    assert flux.events("GitRepository")[-1] == ("Normal", "GitOperationSucceeded", text)


def test_a_new_commit_is_seen_within_the_interval(flux: FluxWorld) -> None:
    flux.commit(settings=config_map())
    flux.apply(git_repository())
    flux.run(minutes=2)
    revision = flux.commit(settings=config_map(a="b"))
    flux.run(seconds=65)
    assert flux.get("GitRepository", "app")["status"]["artifact"]["revision"] == revision
    assert ("ArtifactOutdated", "True", "NewRevision", f"new upstream revision '{revision}'") in (
        flux.conditions("GitRepository", "app")
    )


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        (
            {"ref": {"branch": "other"}},
            "GitOperationFailed",
            "failed to checkout and determine revision: unable to clone "
            f"'{URL}': couldn't find remote ref \"refs/heads/other\"",
        ),
        (
            {"ref": {"tag": "v9"}},
            "GitOperationFailed",
            "failed to checkout and determine revision: unable to clone "
            f"'{URL}': couldn't find remote ref \"refs/tags/v9\"",
        ),
        (
            {"ref": {"semver": ">=1.0.0"}},
            "GitOperationFailed",
            "failed to checkout and determine revision: unable to clone "
            f"'{URL}': no match found for semver: >=1.0.0",
        ),
        (
            {"secretRef": {"name": "key"}},
            "AuthenticationFailed",
            "failed to get secret 'flux-system/key': secrets \"key\" not found",
        ),
    ],
)
def test_what_cannot_be_fetched_says_why(
    flux: FluxWorld, spec: dict[str, Any], reason: str, message: str
) -> None:
    flux.commit(settings=config_map())
    flux.apply(git_repository(**spec))
    flux.run(seconds=1)
    assert flux.ready("GitRepository", "app") == ("False", reason, message)
    status = flux.get("GitRepository", "app")["status"]
    assert status["observedGeneration"] == -1
    found = {c["type"]: c["reason"] for c in status["conditions"]}
    assert found["Reconciling"] == "ProgressingWithRetry"
    assert found["FetchFailed"] == reason
    assert ("Warning", reason, message) in flux.events("GitRepository")


def test_an_address_that_leads_nowhere_is_retried_with_a_backoff(flux: FluxWorld) -> None:
    flux.apply(git_repository(url="https://example.org/other.git"))
    flux.run(minutes=1)
    event = next(
        event
        for event in flux.kubectl.list("", "Event", namespace="flux-system")
        if event["reason"] == "GitOperationFailed"
    )
    assert event["count"] == 7  # after 0.75, 1.5, 3, 6, 12 and 24 seconds: not at the interval
    assert "unable to list remote for 'https://example.org/other.git'" in event["message"]


def test_an_empty_repository_says_so_and_recovers(flux: FluxWorld) -> None:
    flux.apply(git_repository())
    flux.run(seconds=10)
    assert flux.ready("GitRepository", "app") == (
        "False", "EmptyGitRepository", "git repository is empty",
    )  # fmt: skip
    flux.commit("First", settings=config_map())
    flux.run(minutes=1)
    assert flux.ready("GitRepository", "app")[0] == "True"
    told = ("Normal", "Succeeded", "stored artifact for commit 'First'")
    assert told in flux.events("GitRepository")


def test_a_request_is_answered_even_if_the_run_fails(flux: FluxWorld) -> None:
    flux.apply(git_repository())
    flux.run(minutes=5)
    flux.request("GitRepository", "app", "token-1")
    flux.run(seconds=1)
    assert flux.get("GitRepository", "app")["status"]["lastHandledReconcileAt"] == "token-1"
    assert flux.ready("GitRepository", "app")[0] == "False"


def test_while_it_is_suspended_a_new_commit_changes_nothing(flux: FluxWorld) -> None:
    first = flux.commit(settings=config_map())
    flux.apply(git_repository())
    flux.run(seconds=5)
    flux.edit("GitRepository", "app", {"spec": {"suspend": True}})
    second = flux.commit(settings=config_map(a="b"))
    flux.run(minutes=5)
    status = flux.get("GitRepository", "app")["status"]
    assert status["artifact"]["revision"] == first
    assert status["observedGeneration"] == 2
    flux.edit("GitRepository", "app", {"spec": {"suspend": False}})
    flux.run(seconds=5)
    assert flux.get("GitRepository", "app")["status"]["artifact"]["revision"] == second


def test_an_outage_leaves_the_artifact_in_place(flux: FluxWorld) -> None:
    revision = flux.commit(settings=config_map())
    flux.apply(git_repository())
    flux.run(seconds=5)
    flux.sandbox.repository.reachable = False
    flux.run(minutes=2)
    assert flux.ready("GitRepository", "app")[:2] == ("False", "GitOperationFailed")
    assert flux.get("GitRepository", "app")["status"]["artifact"]["revision"] == revision


def test_another_pod_builds_the_artifact_again(flux: FluxWorld) -> None:
    revision = flux.commit(settings=config_map())
    flux.apply(git_repository())
    flux.run(seconds=5)
    flux.deployer.restart("source-controller")
    flux.run(minutes=2)
    text = "building artifact: disappeared from storage"
    assert ("Ready", "Unknown", "Progressing", text) in flux.conditions("GitRepository", "app")
    assert flux.get("GitRepository", "app")["status"]["artifact"]["revision"] == revision


def test_ignored_files_are_not_in_the_artifact(flux: FluxWorld) -> None:
    flux.commit_files({".github/workflow.yaml": "on: push", "a.yaml": config_map("a"),
                       "secret/b.yaml": config_map("b")})  # fmt: skip
    flux.apply(git_repository(), git_repository("own", ignore="secret/\n"))
    flux.run(seconds=5)
    paths = {
        name: set(flux.deployer.storage.fetch(
            flux.get("GitRepository", name)["status"]["artifact"]["path"]).files)
        for name in ("app", "own")
    }  # fmt: skip
    assert paths == {
        "app": {"a.yaml", "secret/b.yaml"},
        "own": {".github/workflow.yaml", "a.yaml"},
    }


def test_another_repository_is_included_below_its_path(flux: FluxWorld) -> None:
    flux.commit_files({"a.yaml": config_map("a")})
    include = [{"repository": {"name": "base"}, "toPath": "vendor/base"}]
    flux.apply(git_repository(include=include))
    flux.run(seconds=2)
    status, reason, message = flux.ready("GitRepository", "app")
    assert (status, reason) == ("False", "IncludeUnavailable")
    assert 'gitrepositories.source.toolkit.fluxcd.io "base" not found' in message
    flux.apply(git_repository("base"))
    flux.run(seconds=40)
    path = flux.get("GitRepository", "app")["status"]["artifact"]["path"]
    assert set(flux.deployer.storage.fetch(path).files) == {"a.yaml", "vendor/base/a.yaml"}


def test_what_is_not_simulated_says_so(flux: FluxWorld) -> None:
    flux.commit(settings=config_map())
    flux.apply(git_repository(recurseSubmodules=True))
    flux.run(seconds=2)
    told = ("False", "NotSimulated", "not simulated: spec.recurseSubmodules")
    assert flux.ready("GitRepository", "app") == told


def test_a_deleted_source_takes_its_artifacts_along(flux: FluxWorld) -> None:
    flux.commit(settings=config_map())
    flux.apply(git_repository())
    flux.run(seconds=5)
    path = flux.get("GitRepository", "app")["status"]["artifact"]["path"]
    flux.sandbox.drift("GitRepository/flux-system/app", None)
    flux.run(seconds=5)
    assert flux.live("GitRepository", "app", "flux-system") is None
    assert not flux.deployer.storage.has(path)
