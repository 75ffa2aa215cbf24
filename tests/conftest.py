"""What many tests need: a cluster in memory, a clock, and desired objects in a few words."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from gitops_lab.cluster.simulated import SimulatedCluster, SimulatedConnection
from gitops_lab.journal import Journal
from gitops_lab.model import Artifact, Revision
from gitops_lab.ports import ADMINISTRATORS, Credentials
from kubesim.clock import SimClock

INSIDE = Credentials("test", inside=True, groups=ADMINISTRATORS)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--kubeconfig", help="ask the conformance suite of this cluster, too")
    group.addoption("--context", default="", help="which context of that kubeconfig")


def pytest_configure(config: pytest.Config) -> None:
    # Messages name the program as people type it, wherever the tests are started from.
    os.environ["PATH"] = os.pathsep.join((os.environ["PATH"], str(Path(sys.executable).parent)))
    config.addinivalue_line("markers", "allows_errors: kubesim may log errors, which fail others")
    config.addinivalue_line("markers", "pods: needs nodes that run pods")
    config.addinivalue_line("markers", "users: it matters who asks, which HTTPS alone knows")
    config.addinivalue_line("markers", "stream: of what HTTPS alone tells in a watch")


@pytest.fixture(autouse=True)
def _no_errors_of_ours(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test passes while a controller, a listener or a request of kubesim fails unexpectedly."""
    found: list[str] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record))

    logger, handler = logging.getLogger("kubesim"), Collecting(logging.ERROR)
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    if request.node.get_closest_marker("allows_errors") is None:
        assert not found, "\n".join(found)


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture
def journal(clock: SimClock) -> Journal:
    return Journal(clock)


@pytest.fixture
def simulated(clock: SimClock) -> SimulatedCluster:
    """A cluster whose controllers the clock drives."""
    return new_cluster(clock)


@pytest.fixture
def cluster(simulated: SimulatedCluster) -> SimulatedConnection:
    """The Cluster port of `simulated`."""
    return simulated.connect(INSIDE)


def new_cluster(clock: SimClock, seed: int = 1) -> SimulatedCluster:
    cluster = SimulatedCluster("test", clock=clock, random=Random(seed))
    task = clock.drive("cluster", cluster.step)
    cluster.on_change(lambda key: clock.wake(task))
    return cluster


def artifact(files: Mapping[str, str | list[dict[str, Any]] | dict[str, Any]]) -> Artifact:
    """An artifact with these files; objects are written as YAML."""
    texts = {
        path: content if isinstance(content, str) else yaml.safe_dump_all(
            content if isinstance(content, list) else [content]
        )
        for path, content in files.items()
    }  # fmt: skip
    content = {path: text.encode() for path, text in texts.items()}
    digest = hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()
    return Artifact(Revision("main", digest[:40]), content, f"sha256:{digest}")


def dump(*objects: dict[str, Any]) -> str:
    return yaml.safe_dump_all(objects)


def config_map(name: str = "settings", namespace: str = "", **data: str) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def deployment(name: str = "web", image: str = "shop:1", **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": name, "image": image}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            **spec,
        },
    }
