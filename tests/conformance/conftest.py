"""One suite, several clusters: what is asserted here is what Kubernetes does.

Every test gets a `Subject`: the Cluster port, and a way to let time pass until something holds.
On a simulated cluster time is virtual; on a real one it is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import pytest

from gitops_lab.clock import SimClock
from gitops_lab.cluster.simulated import SimulatedCluster
from gitops_lab.model import Object, ObjectKey, named
from gitops_lab.ports import Cluster, Credentials

LIMIT = 120.0
"""Seconds that anything may take to come about."""

_numbers = count(1)


@dataclass
class Subject:
    """The cluster under test.

    Args:
        cluster: its API.
        pass_time: lets so many seconds pass.
        namespace: where this test, and no other, puts its objects.
    """

    cluster: Cluster
    pass_time: Callable[[float], None]
    namespace: str = field(default_factory=lambda: f"conformance-{next(_numbers)}")

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
    cluster = simulated.connect(Credentials("conformance", inside=True))
    yield Subject(cluster, lambda seconds: clock.run(seconds=seconds))


SUBJECTS = {"in-process": in_process}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        metafunc.parametrize("subject", SUBJECTS, indirect=True)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    for made in SUBJECTS[request.param]():
        made.cluster.apply(named("v1", "Namespace", made.namespace), manager="conformance")
        yield made
        made.cluster.delete(ObjectKey("", "Namespace", "", made.namespace))
