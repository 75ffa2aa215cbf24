"""A cluster whose policy refuses what Git holds: both deployers say which, and why."""

from __future__ import annotations

import pytest

from gitops_lab.model import named
from gitops_lab.sandbox import Sandbox
from tests.conftest import deployment, dump

VERSION = "admissionregistration.k8s.io/v1"
SAID = (
    "web.yaml#1: deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'no-latest' with "
    "binding 'no-latest' denied request: name a version"
)


def guard(world: Sandbox) -> None:
    """Have every cluster refuse images without a version."""
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    every = "object.spec.template.spec.containers.all(c, !c.image.endsWith(':latest'))"
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": every, "message": "name a version"}],
    }
    binding = {"policyName": "no-latest", "validationActions": ["Deny"]}
    for arm in world.arms.values():
        kind = "ValidatingAdmissionPolicy"
        arm.kubectl.apply(named(VERSION, kind, "no-latest", spec=spec), manager="admin")
        bound = named(VERSION, f"{kind}Binding", "no-latest", spec=binding)
        arm.kubectl.apply(bound, manager="admin")


def is_in_sync(world: Sandbox, arm: str) -> bool:
    seen = world[arm].watcher.last
    return seen is not None and seen.in_sync


@pytest.mark.parametrize("arm", ["push-on-commit", "pull"])
def test_what_a_policy_refuses_is_told_once_for_each_attempt(arm: str) -> None:
    with Sandbox(arm) as world:
        guard(world)
        world.commit("one", {"web.yaml": dump(deployment(image="shop:1"))})
        world.run(minutes=3)
        assert is_in_sync(world, arm)
        world.commit("two", {"web.yaml": dump(deployment(image="shop:latest"))})
        world.run(seconds=40)
        refused = [e for e in world.journal if e.actor == arm and e.event == "applied"][1:]
        assert [(str(e.subject), e.why) for e in refused] == [("Deployment default/web", SAID)]
        (reported,) = [e for e in world.journal if e.actor == arm and e.event == "reported"][1:]
        assert reported.why == f"Deployment default/web was refused: {SAID}"
        health = [e for e in world.journal if e.actor == arm and e.event == "health"][-1]
        assert "does not exist" not in health.why  # version 1 runs on
        world.commit("three", {"web.yaml": dump(deployment(image="shop:2"))})
        world.run(minutes=3)
        assert is_in_sync(world, arm)
