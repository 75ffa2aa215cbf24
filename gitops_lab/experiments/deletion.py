"""What becomes of objects that Git does not have any more."""

from __future__ import annotations

from dataclasses import replace

from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.experiments.experiment import Experiment, Findings, listed
from gitops_lab.sandbox import ARMS, ArmDescription, Sandbox
from gitops_lab.worlds.arms import PULL, PUSH

NAMES = ("a", "b", "b-2", "c")


def manifest(name: str) -> str:
    """A small object."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: '1'}}\n"


def live(world: Sandbox, arm: str) -> set[str]:
    """Which objects are live."""
    return {name for name in NAMES if world[arm].get(f"ConfigMap/{name}") is not None}


def steps(world: Sandbox) -> Findings:
    """Remove one, rename one, then empty the folder."""
    found: dict[str, dict[str, str | int | bool | None]] = {arm: {} for arm in world.arms}

    def after(measure: str, wanted: set[str]) -> None:
        world.run(minutes=6)
        for arm in world.arms:
            left = sorted(live(world, arm) - wanted)
            found[arm][measure] = ", ".join(left) or "nothing"

    world.chapter("deploy")
    world.commit("Three objects", {f"{name}.yaml": manifest(name) for name in "abc"})
    world.run(minutes=6)
    world.chapter("remove")
    world.commit("Remove a", {"a.yaml": None})
    after("left after removing a", {"b", "c"})
    world.chapter("rename")
    world.commit("Rename b", {"b.yaml": manifest("b-2")})
    after("left after renaming b", {"b-2", "c"})
    world.chapter("empty")
    world.commit("Remove the rest", {"b.yaml": None, "c.yaml": None, "README.md": "empty\n"})
    after("left after emptying", set())
    for arm in world.arms:
        found[arm]["orphans"] = len(live(world, arm))
    return found


def verdict(findings: Findings) -> str:
    """Who cleans up, and who stops at an empty folder."""
    clean = [arm for arm, found in findings.items() if found["orphans"] == 0]
    never = [a for a, f in findings.items() if f["left after removing a"] != "nothing"]
    guarded = [arm for arm in findings if arm not in (*clean, *never)]
    return (
        f"{listed(clean)} left nothing behind. {listed(never)} pruned nothing at all. "
        f"{listed(guarded)} pruned single objects, and refused to delete everything."
    )


EXPERIMENT = Experiment(
    name="deletion",
    question="Git drops an object: does the cluster?",
    hypothesis="Only who keeps an inventory can prune. A rename is a prune and a create. An empty "
    "folder is suspicious: our agent and Argo CD refuse, Flux deletes everything.",
    arms=(
        ARMS["push-on-commit"],
        ArmDescription("push+prune", PushDeployer, replace(PUSH, prune=True)),
        ArmDescription("pull", PullDeployer, PULL),
        ArmDescription("pull:allow-empty", PullDeployer, replace(PULL, allow_empty=True)),
        ARMS["flux"],
        ARMS["argocd"],
    ),
    steps=steps,
    verdict=verdict,
    leaves_out="Data: a deleted claim takes its volume along.",
)
