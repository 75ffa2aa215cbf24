"""A definition and an object of its kind in one commit, under each order of apply."""

from __future__ import annotations

from dataclasses import replace

from gitops_lab.deployers.pull import PullDeployer
from gitops_lab.deployers.push import PushDeployer
from gitops_lab.experiments.experiment import (
    Experiment,
    Findings,
    listed,
    reports,
    seconds_until,
    those,
)
from gitops_lab.sandbox import ArmDescription, Sandbox
from gitops_lab.worlds.arms import PULL, PUSH

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: stalls.market.example
spec:
  group: market.example
  scope: Namespaced
  names: {kind: Stall, plural: stalls, singular: stall}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                width: {type: integer}
"""
STALL = "apiVersion: market.example/v1\nkind: Stall\nmetadata: {name: fish}\nspec: {width: 3}\n"

MINUTES = 10


def steps(world: Sandbox) -> Findings:
    """Commit both, the object's file first by name; wait until it is live."""
    mark = len(world.journal)
    world.chapter("definition and object")
    world.commit("Add a kind and an object of it", {"a.yaml": STALL, "b.yaml": DEFINITION})

    def is_live(arm: str) -> bool:
        return is_known(world, arm) and world[arm].get("Stall/fish") is not None

    live = seconds_until(world, is_live, limit=MINUTES * 60)
    return {
        arm: {
            "live after, s": live[arm],
            "arrived": live[arm] is not None,
            "runs that failed": reports(world, arm, "failure", mark),
        }
        for arm in world.arms
    }


def is_known(world: Sandbox, arm: str) -> bool:
    """Whether a cluster knows the kind by now."""
    names = (obj["metadata"]["name"] for obj in world[arm].kubectl.list(*DEFINITIONS))
    return "stalls.market.example" in names


DEFINITIONS = ("apiextensions.k8s.io", "CustomResourceDefinition")


def verdict(findings: Findings) -> str:
    """Who lost the object, and who needed a second try."""
    lost = those(findings, "arrived", value=False)
    failed = [arm for arm, found in findings.items() if found["runs that failed"]]
    later = [arm for arm in failed if arm not in lost]
    said = f"The object never arrived with {listed(lost)}" if lost else "The object always arrived"
    more = f"; {listed(later)} needed a second run" if later else ""
    return f"{said}{more}. {listed(those(findings, 'runs that failed', 0))} had no failed run."


EXPERIMENT = Experiment(
    name="ordering",
    question="A CRD and its first object in one commit: who gets them in, in which order?",
    hypothesis="A deployer that waits until the definition is established gets both in with one "
    "run. A pipeline that does not wait fails for good; a loop that does not wait fails once.",
    arms=(
        *(
            ArmDescription(f"push:{order}", PushDeployer, replace(PUSH, order=order))
            for order in ("none", "kinds", "stages", "waves")
        ),
        *(
            ArmDescription(f"pull:{order}", PullDeployer, replace(PULL, order=order))
            for order in ("none", "stages")
        ),
    ),
    steps=steps,
    verdict=verdict,
    leaves_out="An operator that must run before its objects mean anything.",
)
