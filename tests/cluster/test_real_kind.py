"""The real kind and the real Docker, where they are found; and the stand-ins in their place.

What Kubernetes does is asserted by the conformance suite, which is run here on clusters by kind.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_lab.cluster import causes
from gitops_lab.cluster.commands import CommandFailed
from gitops_lab.cluster.containers import look
from gitops_lab.cluster.kind import MINIMUM, Kind, Shape, preflight, version
from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.errors import LabError
from tests.cluster.conftest import ROOT, Machine


def conformance(kubeconfig: Path, *arguments: str) -> str:
    """Ask the conformance suite of a cluster; what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "kubeconfig",
            "--kubeconfig", str(kubeconfig), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=1_800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_simulated_cluster_by_kind_does_what_kubernetes_does(
    machine: Machine, tmp_path: Path
) -> None:
    kind = Kind("conformance", tmp_path / "sandbox")
    path = asyncio.run(kind.create("one"))
    assert " passed" in conformance(path, "tests/conformance/test_objects.py")
    asyncio.run(kind.delete_all())
    assert machine.processes() == []


# -- with an engine --------------------------------------------------------------------------------


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Kind]:
    """The real kind; none of its clusters remains."""
    try:
        asyncio.run(preflight())
    except LabError as error:
        pytest.skip(error.what)
    kind = Kind(f"test-{os.getpid()}", tmp_path / "sandbox", progress=print)
    try:
        yield kind
    finally:
        asyncio.run(kind.delete_all())


@pytest.mark.kind
def test_a_real_cluster_does_what_kubernetes_does(real: Kind) -> None:
    path = asyncio.run(real.create("one"))
    assert asyncio.run(real.clusters()) == ["one"]
    assert " passed" in conformance(path, "tests/conformance")


@pytest.mark.kind
def test_real_clusters_are_made_with_labels_and_workers_and_removed(real: Kind) -> None:
    paths = asyncio.run(real.create_all(["one", "two"], Shape(workers=1)))
    for name, path in zip(("one", "two"), paths, strict=True):
        cluster = KubeconfigCluster(name, path, cache=path.with_name("discovery.json"))
        ours = {"gitops-lab/sandbox": real.sandbox, "gitops-lab/cluster": name}
        assert len(cluster.list("", "Node", labels=ours)) == 2
        cluster.close()
    assert asyncio.run(real.delete_all()) == ["one", "two"]
    assert asyncio.run(real.clusters()) == []


# -- without one -----------------------------------------------------------------------------------


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's engine is where nothing listens."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "docker")


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
@pytest.mark.usefixtures("no_engine")
def test_the_real_dockers_words_are_understood() -> None:
    with pytest.raises(CommandFailed) as caught:
        asyncio.run(look("docker"))
    assert caught.value.cause is causes.NOT_RUNNING


@pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed")
@pytest.mark.usefixtures("no_engine")
def test_the_real_kinds_words_are_understood(tmp_path: Path) -> None:
    assert asyncio.run(version()) >= MINIMUM
    with pytest.raises(CommandFailed) as caught:
        asyncio.run(Kind("test", tmp_path).create("one"))
    assert caught.value.cause is causes.NOT_RUNNING
