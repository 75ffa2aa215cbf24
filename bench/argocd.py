"""How long 1,000 Applications of five objects take to be Synced and Healthy, in virtual time."""

from __future__ import annotations

from time import perf_counter

from bench.harness import Figure
from gitops_lab.errors import LabError
from gitops_lab.frontends.argocd.deployer import POLICY, ArgoCD
from gitops_lab.frontends.argocd.names import API_VERSION, GROUP, IN_CLUSTER, NAMESPACE
from gitops_lab.model import named
from gitops_lab.sandbox import URL, ArmDescription, Sandbox

OBJECTS = 5
LIMIT = 300
"""Give up after so many seconds of virtual time."""


def seconds(count: int) -> tuple[float, float]:
    """Wall time and virtual time until so many Applications are Synced and Healthy.

    Args:
        count: how many; each applies a folder with five ConfigMaps of its own.
    """
    description = ArmDescription("argocd", ArgoCD, POLICY, path="root")
    with Sandbox(description, seed=1, observe=False) as world:
        arm = world["argocd"]
        world.commit("all", {"root/empty.txt": "", **_files(count)})
        world.run(seconds=1)
        for number in range(count):
            spec = {
                "project": "default",
                "source": {"repoURL": URL, "targetRevision": "main", "path": f"apps/{number}"},
                "destination": {"server": IN_CLUSTER, "namespace": "default"},
                "syncPolicy": {"automated": {"selfHeal": True}},
            }
            body = named(API_VERSION, "Application", f"app-{number}", NAMESPACE, spec=spec)
            arm.kubectl.create(body, manager="bench")
        begun, start = perf_counter(), world.clock.now()
        while not _all_good(world):
            world.run(seconds=1)
            if world.clock.now() - start > LIMIT:
                raise LabError(f"not all {count} Applications became Synced within {LIMIT} s")
        return perf_counter() - begun, world.clock.now() - start


def _files(count: int) -> dict[str, str]:
    return {
        f"apps/{number}/{name}.yaml": "apiVersion: v1\nkind: ConfigMap\n"
        f"metadata: {{name: cm-{number}-{name}}}\ndata: {{number: '{number}'}}\n"
        for number in range(count)
        for name in range(OBJECTS)
    }


def _all_good(world: Sandbox) -> bool:
    for app in world["argocd"].kubectl.list(GROUP, "Application", namespace=NAMESPACE):
        status = app.get("status") or {}
        words = [(status.get(part) or {}).get("status") for part in ("sync", "health")]
        if words != ["Synced", "Healthy"]:
            return False
    return True


def argocd(rounds: int) -> list[Figure]:
    """The figures: fewer Applications if it is to be quick."""
    count = 1000 if rounds > 1 else 100
    wall, _ = seconds(count)
    name = f"{count:,} Applications of {OBJECTS} objects to Synced and Healthy"
    return [Figure(name, (wall,), "s", 30.0 * count / 1000)]
