"""The four OpenGitOps principles (1.0.0), each as an experiment on each arm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitops_lab.experiments.story import SHOP, read_folder
from gitops_lab.sandbox import ARMS, Sandbox

WAIT = 60
"""Minutes that an arm has: far more than every interval."""

EDITED = 30
OBJECT, IMAGE = "Deployment/shop", "gitops-lab/shop:1.0.0"


@dataclass(frozen=True)
class Verdict:
    """Whether one arm meets each principle.

    Args:
        arm: its name.
        declarative: applying the same commit again wrote nothing.
        versioned: a revert brought the earlier state back.
        pulled: a commit was applied although no message told of it.
        reconciled: a hand edit was undone without a commit.
    """

    arm: str
    declarative: bool
    versioned: bool
    pulled: bool
    reconciled: bool


def measure(arms: Iterable[str] = tuple(ARMS), *, seed: int = 1) -> tuple[Verdict, ...]:
    """Try each principle on each arm, each in a world of its own.

    Args:
        arms: names of standard arms.
        seed: of the worlds.
    """
    names = tuple(arms)
    answers = [each(names, seed) for each in (_declarative, _versioned, _pulled, _reconciled)]
    return tuple(Verdict(name, *(answer[name] for answer in answers)) for name in names)


def _deployed(arms: tuple[str, ...], seed: int) -> Sandbox:
    world = Sandbox(*arms, seed=seed)
    world.run(minutes=1.5)
    world.commit("Deploy the shop", read_folder(SHOP))
    world.run(minutes=6)
    return world


def _declarative(arms: tuple[str, ...], seed: int) -> dict[str, bool]:
    """A commit that changes no manifest makes a deployer apply the same objects again."""
    with _deployed(arms, seed) as world:
        mark = len(world.journal)
        world.commit("Say what this is", {"README.md": "The shop.\n"})
        world.run(minutes=6)
        wrote = {entry.actor for entry in world.journal.since(mark) if entry.event == "applied"}
        ran = {entry.actor for entry in world.journal.since(mark) if entry.event == "reported"}
        return {name: name in ran and name not in wrote for name in arms}


def _versioned(arms: tuple[str, ...], seed: int) -> dict[str, bool]:
    with _deployed(arms, seed) as world:
        world.replace("Upgrade", "deployment.yaml", IMAGE, "gitops-lab/shop:1.0.1")
        world.run(minutes=6)
        changed = {name: _image(world, name) != IMAGE for name in arms}
        world.revert()
        world.run(minutes=6)
        return {name: changed[name] and _image(world, name) == IMAGE for name in arms}


def _pulled(arms: tuple[str, ...], seed: int) -> dict[str, bool]:
    with _deployed(arms, seed) as world:
        world.stop()
        world.replace("Upgrade", "deployment.yaml", IMAGE, "gitops-lab/shop:1.0.1")
        world.run(minutes=1)
        world.start()
        world.run(minutes=WAIT)
        return {name: _image(world, name) != IMAGE for name in arms}


def _reconciled(arms: tuple[str, ...], seed: int) -> dict[str, bool]:
    with _deployed(arms, seed) as world:
        world.drift(OBJECT, {"spec": {"minReadySeconds": EDITED}})
        world.run(minutes=WAIT)
        return {name: _spec(world, name)["minReadySeconds"] != EDITED for name in arms}


def _spec(world: Sandbox, arm: str) -> dict[str, object]:
    live = world[arm].get(OBJECT)
    assert live is not None, f"{arm} has no {OBJECT}"
    spec: dict[str, object] = live["spec"]
    return spec


def _image(world: Sandbox, arm: str) -> str:
    live = world[arm].get(OBJECT)
    assert live is not None, f"{arm} has no {OBJECT}"
    return str(live["spec"]["template"]["spec"]["containers"][0]["image"])
