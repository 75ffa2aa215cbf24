"""How quick rendering, a large sync and the experiments are."""

from __future__ import annotations

import subprocess
import tempfile
from functools import partial
from pathlib import Path

from bench.harness import Figure, each, seconds
from gitops_lab.engine import collect
from gitops_lab.engine.plan import SyncPolicy
from gitops_lab.engine.render import render
from gitops_lab.engine.sync import sync
from gitops_lab.experiments.catalogue import EXPERIMENTS
from gitops_lab.experiments.experiment import run
from gitops_lab.model import Artifact, Revision
from gitops_lab.renderers.folder import artifact_of
from gitops_lab.renderers.tools import packaged_kubectl
from gitops_lab.sandbox import Sandbox

PODINFO = Path(__file__).parents[2] / "shared" / "apps" / "podinfo"
OVERLAY = "deploy/overlays/dev"
SHOP = {
    "base/kustomization.yaml": "resources: [shop.yaml]",
    "base/shop.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n",
    f"{OVERLAY}/kustomization.yaml": "namePrefix: dev-\nresources: [../../../base]",
}
"""What is rendered where the example applications are not on the machine."""

OBJECTS = 1_000


def engine(rounds: int) -> list[Figure]:
    """Rendering, a sync of many objects, all experiments."""
    return [*rendering(rounds), large_sync(rounds), experiments(rounds)]


def rendering(rounds: int) -> list[Figure]:
    """An overlay for the first time, against one process of kubectl; and again."""
    with tempfile.TemporaryDirectory() as folder:
        root = PODINFO if PODINFO.is_dir() else _written(Path(folder))
        artifact = artifact_of(root)
        command = [str(packaged_kubectl()), "kustomize", str(root / OVERLAY)]

        def first() -> object:
            collect._remembered.clear()
            return render(artifact, OVERLAY, is_namespaced=lambda *_: True)

        def process() -> object:
            return subprocess.run(command, check=True, capture_output=True)

        ratios = tuple(seconds(first) / seconds(process) for _ in range(5 * rounds))
    again = each(
        lambda: render(artifact, OVERLAY, is_namespaced=lambda *_: True), times=100, rounds=rounds
    )
    return [
        Figure("first render of an overlay, by one `kubectl kustomize`", ratios, "×", 1.2),
        Figure("a render from the cache", tuple(1000 * value for value in again), "ms", 0.2),
    ]


def _written(root: Path) -> Path:
    for path, text in SHOP.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def large_sync(rounds: int) -> Figure:
    """A sync of 1,000 objects of which one changed."""

    def objects(changed: str) -> Artifact:
        texts = {
            f"{n:04}.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}}}\n"
            f"data: {{value: '{changed if n == 0 else n}'}}\n"
            for n in range(OBJECTS)
        }
        files = {path: text.encode() for path, text in texts.items()}
        return Artifact(Revision("main", changed), files, f"sha256:{changed}")

    with Sandbox("pull", seed=1, observe=False) as world:
        deployer = world["pull"].deployer
        policy = SyncPolicy(owner=deployer.name)
        outcome = sync(objects("first"), deployer.cluster, {}, policy, deployer.journal)
        values, done = [], [outcome]
        for number in range(rounds):
            wanted = partial(
                sync, objects(f"change-{number}"), deployer.cluster, outcome.inventory, policy,
                deployer.journal,
            )  # fmt: skip
            values.append(seconds(lambda wanted=wanted: done.append(wanted())))  # type: ignore[misc]
            outcome = done[-1]
            assert len(outcome.done.writes) == 1
    return Figure("sync of 1,000 objects of which one changed", tuple(values), "s", 1.0)


def experiments(rounds: int) -> Figure:
    """All experiments at their default size, without their pictures."""

    def work() -> None:
        for experiment in list(EXPERIMENTS.values())[:5]:
            run(experiment)

    return Figure("five experiments", tuple(seconds(work) for _ in range(rounds)), "s", 15.0)
