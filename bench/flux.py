"""How long 1,000 Kustomizations of ten objects each take to become Ready, in virtual time."""

from __future__ import annotations

from time import perf_counter

import yaml

from bench.harness import Figure
from gitops_lab.deployers.policy import Policy
from gitops_lab.errors import LabError
from gitops_lab.frontends.conditions import is_true
from gitops_lab.frontends.flux.api import KUSTOMIZE, NAMESPACE
from gitops_lab.frontends.flux.deployer import FluxDeployer
from gitops_lab.frontends.flux.install import sync_objects
from gitops_lab.model import named
from gitops_lab.sandbox import ArmDescription, Sandbox

OBJECTS = 10
LIMIT = 300
"""Give up after so many seconds of virtual time."""


def seconds(count: int) -> tuple[float, float]:
    """Wall time and virtual time until so many Kustomizations are Ready.

    Args:
        count: how many; each applies a folder with ten ConfigMaps of its own.
    """
    description = ArmDescription("flux", FluxDeployer, Policy(interval=60))
    with Sandbox(description, seed=1, observe=False) as world:
        arm = world["flux"]
        world.commit("all", {"root/empty.txt": "", **_files(count)})
        world.run(seconds=20)
        source, own = sync_objects("app", "", branch="main", path="root", interval=600)
        arm.kubectl.patch(
            arm.key(f"Kustomization/{NAMESPACE}/app"), {"spec": {"path": "./root"}}, manager="bench"
        )
        for number in range(count):
            spec = {"interval": "1h", "path": f"./apps/{number}", "prune": True,
                    "sourceRef": {"kind": source["kind"], "name": "app"}}  # fmt: skip
            body = named(own["apiVersion"], "Kustomization", f"app-{number}", NAMESPACE, spec=spec)
            arm.kubectl.apply(body, manager="bench")
        begun, start = perf_counter(), world.clock.now()
        while not _all_ready(world, count):
            world.run(seconds=1)
            if world.clock.now() - start > LIMIT:
                raise LabError(f"not all {count} Kustomizations became Ready within {LIMIT} s")
        return perf_counter() - begun, world.clock.now() - start


def _files(count: int) -> dict[str, str]:
    return {
        f"apps/{number}/objects.yaml": yaml.safe_dump_all(
            [
                named("v1", "ConfigMap", f"c-{number}-{each}", "default", data={"value": str(each)})
                for each in range(OBJECTS)
            ]
        )
        for number in range(count)
    }


def _all_ready(world: Sandbox, count: int) -> bool:
    found = world["flux"].kubectl.list(KUSTOMIZE, "Kustomization")
    ready = [obj for obj in found if obj["metadata"]["name"] != "app" and is_true(obj, "Ready")]
    return len(ready) == count


def flux(rounds: int) -> list[Figure]:
    """The figures: fewer Kustomizations if it is to be quick."""
    count = 1000 if rounds > 1 else 100
    wall, _ = seconds(count)
    limit = 20.0 * count / 1000
    return [Figure(f"{count:,} Kustomizations of {OBJECTS} objects to Ready", (wall,), "s", limit)]
