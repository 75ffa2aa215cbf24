"""Two writers of one field: an autoscaler and Git."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.engine.fields import Ignore
from gitops_lab.experiments.experiment import Experiment, Findings, listed
from gitops_lab.sandbox import ArmDescription, Sandbox
from gitops_lab.worlds.arms import PULL, PUSH

MINUTES, EVERY = 20, 5
"""How long the fight is watched, and seconds between two looks."""


def deployment(name: str, replicas: int | None) -> str:
    """A Deployment, with or without `replicas`."""
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  {"" if replicas is None else f"replicas: {replicas}"}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: web
          image: gitops-lab/shop:1.0.0
          resources: {{requests: {{cpu: 100m}}}}
"""


def autoscaler(name: str, least: int) -> str:
    """An autoscaler that wants at least so many."""
    return f"""\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: {name}}}
spec:
  minReplicas: {least}
  maxReplicas: 6
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}
"""


def replicas(world: Sandbox, arm: str, name: str) -> int:
    """How many pods a live Deployment asks for."""
    live = world[arm].get(f"Deployment/{name}")
    return int(live["spec"]["replicas"]) if live else 0


def watched(world: Sandbox, name: str, minutes: float) -> dict[str, list[int]]:
    """`replicas` of each arm over time."""
    seen: dict[str, list[int]] = {arm: [] for arm in world.arms}
    for _ in range(int(minutes * 60 / EVERY)):
        world.run(seconds=EVERY)
        for arm, values in seen.items():
            values.append(replicas(world, arm, name))
    return seen


def changes(values: Iterable[int]) -> int:
    """How often neighbours differ."""
    return sum(before != after for before, after in pairwise(values))


def steps(world: Sandbox) -> Findings:
    """Git says 2 and the autoscaler at least 4; then another Deployment loses its `replicas`."""
    world.chapter("fight")
    world.commit("Two pods, says Git", {"web.yaml": deployment("web", 2)})
    world.run(minutes=4)
    world.commit("At least four, says an autoscaler", {"scale.yaml": autoscaler("web", 4)})
    world.run(minutes=4)
    fight = watched(world, "web", MINUTES)
    world.chapter("field dropped")
    world.commit("Four pods of another", {"api.yaml": deployment("api", 4)})
    world.run(minutes=5)
    before = {arm: replicas(world, arm, "api") for arm in world.arms}
    world.commit(
        "Leave the number to an autoscaler",
        {"api.yaml": deployment("api", None), "api-scale.yaml": autoscaler("api", 2)},
    )
    dropped = watched(world, "api", 6)
    return {
        arm: {
            "changes per minute": round(changes(fight[arm]) / MINUTES, 2),
            "replicas at the end": fight[arm][-1],
            "after dropping the field": _path([before[arm], *dropped[arm]]),
            "fewest": min(dropped[arm]),
        }
        for arm in world.arms
    }


def _path(values: list[int]) -> str:
    """A series without repetitions, such as `4 → 1 → 2`."""
    return " → ".join(str(v) for i, v in enumerate(values) if i == 0 or v != values[i - 1])


def verdict(findings: Findings) -> str:
    """Who fights, and what dropping the field costs."""
    rates = {arm: float(found["changes per minute"] or 0) for arm, found in findings.items()}
    fighting = [arm for arm, rate in rates.items() if rate > 0.1]
    most = max(rates.values(), default=0)
    said = (
        f"{listed(fighting)} and the autoscaler undo each other's work, {most:g} changes a minute"
        if fighting
        else "No arm fights with the autoscaler"
    )
    fell = [arm for arm, found in findings.items() if found["fewest"] == 1]
    return (
        f"{said}. Dropping `replicas` in the commit that adds an autoscaler took {listed(fell)} "
        "down to one pod on the way."
    )


IGNORE = (Ignore(("/spec/replicas",), kind="Deployment"),)

EXPERIMENT = Experiment(
    name="fighting-controllers",
    question="An autoscaler and Git both set `replicas`: who wins?",
    hypothesis="A deployer that undoes drift fights with the autoscaler for ever. One that ignores "
    "the field, or looks away, does not. Dropping the field makes it fall to its default of 1.",
    arms=(
        ArmDescription("push-on-commit", PushDeployer, PUSH),
        ArmDescription("pull", PullDeployer, PULL),
        ArmDescription("pull+self-heal", PullDeployer, replace(PULL, self_heal=True)),
        ArmDescription(
            "self-heal:ignore",
            PullDeployer,
            replace(PULL, self_heal=True, ignore=IGNORE, respect_ignore=True),
        ),
    ),
    steps=steps,
    verdict=verdict,
    leaves_out="Load: the autoscaler only holds its minimum here.",
)
