"""One suite, several clusters: what is asserted here is what Kubernetes does.

Every test gets a `Subject`: the Cluster port, and a way to let time pass until something holds.
On a simulated cluster time is virtual; on a real one it is waited for.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import pytest

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.model import Object, ObjectKey, named
from gitops_lab.ports import ADMINISTRATORS, Cluster, Credentials
from kubesim.clock import SimClock
from tests.conformance.requests import Requests, Rest, Verbs
from tests.served import Served

LIMIT = 120.0
"""Seconds that anything may take to come about."""

_numbers = count(1)


@dataclass
class Subject:
    """The cluster under test.

    Args:
        cluster: its API, as deployers see it.
        requests: its API, as all others see it.
        pass_time: lets so many seconds pass.
        namespace: where this test, and no other, puts its objects.
    """

    cluster: Cluster
    requests: Requests
    pass_time: Callable[[float], None]
    namespace: str

    def key(self, kind: str, name: str, group: str = "") -> ObjectKey:
        """The key of an object in this test's namespace."""
        return ObjectKey(group, kind, self.namespace, name)

    def get(self, key: ObjectKey) -> Object:
        """The live object, which must be there."""
        found = self.cluster.get(key)
        assert found is not None, f"{key} is not there"
        return found

    def apply(self, body: Object, manager: str = "test", **options: Any) -> Object:
        """Server-side apply into this test's namespace."""
        metadata = {**body["metadata"], "namespace": self.namespace}
        return self.cluster.apply({**body, "metadata": metadata}, manager=manager, **options)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Let time pass until a condition holds; what it answered."""
        passed = 0.0
        while not (found := condition()):
            assert passed < LIMIT, f"still not after {LIMIT:.0f} s: {what}"
            self.pass_time(1.0)
            passed += 1.0
        return found


def in_process() -> Iterator[Subject]:
    """The verbs of a simulated cluster, without HTTP."""
    clock = SimClock()
    simulated = SimulatedCluster("conformance", clock=clock, random=Random(1))
    task = clock.drive("cluster", simulated.step)
    simulated.on_change(lambda key: clock.wake(task))
    cluster = simulated.connect(Credentials("conformance", inside=True, groups=ADMINISTRATORS))
    namespace = f"conformance-{next(_numbers)}"
    requests = Verbs(simulated.api, namespace)
    yield Subject(cluster, requests, lambda seconds: clock.run(seconds=seconds), namespace)


@cache
def served() -> tuple[KubeconfigCluster, Rest, Callable[[float], None]]:
    """A simulated cluster behind its HTTPS server, for all tests of this process.

    It is shared, as a real cluster would be, and ends with the process.
    """
    clock = SimClock()
    made = Served(clock)

    async def pass_time(seconds: float) -> None:
        clock.run(seconds=seconds)

    folder = Path(mkdtemp(prefix="gitops-lab-conformance-"))
    atexit.register(rmtree, folder)
    config = made.kubeconfig(folder / "config")
    cluster = KubeconfigCluster("https", config, cache=folder / "cache.json")
    rest = Rest.of(config, "", folder / "rest.json")
    return cluster, rest, lambda seconds: made.on_loop(pass_time(seconds))


def over_https() -> Iterator[Subject]:
    """The same verbs through the HTTPS server and the official Python client."""
    cluster, rest, pass_time = served()
    namespace = f"conformance-{next(_numbers)}"
    yield Subject(cluster, rest.within(namespace), pass_time, namespace)


def of_a_kubeconfig(options: Any, folder: Path) -> Iterator[Subject]:
    """A cluster of the user's choice, in real time."""
    path, context = Path(options.kubeconfig), options.context
    cluster = KubeconfigCluster("yours", path, context=context, cache=folder / "cache.json")
    rest = Rest.of(path, context, folder / "rest.json")
    namespace = f"conformance-{os.getpid()}-{next(_numbers)}"
    try:
        yield Subject(cluster, rest.within(namespace), time.sleep, namespace)
    finally:
        cluster.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        markers = {mark.name for mark in metafunc.definition.iter_markers()}
        ours = ["https"] if markers & {"users", "stream"} else ["in-process", "https"]
        yours = ["kubeconfig"] if metafunc.config.option.kubeconfig else []
        metafunc.parametrize("subject", [*ours, *yours], indirect=True)


@pytest.fixture
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    makers = {
        "in-process": in_process,
        "https": over_https,
        "kubeconfig": lambda: of_a_kubeconfig(request.config.option, tmp_path),
    }
    with contextmanager(makers[request.param])() as made:
        made.cluster.apply(named("v1", "Namespace", made.namespace), manager="conformance")
        account = made.key("ServiceAccount", "default")  # without it there are no pods
        made.until(lambda: made.cluster.get(account), "the default ServiceAccount")
        yield made
        made.cluster.delete(ObjectKey("", "Namespace", "", made.namespace))
