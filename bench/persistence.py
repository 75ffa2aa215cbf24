"""What it costs that a cluster outlives its process."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

from bench.harness import Figure, each, seconds
from gitops_lab.model import Object, ObjectKey
from gitops_lab.sandbox import Sandbox
from kubesim.persistence import Log
from kubesim.store import Key, Store

PODS = 5_000
"""How large the cluster is that a process finds."""


def persistence(rounds: int) -> list[Figure]:
    """Writes with and without a log, and a cluster's way back from one."""
    pod = _pod()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_memory = _updates(Store(), pod, rounds)
        with Log(folder / "small") as log:
            kept = _updates(log.store, pod, rounds)
        with Log(folder / "large") as log:
            for number in range(PODS):
                key = Key("", "pods", "default", f"web-{number}")
                metadata = {**pod["metadata"], "name": key.name}
                log.store.create(key, {**pod, "metadata": metadata})

        def recover() -> None:
            with Log(folder / "large") as log:
                assert log.store.revision == PODS

        recovered = tuple(seconds(recover) for _ in range(rounds))
    costs = tuple(
        1e6 * (with_log - without) for with_log, without in zip(kept, in_memory, strict=True)
    )
    return [
        Figure("what the log adds to a write of a pod", costs, "µs", 60),
        Figure(f"recovery of {PODS:,} pods", recovered, "s", 1.0),
    ]


def _pod() -> Object:
    """A pod as it is stored once it runs."""
    spec = {"containers": [{"name": "web", "image": "registry.example/web:1.0.0"}]}
    metadata = {"name": "web", "namespace": "default"}
    with Sandbox("pull", seed=1, observe=False) as world:
        cluster = world["pull"].kubectl
        cluster.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, manager="bench"
        )
        world.run(minutes=1)
        pod = cluster.get(ObjectKey("", "Pod", "default", "web"))
    assert pod is not None and pod["status"]["phase"] == "Running"
    return pod


def _updates(store: Store, pod: Object, rounds: int) -> tuple[float, ...]:
    key, numbers = Key("", "pods", "default", "web"), count()
    store.create(key, pod)

    def update() -> None:
        store.update(key, {**pod, "status": {**pod["status"], "observedGeneration": next(numbers)}})

    return each(update, times=5_000, rounds=rounds)
