"""What a real Kubernetes answered, as recorded in `../shared/recorded`, and what we answer.

The recordings are of 1.36.2, and we simulate 1.37: autoscalers have a generation here, StatefulSets
a `maxUnavailable`, container lifecycles a `stopSignal`. Others that differ: the simulated kubelet
reports pods and nodes itself; messages quote whole objects in which times and versions stand. So
the limits are below a hundred percent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kubesim.clock import WallClock
from tests.served import Served

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not at hand")


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """Leads to a fresh cluster, in which time passes quickly."""
    clock = WallClock(speed=5)
    served = Served(clock)
    running = asyncio.run_coroutine_threadsafe(clock.run(), served._loop)
    yield served.kubeconfig(tmp_path / "config")
    running.cancel()
    served.stop()


def replayer() -> Any:
    """The script that compares; it waits for controllers a fifth of the time that it means to."""
    spec = spec_from_file_location("replay", RECORDED / "replay.py")
    assert spec is not None and spec.loader is not None
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.time = SimpleNamespace(
        monotonic=lambda: time.monotonic() * 5, sleep=lambda seconds: time.sleep(seconds / 5)
    )
    return module


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its sockets
@pytest.mark.parametrize(("suite", "floor"), [("objects", 91), ("policies", 96), ("rights", 97)])
def test_most_answers_are_as_recorded(kubeconfig: Path, suite: str, floor: int) -> None:
    replay = replayer()
    options = SimpleNamespace(group="", show=0, all=False, names=None)
    server = replay.Server(str(kubeconfig), None)
    try:
        counts = replay.replay(server, RECORDED / f"{suite}.jsonl.gz", options)
    finally:
        if server.connection is not None:
            server.connection.close()
    as_recorded = sum(count for (_, kind), count in counts.items() if kind != "differ")
    assert 100 * as_recorded / sum(counts.values()) >= floor
