"""What "Synced is not healthy" checks and measures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gitops_lab.labs.checks import Attempt, Result, level
from gitops_lab.labs.world import LabArm
from gitops_lab.model import Object

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""The annotation by which `kubectl rollout restart` starts a rollout (kubectl 1.15 and later)."""


def _pods(arm: LabArm) -> list[Object]:
    """The shop's pods that run and are to stay."""
    return [
        pod
        for pod in arm.cluster.list("", "Pod", namespace="default", labels={"app": "shop"})
        if "deletionTimestamp" not in pod["metadata"]
        and pod.get("status", {}).get("phase") == "Running"
    ]


def _born(pod: Object) -> float:
    return datetime.fromisoformat(str(pod["metadata"]["creationTimestamp"])).timestamp()


def _changed(attempt: Attempt, arm: str) -> float:
    """When the arm's deployer applied a ConfigMap last; never if it did not."""
    found = attempt.entries(actor=arm, event="applied", subject="ConfigMap default/shop")
    return found[-1].at if found else float("inf")


@level
def new_pods(attempt: Attempt) -> Iterable[Result]:
    """Every pod began after the greeting had changed, and not by a restart by hand."""
    for name, arm in attempt.world.arms.items():
        pods = _pods(arm)
        # A cluster's times are whole seconds.
        old = [pod for pod in pods if _born(pod) < int(_changed(attempt, name))]
        by_hand = any(RESTARTED in (pod["metadata"].get("annotations") or {}) for pod in pods)
        if by_hand:
            observed = "the pods were restarted by hand"
        else:
            observed = f"{len(old)} of {len(pods)} pods are older than the greeting"
        yield Result(
            bool(pods) and not old and not by_hand,
            f"{name}: every pod knows the new greeting, through Git",
            "pods that a changed pod template started",
            observed,
            f"kubectl --context {name} exec deploy/shop -- printenv GREETING",
        )


def after_a_while(attempt: Attempt) -> str:
    """How the cluster `pull` was seen last."""
    seen = attempt.arm("pull").observed()
    if not seen.in_sync:
        return "out of sync"
    return "in sync, Healthy" if seen.health == "Healthy" else "in sync, and not healthy"


def seconds_until_failure(attempt: Attempt) -> int | None:
    """From the push until the pipeline's verdict."""
    pushed = attempt.entries(since="step", event="pushed")
    failed = attempt.entries(
        since="step", actor="push-on-commit", event="reported", state="failure"
    )
    return round(failed[0].at - pushed[0].at) if pushed and failed else None


def sync_with_quota(attempt: Attempt) -> str:
    """The sync status of the cluster `pull`."""
    return "in sync" if attempt.arm("pull").observed().in_sync else "out of sync"


def pods_running(attempt: Attempt) -> int:
    """How many pods of the shop run in the cluster `pull`."""
    return len(_pods(attempt.arm("pull")))


def greeting_of_the_pods(attempt: Attempt) -> str | None:
    """What the pods in `pull` read when they started."""
    changed, pods = _changed(attempt, "pull"), _pods(attempt.arm("pull"))
    if not pods:
        return None
    fresh = {_born(pod) >= int(changed) for pod in pods}
    if len(fresh) == 2:
        return "some with this, some with that"
    return str(attempt.values["new"] if fresh == {True} else attempt.values["old"])
