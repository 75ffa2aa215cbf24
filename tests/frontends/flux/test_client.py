"""What the commands print: held against the golden files of flux2, and on worlds of our own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_lab.frontends.flux.client import actions, diff, graph, tables
from gitops_lab.frontends.flux.client.kinds import KINDS, kind_named
from gitops_lab.frontends.flux.client.session import CommandFailed, Session, table
from gitops_lab.model import ObjectKey, named
from gitops_lab.sandbox import URL
from gitops_lab.worlds.virtual import VirtualCluster
from tests.conftest import artifact, config_map, deployment
from tests.frontends.flux.world import FluxWorld, git_repository, kustomization, world

GOLDEN = Path(__file__).parents[3].parent / "shared" / "data" / "golden" / "flux-cli"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="no golden files at ../shared")

NS = "flux-system"
GIT, KS = kind_named("source", "git"), kind_named("ks")


@dataclass
class Terminal:
    """A session in a world, and what it printed."""

    flux: FluxWorld
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    def session(self, namespace: str = NS, timeout: float = 300) -> Session:
        cluster = self.flux.arm.cluster
        assert isinstance(cluster, VirtualCluster)
        registry = cluster.api.registry
        return Session(
            self.flux.kubectl,
            out=self.out.append,
            err=self.err.append,
            sleep=lambda seconds: self.flux.run(seconds=seconds),
            now=lambda: self.flux.now,
            namespace=namespace,
            timeout=timeout,
            kinds=lambda: [(r.group, r.kind) for r in registry.all()],
        )

    @property
    def text(self) -> str:
        return "".join(self.out)

    @property
    def said(self) -> str:
        return "\n".join(self.err)


@pytest.fixture(name="flux")
def a_world() -> Iterator[FluxWorld]:
    yield from world()


@pytest.fixture
def terminal(flux: FluxWorld) -> Terminal:
    return Terminal(flux)


def load(flux: FluxWorld, path: str) -> None:
    """Create the objects of a golden test, with their status, while no controller runs."""
    flux.sandbox.stop("flux")
    text = (GOLDEN / path).read_text().replace("{{ .fluxns }}", NS)
    served = {"v1beta1": "v1", "v1beta2": "v1"}
    for body in yaml.safe_load_all(text):
        if body is None:
            continue
        group, _, version = body["apiVersion"].rpartition("/")
        if group:
            body["apiVersion"] = f"{group}/{served.get(version, version)}"
        status = body.pop("status", None)
        flux.kubectl.apply(body, manager="test")
        if status is not None:
            key = ObjectKey.of(body)
            flux.kubectl.patch(key, {"status": status}, manager="test", subresource="status")


def golden(path: str) -> str:
    return (GOLDEN / path).read_text().replace("{{ .fluxns }}", NS).replace("{{ .ns }}", NS)


# -- against the golden files --------------------------------------------------------------------


@needs_golden
@pytest.mark.parametrize(
    ("objects", "expected", "options"),
    [
        ("objects", "get", {}),
        ("objects", "get_label_one", {"labels": {"sharding.fluxcd.io/key": "shard1"}}),
        ("status_objects", "get_status_ready_true", {"status": ("ready", "true")}),
        ("status_objects", "get_status_ready_false", {"status": ("ready", "false")}),
        ("status_objects", "get_status_ready_not_true", {"status": ("ready!", "true")}),
    ],
)
def test_get(
    flux: FluxWorld, terminal: Terminal, objects: str, expected: str, options: dict[str, Any]
) -> None:
    load(flux, f"get/{objects}.yaml")
    assert tables.get(terminal.session(), [GIT], **options) == 0
    assert terminal.text == golden(f"get/{expected}.golden")


@needs_golden
@pytest.mark.parametrize(
    ("name", "compact", "expected"),
    [("flux-system", False, "tree"), ("flux-system", True, "tree-compact"),
     ("empty", False, "tree-empty")],
)  # fmt: skip
def test_tree(flux: FluxWorld, terminal: Terminal, name: str, compact: bool, expected: str) -> None:
    load(flux, "tree/kustomizations.yaml")
    assert graph.tree(terminal.session(), name, compact=compact) == 0
    assert terminal.text == golden(f"tree/{expected}.golden")


def deployed(flux: FluxWorld) -> str:
    """A tag, and a source and a Kustomization `tkfg` that deploy it; the revision."""
    revision = flux.commit(a=config_map("a")).removeprefix("main@")
    from gitops_lab.forge.command import git

    git("tag", "6.3.5", revision.removeprefix("sha1:"), cwd=flux.sandbox.repository.path)
    flux.apply(git_repository("tkfg", ref={"tag": "6.3.5"}), kustomization("tkfg", "tkfg"))
    flux.run(seconds=10)
    return f"6.3.5@{revision}"


def compare(terminal: Terminal, name: str, revision: str) -> None:
    expected = golden(f"kustomization/{name}.golden").strip()
    known = "6.3.5@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9"
    assert terminal.said == expected.replace(known, revision)


@needs_golden
def test_reconcile_with_source(flux: FluxWorld, terminal: Terminal) -> None:
    revision = deployed(flux)
    assert actions.reconcile(terminal.session(), KS, "tkfg", with_source=True) == 0
    compare(terminal, "reconcile_kustomization_from_git", revision)


@needs_golden
def test_suspend_and_resume(flux: FluxWorld, terminal: Terminal) -> None:
    revision = deployed(flux)
    assert actions.suspend(terminal.session(), KS, ["tkfg"]) == 0
    compare(terminal, "suspend_kustomization_from_git", revision)
    terminal.err.clear()
    assert actions.resume(terminal.session(), KS, ["tkfg"]) == 0
    compare(terminal, "resume_kustomization_from_git", revision)
    terminal.err.clear()
    actions.suspend(terminal.session(), KS, ["tkfg", "foo", "bar"])
    compare(terminal, "suspend_kustomization_from_git_multiple_args", revision)
    terminal.err.clear()
    actions.resume(terminal.session(), KS, ["tkfg", "foo", "bar"])
    compare(terminal, "resume_kustomization_from_git_multiple_args", revision)


@needs_golden
def test_create_and_delete(flux: FluxWorld, terminal: Terminal) -> None:
    revision = deployed(flux)
    for kind in ("Kustomization", "GitRepository"):
        flux.sandbox.drift(f"{kind}/{NS}/tkfg", None)
    flux.run(seconds=5)
    source = git_repository("tkfg", ref={"tag": "6.3.5"})
    assert actions.create(terminal.session(), GIT, source) == 0
    compare(terminal, "create_source_git", revision)
    terminal.err.clear()
    assert actions.create(terminal.session(), KS, kustomization("tkfg", "tkfg")) == 0
    compare(terminal, "create_kustomization_from_git", revision)
    terminal.err.clear()
    assert actions.delete(terminal.session(), KS, "tkfg") == 0
    compare(terminal, "delete_kustomization_from_git", revision)


# -- what has no golden file ---------------------------------------------------------------------


def test_nothing_there_is_said_with_its_kind(terminal: Terminal) -> None:
    assert tables.get(terminal.session(), [KS]) == 1
    assert terminal.said == '✗ no Kustomization objects found in "flux-system" namespace'


def test_every_kind_has_a_table(flux: FluxWorld, terminal: Terminal) -> None:
    deployed(flux)
    flux.apply(
        named("notification.toolkit.fluxcd.io/v1beta3", "Provider", "hook", NS,
              spec={"type": "generic", "address": "http://example.org"}),
        named("notification.toolkit.fluxcd.io/v1beta3", "Alert", "all", NS,
              spec={"providerRef": {"name": "hook"},
                    "eventSources": [{"kind": "Kustomization", "name": "*"}]}),
    )  # fmt: skip
    assert tables.get(terminal.session(""), list(KINDS), with_kind=True) == 0
    lines = terminal.text.splitlines()
    assert lines[0].startswith("NAMESPACE  \tNAME")
    assert any("kustomization/tkfg" in line and "Applied revision: 6.3.5@sha1:" in line
               for line in lines)  # fmt: skip
    assert any("alert/all" in line and "Alert is Ready" in line for line in lines)
    assert any("provider/hook" in line and "Provider is Ready" in line for line in lines)


def test_a_suspended_object_cannot_be_reconciled(flux: FluxWorld, terminal: Terminal) -> None:
    deployed(flux)
    flux.edit("Kustomization", "tkfg", {"spec": {"suspend": True}})
    assert actions.reconcile(terminal.session(), KS, "tkfg") == 1
    assert terminal.said == "✗ resource is suspended"


def test_a_failed_run_is_told_with_its_message(flux: FluxWorld, terminal: Terminal) -> None:
    deployed(flux)
    flux.edit("Kustomization", "tkfg", {"spec": {"path": "./missing"}})
    flux.run(seconds=2)
    assert actions.reconcile(terminal.session(), KS, "tkfg") == 1
    assert terminal.err[-1].startswith(
        "✗ Kustomization reconciliation failed: 'kustomization path not found: "
    )


def test_waiting_ends_after_the_timeout(flux: FluxWorld, terminal: Terminal) -> None:
    deployed(flux)
    flux.sandbox.stop("flux")
    with pytest.raises(CommandFailed, match="context deadline exceeded"):
        actions.reconcile(terminal.session(timeout=20), KS, "tkfg")


def test_trace_leads_from_an_object_to_its_source(flux: FluxWorld, terminal: Terminal) -> None:
    revision = deployed(flux)
    assert graph.trace(terminal.session(), "configmap", "a", namespace="default") == 0
    lines = terminal.text.splitlines()
    assert lines[:6] == [
        "Object:         ConfigMap/a",
        "Namespace:      default",
        "Status:         Managed by Flux",
        "---",
        "Kustomization:  tkfg",
        "Namespace:      flux-system",
    ]
    assert f"Revision:       {revision}" in lines
    assert "GitRepository:  tkfg" in lines and f"URL:            {URL}" in lines
    assert "Tag:            6.3.5" in lines
    terminal.out.clear()
    flux.apply(config_map("other", "default"))
    graph.trace(terminal.session(), "configmap", "other", namespace="default")
    assert terminal.text == "object not managed by Flux\n"


def test_events_of_an_object_are_shown_with_those_of_its_source(
    flux: FluxWorld, terminal: Terminal
) -> None:
    deployed(flux)
    assert tables.events(terminal.session(), "Kustomization/tkfg") == 0
    text = terminal.text
    assert text.startswith("LAST SEEN\tTYPE  \tREASON")
    assert "GitRepository/tkfg" in text and "Kustomization/tkfg" in text


def test_diff_shows_what_a_folder_would_change(flux: FluxWorld, terminal: Terminal) -> None:
    flux.commit(web=deployment("web", replicas=2), old=config_map("old"))
    flux.apply(git_repository(), kustomization())
    flux.run(seconds=10)
    here = artifact({
        "web.yaml": deployment("web", replicas=3), "new.yaml": config_map("new"),
    })  # fmt: skip
    assert diff.diff_folder(terminal.session(), "apps", here, "") == 1
    assert terminal.text == (
        "► ConfigMap/default/new created\n"
        "► Deployment/default/web drifted\n\n"
        "spec.replicas\n  ± value change\n    - 2\n    + 3\n\n\n"
        "► ConfigMap/default/old deleted\n"
    )
    assert terminal.said == "✗ identified at least one change, exiting with non-zero exit code"
    terminal.out.clear()
    same = artifact({"web.yaml": deployment("web", replicas=2), "old.yaml": config_map("old")})
    assert diff.diff_folder(terminal.session(), "apps", same, "") == 0
    assert terminal.text == ""


def test_values_of_secrets_are_never_shown(flux: FluxWorld, terminal: Terminal) -> None:
    def secret(value: str) -> Any:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                "stringData": {"password": value}}  # fmt: skip

    flux.commit(s=secret("hunter2"))
    flux.apply(git_repository(), kustomization())
    flux.run(seconds=10)
    here = artifact({"s.yaml": secret("hunter3")})
    diff.diff_folder(terminal.session(), "apps", here, "")
    diff.build_folder(terminal.session(), "apps", here, "")
    assert "*** (before)" in terminal.text and "*** (after)" in terminal.text
    assert "hunter" not in terminal.text and "aHVudGVy" not in terminal.text


def test_what_is_exported_can_be_applied_again(flux: FluxWorld, terminal: Terminal) -> None:
    deployed(flux)
    tables.export(terminal.session(), KS, ["tkfg"])
    body = yaml.safe_load(terminal.text)
    assert body["metadata"] == {"name": "tkfg", "namespace": NS}
    assert "status" not in body
    flux.kubectl.apply(body, manager="test")


def test_a_table_pads_its_cells_and_puts_tabs_between_them() -> None:
    assert table(["A", "LONG"], [["xyz", "1"]]) == "A  \tLONG \nxyz\t1   \t\n"
