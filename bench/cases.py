"""The cases: each sets up what it needs, measures, and answers with figures."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path

from bench.argocd import argocd
from bench.engine import engine
from bench.flux import flux
from bench.harness import Figure, each, seconds
from bench.https import https
from bench.live import live
from bench.memory import memory
from bench.persistence import persistence
from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.engine.sync import Outcome
from gitops_lab.model import Object, ObjectKey
from gitops_lab.sandbox import ArmDescription, Sandbox

COMMAND = Path(sys.executable).parent / "gitops-lab"
ROUNDS = 5
"""How often a case is repeated, unless it is asked to be quick."""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{number}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: web-{number}}}
  template:
    metadata:
      labels: {{app: web-{number}}}
    spec:
      containers:
        - name: web
          image: registry.example/web:{version}
          ports:
            - containerPort: 8080
          resources:
            requests: {{cpu: 100m, memory: 64Mi}}
          readinessProbe:
            httpGet: {{path: /ready, port: 8080}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web-{number}
spec:
  selector: {{app: web-{number}}}
  ports:
    - port: 80
      targetPort: 8080
"""
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: web-{number}
data:
  greeting: hello
  level: info
"""


def application(objects: int, version: str = "1.0.0") -> dict[str, str | bytes | None]:
    """Files with so many objects: Deployments, Services and ConfigMaps in turn."""
    texts = (DEPLOYMENT, SERVICE, SETTINGS)
    return {
        f"{number:03}.yaml": texts[number % 3].format(number=number // 3, version=version)
        for number in range(objects)
    }


def processes(rounds: int) -> list[Figure]:
    """Whole processes, from the start of Python to its end."""

    def run(*arguments: str) -> None:
        subprocess.run([COMMAND, *arguments], check=True, capture_output=True)

    with tempfile.TemporaryDirectory() as folder:
        run("demo", "--output", folder)  # the first one may still compile modules
        told = tuple(seconds(lambda: run("demo", "--output", folder)) for _ in range(rounds))
    helped = tuple(seconds(lambda: run("--help")) for _ in range(rounds))
    return [
        Figure("demo, as a process", told, "s", 3.0),
        Figure("`gitops-lab --help`, as a process", helped, "s", 0.25),
    ]


def reconcile(rounds: int) -> list[Figure]:
    """A sync of 25 objects that finds nothing to do."""
    with Sandbox("pull+self-heal", seed=1, observe=False) as world:
        world.commit("deploy", application(25))
        world.run(minutes=5)
        deployer = world["pull+self-heal"].deployer
        assert isinstance(deployer, PullDeployer)
        artifact = deployer.source.fetch(deployer.source.head())

        def run_sync() -> Outcome:
            return deployer.run_sync(artifact)

        outcome = run_sync()
        assert outcome.acted and not outcome.done.writes and len(outcome.plan) == 25
        values = each(run_sync, times=20, rounds=rounds)
        assert outcome.plan == run_sync().plan
    return [Figure("reconcile of 25 unchanged objects", _milliseconds(values), "ms", 5.0)]


def apply(rounds: int) -> list[Figure]:
    """Server-side apply of a Deployment that nothing and something is changed in."""
    with Sandbox("pull", seed=1, observe=False) as world:
        cluster = world["pull"].kubectl
        cluster.apply(_deployment(2), manager="bench")
        numbers = count(3)

        def apply_the_same() -> None:
            cluster.apply(_deployment(2), manager="bench")

        words = cycle((dict(reversed(_deployment(2).items())), _deployment(2)))

        def apply_in_other_words() -> None:  # what was applied last is no help then
            cluster.apply(next(words), manager="bench")

        def apply_another() -> None:
            cluster.apply(_deployment(next(numbers)), manager="bench")

        same = each(apply_the_same, times=500, rounds=rounds)
        reworded = each(apply_in_other_words, times=500, rounds=rounds)
        before = cluster.get(ObjectKey("apps", "Deployment", "default", "web"))
        assert before is not None and before["metadata"]["generation"] == 1
        changed = each(apply_another, times=500, rounds=rounds)
        after = cluster.get(ObjectKey("apps", "Deployment", "default", "web"))
        assert after is not None and after["spec"]["replicas"] == next(numbers) - 1
    return [
        Figure("apply, nothing changes", _per_second(same), "per s", 2000),
        Figure(
            "apply, nothing changes but the order of keys", _per_second(reworded), "per s", 2000
        ),
        Figure("apply, something changes", _per_second(changed), "per s", 1000),
    ]


@dataclass(frozen=True)
class Fleet:
    """What a fleet cost.

    Args:
        made: seconds to make the clusters and to deploy to each for the first time.
        quarters: seconds for each quarter of the virtual hour that follows.
    """

    made: float
    quarters: tuple[float, ...]

    @property
    def hour(self) -> float:
        """Seconds for the whole virtual hour."""
        return sum(self.quarters)


def run_fleet(clusters: int) -> Fleet:
    """So many clusters poll Git every 60 s for an hour, which begins with one rollout each."""
    policy = Policy(interval=60, self_heal=True)
    arms = [
        ArmDescription(f"cluster-{number:03}", PullDeployer, policy) for number in range(clusters)
    ]
    with Sandbox(*arms, seed=1, observe=False) as world:

        def deploy(version: str, minutes: float) -> None:
            world.commit(version, application(3, version))
            world.run(minutes=minutes)

        made = seconds(lambda: deploy("1.0.0", minutes=5))
        first = seconds(lambda: deploy("1.0.1", minutes=15))
        rest = [seconds(lambda: world.run(minutes=15)) for _ in range(3)]
        for arm in world.arms.values():
            assert isinstance(arm.deployer, PullDeployer)
            assert arm.deployer.health.is_healthy, arm.deployer.health
    return Fleet(made, (first, *rest))


def fleets(rounds: int) -> list[Figure]:
    """A large fleet for an hour, and whether size or age make a reconcile dearer."""
    sizes = (1, 10, 100)
    rounds = min(rounds, 3)
    runs = {size: [run_fleet(size) for _ in range(rounds)] for size in sizes}

    def idle(fleet: Fleet, size: int) -> float:
        return sum(fleet.quarters[1:]) / (size * 45)  # 45 minutes: a look each, nothing to do

    costs = {size: tuple(idle(fleet, size) for fleet in runs[size]) for size in sizes}
    large = runs[100]
    return [
        Figure("fleet of 100 for one hour", tuple(fleet.hour for fleet in large), "s", 10.0),
        Figure("the fleet's making and first deploy", tuple(f.made for f in large), "s"),
        *(
            Figure(f"one look in a fleet of {size}", _milliseconds(costs[size]), "ms")
            for size in sizes
        ),
        Figure(
            "flatness: one look, 100 clusters to 1",
            tuple(many / one for many, one in zip(costs[100], costs[1], strict=True)),
            "×", 1.5,
        ),
        Figure(
            "flatness: a quarter hour, last to first idle one",
            tuple(fleet.quarters[3] / fleet.quarters[1] for fleet in large),
            "×", 1.25,
        ),
    ]  # fmt: skip


CASES: dict[str, Callable[[int], list[Figure]]] = {
    "processes": processes,
    "reconcile": reconcile,
    "apply": apply,
    "engine": engine,
    "fleets": fleets,
    "flux": flux,
    "argocd": argocd,
    "https": https,
    "live": live,
    "memory": memory,
    "persistence": persistence,
}


def _deployment(replicas: int) -> Object:
    labels = {"app": "web"}
    probe = {"httpGet": {"path": "/ready", "port": 8080}}
    container = {
        "name": "web",
        "image": "registry.example/web:1.0.0",
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        "readinessProbe": probe,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _milliseconds(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(1000 * value for value in values)


def _per_second(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(1 / value for value in values)
