"""Every test with a `kubectl` runs once for each version of it that this machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubectl.live import Cluster, Kubectl, Program, programs
from tests.kubectl.stage import set_up

NONE = pytest.param(None, marks=pytest.mark.skip(reason="there is no kubectl on this machine"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "since(minor): needs a kubectl as new as 1.minor")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kubectl" not in metafunc.fixturenames and "stage" not in metafunc.fixturenames:
        return
    since = metafunc.definition.get_closest_marker("since")
    oldest = since.args[0] if since else 0
    found = [program for program in programs() if program.minor >= oldest]
    metafunc.parametrize("program", found or [NONE], ids=str, scope="session", indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    if Path(__file__).parent in item.path.parents:
        item.add_marker("kubectl")


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Program:
    """One version of kubectl."""
    found: Program = request.param
    return found


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that all tests of one process share."""
    with Cluster(tmp_path_factory.mktemp("cluster")).served() as cluster:
        yield cluster


@pytest.fixture
def kubectl(program: Program, cluster: Cluster, tmp_path: Path) -> Iterator[Kubectl]:
    """A kubectl with a namespace that no other test uses."""
    namespace = cluster.namespace()
    yield Kubectl(program, cluster, namespace, tmp_path)
    cluster.forget(namespace)


@pytest.fixture(scope="session")
def furnished(cluster: Cluster) -> str:
    """A namespace with one of everything, settled; tests must not change anything in it."""
    return set_up(cluster)


@pytest.fixture
def stage(program: Program, cluster: Cluster, furnished: str, tmp_path: Path) -> Kubectl:
    """A kubectl in the furnished namespace, to look only."""
    return Kubectl(program, cluster, furnished, tmp_path)
