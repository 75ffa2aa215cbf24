"""What a live sandbox keeps in memory.

What is resident is what counts, as Linux tells it; elsewhere there are no figures.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from time import sleep

from bench.harness import Figure
from bench.live import shell
from gitops_lab.model import Object
from gitops_lab.sandbox import ARMS
from gitops_lab.worlds.served import ServedCluster
from kubesim.clock import WallClock

PODS = 5_000
SETTLE = 2.0
"""Seconds until a sandbox that is up has done what there is to do."""


def memory(rounds: int) -> list[Figure]:
    """A sandbox with its two clusters, one cluster more, one pod more."""
    if not Path("/proc/self/status").exists():
        return []
    two, more, pod = [], [], []
    for _ in range(min(rounds, 3)):
        two.append(_sandbox())
        more.append((_sandbox("--arms", ",".join(ARMS)) - two[-1]) / (len(ARMS) - 2))
        pod.append(_per_pod())
    return [
        Figure("memory: two empty clusters, with their deployers", tuple(two), "MB", 120),
        Figure("memory: each further empty cluster, with its deployer", tuple(more), "MB", 5),
        Figure("memory: each stored pod, beyond its JSON", tuple(pod), "kB", 10),
    ]


def _sandbox(*arguments: str) -> float:
    """Megabytes of the process of a sandbox."""
    with shell() as person:
        person.lab("up", *arguments)
        sleep(SETTLE)
        return _resident(person.process()["pid"]) / 1e6


def _per_pod() -> float:
    """Kilobytes of a process that has only just begun."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.memory"], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def _resident(process: int | str = "self") -> int:
    """Bytes of a process that are in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


async def _measure(folder: Path) -> float:
    cluster = ServedCluster("bench", folder, clock=WallClock(), random=Random(1))
    await cluster.start()
    api = cluster.simulated.api
    resource = api.registry.by_kind("v1", "Pod")
    gc.collect()
    before, text = _resident(), 0
    for number in range(PODS):
        made = api.create(resource, _pod(number), namespace="default")
        text += len(json.dumps(made, separators=(",", ":")))
    gc.collect()
    after = _resident()
    await cluster.stop()
    return (after - before - text) / PODS / 1e3


def _pod(number: int) -> Object:
    container = {"name": "web", "image": f"registry.example/web:{number}"}
    metadata = {"name": f"web-{number}", "labels": {"app": f"web-{number}"}}
    spec = {"containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(asyncio.run(_measure(Path(name, "cluster"))))
