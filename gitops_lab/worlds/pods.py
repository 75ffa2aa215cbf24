"""Why a workload does not become healthy: what its pods say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gitops_lab.errors import LabError
from gitops_lab.model import Object
from gitops_lab.ports import Cluster

PULLS = ("ErrImagePull", "ImagePullBackOff")
"""Reasons that take turns while an image cannot be pulled."""

PASSING = ("ContainerCreating", "PodInitializing")
"""Reasons that every container waits for once."""


def pod_trouble(cluster: Cluster, workloads: Iterable[Object]) -> str:
    """What keeps the pods of the first workload from running that has such a reason.

    Args:
        cluster: is asked for the pods.
        workloads: live objects with a `spec.selector`, such as Deployments; others are skipped.
    """
    for workload in workloads:
        if found := _refused(workload):
            return found
        labels = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels")
        if not labels:
            continue
        try:
            pods = cluster.list(
                "", "Pod", namespace=workload["metadata"]["namespace"], labels=labels
            )
        except LabError:
            continue  # the state of the workload itself is known anyway
        for pod in sorted(pods, key=_age, reverse=True):
            if found := next(_reasons(pod), ""):
                return f"Pod {pod['metadata']['name']}: {found}"
    return ""


def _refused(workload: Object) -> str:
    """Why no pod could be made at all, as the controller says."""
    for condition in _conditions(workload):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message", ""))
    return ""


def _reasons(pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    for condition in _conditions(pod):
        if (condition.get("type"), condition.get("status")) == ("PodScheduled", "False"):
            yield str(condition.get("message") or condition.get("reason"))
    for container in (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ):
        waiting: dict[str, Any] = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in PULLS:
            yield f"ImagePullBackOff: {container.get('image', 'the image')} cannot be pulled"
        elif reason == "CrashLoopBackOff":
            ended = (container.get("lastState") or {}).get("terminated") or {}
            yield f"CrashLoopBackOff: it ends with exit code {ended.get('exitCode', '?')}"
        elif reason and reason not in PASSING:
            message = waiting.get("message", "")
            yield f"{reason}: {message}" if message else str(reason)


def _conditions(obj: Object) -> Iterable[dict[str, Any]]:
    return (obj.get("status") or {}).get("conditions") or ()


def _age(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))
