"""Receiver, Alert and Provider: who wakes whom, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from gitops_lab.frontends.flux.receiver import Receivers, signature
from gitops_lab.model import named
from gitops_lab.sandbox import Sandbox
from tests.conftest import config_map
from tests.frontends.flux.world import FluxWorld, git_repository, kustomization, world

NOTIFY = "notification.toolkit.fluxcd.io"
NS = "flux-system"
TOKEN = "secret-token"


@pytest.fixture(name="flux")
def a_world() -> Iterator[FluxWorld]:
    yield from world()


def receiver(type: str, **spec: Any) -> dict[str, Any]:
    whole = {"type": type, "secretRef": {"name": "token"},
             "resources": [{"kind": "GitRepository", "name": "app"}], **spec}  # fmt: skip
    return named(f"{NOTIFY}/v1", "Receiver", "hook", NS, spec=whole)


def token() -> dict[str, Any]:
    return named("v1", "Secret", "token", NS, stringData={"token": TOKEN})


def post(flux: FluxWorld, headers: dict[str, str], body: bytes = b"{}", path: str = "") -> int:
    controller = flux.deployer.controllers["notification-controller"][0]
    assert isinstance(controller, Receivers)
    path = path or flux.get("Receiver", "hook")["status"]["webhookPath"]
    return controller.post(path, headers, body, flux.now)


def test_a_receiver_says_its_path(flux: FluxWorld) -> None:
    flux.apply(receiver("generic"))
    flux.run(seconds=1)
    assert flux.ready("Receiver", "hook") == (
        "False", "TokenNotFound",
        "unable to read token from secret 'flux-system/token' error: Secret \"token\" not found",
    )  # fmt: skip
    flux.apply(token())
    flux.run(seconds=30)
    path = flux.get("Receiver", "hook")["status"]["webhookPath"]
    assert path.startswith("/hook/") and len(path) == 70
    told = ("True", "Succeeded", f"Receiver initialized for path: {path}")
    assert flux.ready("Receiver", "hook") == told


@pytest.mark.parametrize(
    ("type", "spec", "headers", "code"),
    [
        ("generic", {}, {}, 200),
        ("generic-hmac", {}, {"X-Signature": signature(TOKEN, b"{}")}, 200),
        ("generic-hmac", {}, {"X-Signature": signature("other", b"{}")}, 400),
        ("generic-hmac", {}, {}, 400),
        ("github", {"events": ["push"]},
         {"X-Hub-Signature-256": signature(TOKEN, b"{}"), "X-GitHub-Event": "push"}, 200),
        ("github", {"events": ["push"]},
         {"X-Hub-Signature-256": signature(TOKEN, b"{}"), "X-GitHub-Event": "issues"}, 400),
        ("gitlab", {}, {"X-Gitlab-Token": TOKEN}, 200),
        ("gitlab", {}, {"X-Gitlab-Token": "other"}, 400),
    ],
)  # fmt: skip
def test_a_request_must_prove_itself(
    flux: FluxWorld, type: str, spec: dict[str, Any], headers: dict[str, str], code: int
) -> None:
    flux.apply(git_repository(), token(), receiver(type, **spec))
    flux.run(seconds=2)
    assert post(flux, headers) == code
    annotations = flux.get("GitRepository", "app")["metadata"].get("annotations") or {}
    assert ("reconcile.fluxcd.io/requestedAt" in annotations) is (code == 200)


def test_unknown_paths_and_suspended_receivers_are_refused(flux: FluxWorld) -> None:
    flux.apply(token(), receiver("generic"))
    flux.run(seconds=2)
    assert post(flux, {}, path="/hook/other") == 404
    flux.edit("Receiver", "hook", {"spec": {"suspend": True}})
    flux.run(seconds=1)
    assert post(flux, {}) == 503


def test_a_type_that_is_not_simulated_says_so(flux: FluxWorld) -> None:
    flux.apply(receiver("dockerhub"))
    flux.run(seconds=2)
    told = ("False", "NotSimulated", "not simulated: spec.type dockerhub")
    assert flux.ready("Receiver", "hook") == told


def test_a_webhook_brings_a_commit_into_the_cluster_at_once() -> None:
    with Sandbox("flux", "flux+webhook", seed=1) as sandbox:
        sandbox.commit("first", {"a.yaml": yaml.safe_dump(config_map("a"))})
        sandbox.run(seconds=90)
        sandbox.commit("second", {"a.yaml": yaml.safe_dump(config_map("a", x="1"))})
        sandbox.run(seconds=5)
        found = {
            name: (arm.get("ConfigMap/a") or {}).get("data") for name, arm in sandbox.arms.items()
        }
        assert found == {"flux": None, "flux+webhook": {"x": "1"}}


def alert(**spec: Any) -> dict[str, Any]:
    whole = {"providerRef": {"name": "sink"},
             "eventSources": [{"kind": "Kustomization", "name": "*"}], **spec}  # fmt: skip
    return named(f"{NOTIFY}/v1beta3", "Alert", "alert", NS, spec=whole)


def provider(type: str = "generic") -> dict[str, Any]:
    spec = {"type": type, "address": "https://example.org/hook"}
    return named(f"{NOTIFY}/v1beta3", "Provider", "sink", NS, spec=spec)


def messages(flux: FluxWorld) -> list[dict[str, Any]]:
    return [e.data["payload"] for e in flux.sandbox.journal if e.event == "notified"]


def test_an_alert_passes_events_on(flux: FluxWorld) -> None:
    flux.apply(alert(eventMetadata={"env": "lab"}), provider())
    revision = flux.commit(a=config_map("a"))
    flux.apply(git_repository(), kustomization())
    flux.run(seconds=10)
    first, last = messages(flux)
    assert first["message"] == "ConfigMap/default/a created"
    assert first["involvedObject"]["name"] == "apps" and first["severity"] == "info"
    assert first["metadata"] == {"env": "lab", "revision": revision}
    assert last["reason"] == "ReconciliationSucceeded"
    assert last["metadata"]["commit_status"] == "update"
    assert last["reportingController"] == "kustomize-controller"


def test_only_errors_pass_if_an_alert_says_so_and_equal_ones_once(flux: FluxWorld) -> None:
    flux.apply(alert(eventSeverity="error"), provider())
    flux.commit(a="kind: [")
    flux.apply(git_repository(), kustomization(retryInterval="30s"))
    flux.run(minutes=4)
    (message,) = messages(flux)
    assert (message["severity"], message["reason"]) == ("error", "BuildFailed")


def test_lists_of_patterns_choose_messages(flux: FluxWorld) -> None:
    flux.apply(alert(inclusionList=[".*finished.*"], exclusionList=["^ConfigMap"]), provider())
    flux.commit(a=config_map("a"))
    flux.apply(git_repository(), kustomization())
    flux.run(seconds=10)
    assert [m["reason"] for m in messages(flux)] == ["ReconciliationSucceeded"]


def test_a_git_host_gets_the_status_of_the_commit(flux: FluxWorld) -> None:
    flux.apply(alert(), provider("github"))
    revision = flux.commit(a=config_map("a"))
    flux.apply(git_repository(), kustomization())
    flux.run(seconds=10)
    (status,) = flux.sandbox.repository.statuses.of(revision.removeprefix("main@sha1:"))
    assert status.context.startswith("kustomization/apps/")
    assert (status.state, status.description) == ("success", "ReconciliationSucceeded")


def test_a_missing_provider_is_told_on_the_alert(flux: FluxWorld) -> None:
    flux.apply(alert())
    flux.commit(a=config_map("a"))
    flux.apply(git_repository(), kustomization())
    flux.run(seconds=10)
    text = 'failed to read provider: providers.notification.toolkit.fluxcd.io "sink" not found'
    assert ("Warning", "NotificationDispatchFailed", text) in flux.events("Alert")
