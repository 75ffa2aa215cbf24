"""What "Say what, not how" checks and measures."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt, Result, level
from gitops_lab.labs.fields import managers, value
from gitops_lab.labs.world import get
from gitops_lab.model import Object

SHOP = "Deployment/shop"
IMAGE = "spec.template.spec.containers[shop].image"
APPLIES = ("kubectl", "kubectl-client-side-apply")
"""Field managers of `kubectl apply`: server-side, and as it is by default."""


def _shop(attempt: Attempt) -> Object | None:
    return get(attempt.arm("pull"), SHOP)


@level
def built_by_commands(attempt: Attempt) -> Result:
    """The Deployment was created and scaled by commands."""
    shop = _shop(attempt)
    found, replicas = managers(shop, IMAGE), value(shop, "spec.replicas")
    wanted = attempt.values["replicas"]
    return Result(
        found == ["kubectl-create"] and replicas == wanted,
        "you built it by commands, and scaled it",
        f"created by kubectl create, {wanted} replicas",
        f"set by {', '.join(found) or 'no one'}, {replicas} replicas",
        "kubectl get deployment shop -o yaml --show-managed-fields",
    )


@level
def applied(attempt: Attempt) -> Result:
    """The Deployment comes from `kubectl apply` alone, and has one generation."""
    shop = _shop(attempt)
    found, generation = managers(shop, IMAGE), value(shop, "metadata.generation")
    return Result(
        len(found) == 1 and found[0] in APPLIES and generation == 1,
        "the file was applied, and nothing else changed the Deployment",
        "set by kubectl apply, generation 1",
        f"set by {', '.join(found) or 'no one'}, generation {generation}",
        "kubectl delete deployment,service shop; kubectl apply -f shop.yaml",
    )


@level
def healthy_without_git(attempt: Attempt) -> Result:
    """All replicas are ready; Git has no say in it yet."""
    shop = _shop(attempt)
    ready, wanted = value(shop, "status.readyReplicas"), value(shop, "spec.replicas")
    return Result(
        shop is not None and ready == wanted and managers(shop, IMAGE)[0] in APPLIES,
        "all pods of the shop that was applied are ready",
        f"{wanted} ready",
        f"{ready} ready",
        "kubectl get pods",
    )


@level
def taken_over(attempt: Attempt) -> Result:
    """The agent declares the image as well."""
    found = managers(_shop(attempt), IMAGE)
    owner = attempt.arm("pull").owner
    return Result(
        owner in found,
        "the agent declares the shop now",
        f"{owner} among the field managers",
        ", ".join(found) or "no one",
        "kubectl get deployment shop -o yaml --show-managed-fields",
    )


def second_run(attempt: Attempt) -> str:
    """Deployment and Service exist, so the two commands that create must fail."""
    arm = attempt.arm("pull")
    there = [get(arm, name) is not None for name in (SHOP, "Service/shop")]
    return "two of them fail" if all(there) else "something else"


def image_manager(attempt: Attempt) -> str | None:
    """Who set the image."""
    found = managers(_shop(attempt), IMAGE)
    return found[0] if found else None


def second_apply(attempt: Attempt) -> str:
    """What the second apply changed."""
    return "nothing" if value(_shop(attempt), "metadata.generation") == 1 else "its generation"


def generation(attempt: Attempt) -> int | None:
    """The Deployment's generation."""
    shop = _shop(attempt)
    return int(shop["metadata"]["generation"]) if shop is not None else None


def grace(attempt: Attempt) -> int | None:
    """The time that pods are given to stop."""
    found = value(_shop(attempt), "spec.template.spec.terminationGracePeriodSeconds")
    return found if isinstance(found, int) else None


def how_many_managers(attempt: Attempt) -> int:
    """How many own the image."""
    return len(managers(_shop(attempt), IMAGE))
