"""The status of a pod: what the kubelet reports, computed from how its containers are.

Source: Kubernetes 1.37, pkg/kubelet/kubelet_pods.go (getPhase) and pkg/kubelet/status/generate.go.
Left out: user, volume mounts and device health of a container.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kubesim.clock import timestamp
from kubesim.controllers.container import Container
from kubesim.controllers.status import Condition, condition, is_true
from kubesim.model import Object

OWN = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
"""The conditions that the kubelet writes; others belong to others and stay."""


@dataclass
class Life:
    """A pod on its node.

    Args:
        uid: which pod it is.
        node: the node's name.
        started: when the kubelet took it on, in seconds since the Unix epoch.
        ip: its address.
        host_ip: the node's address.
        init: its init containers, in order.
        main: its other containers.
        ephemeral: those that have joined it to look around; the pod is as well as it is
            without them.
    """

    uid: str
    node: str
    started: float
    ip: str
    host_ip: str
    init: list[Container]
    main: list[Container]
    ephemeral: list[Container] = field(default_factory=list)
    is_mounted: bool = False
    is_told: bool = False
    failure: dict[str, str] = field(default_factory=dict)
    """Reason and message, if the whole pod was ended."""
    due: float | None = None
    """When anything changes next."""
    reported: Object | None = None
    """The pod as the kubelet last wrote it."""

    @property
    def containers(self) -> list[Container]:
        """All containers, init containers first, ephemeral ones last."""
        return [*self.init, *self.main, *self.ephemeral]

    @property
    def is_initialized(self) -> bool:
        """Whether every init container is done, or has started if it is to run on (a sidecar)."""
        return all(
            each.is_started or each.is_done if is_sidecar(each) else each.exit_code == 0
            for each in self.init
        )


def is_sidecar(container: Container) -> bool:
    """Whether an init container is to run for as long as the pod does."""
    return container.is_init and container.policy == "Always"


def phase(life: Life) -> str:
    """The pod's phase. What will be started again counts as running."""
    if life.failure:
        return "Failed"
    if any(each.is_done and each.exit_code != 0 for each in life.init):
        return "Failed"
    waits = any(each.state.get("waiting") and not each.last for each in life.main)
    if waits or not (life.is_initialized or any(each.container_id for each in life.main)):
        return "Pending"
    if not all(each.is_done for each in life.main) or any(each.is_running for each in life.init):
        return "Running"
    return "Succeeded" if all(each.exit_code == 0 for each in life.main) else "Failed"


def last_phase(life: Life) -> str:
    """The phase in which a pod ends that is deleted: did all that ran end well?"""
    codes = [each.exit_code for each in life.main]
    return "Succeeded" if all(code == 0 for code in codes) and not life.failure else "Failed"


def pod_status(life: Life, pod: Object, now: float, *, phase: str) -> dict[str, Any]:
    """The whole status to report.

    Args:
        life: how the pod is.
        pod: the live object; the times of conditions that still hold are taken from it.
        now: the present instant, in seconds since the Unix epoch.
        phase: the pod's phase.
    """
    old: dict[str, Any] = pod.get("status") or {}
    generation = pod["metadata"].get("generation")
    observed = {"observedGeneration": generation} if generation is not None else {}
    conditions = [
        _timed(each, condition(old, each["type"]), now, observed)
        for each in _conditions(life, pod, phase)
    ]
    conditions += [each for each in old.get("conditions") or () if each.get("type") not in OWN]
    status = {
        **observed,
        "phase": phase,
        **life.failure,
        "conditions": conditions,
        "hostIP": life.host_ip,
        "hostIPs": [{"ip": life.host_ip}],
        "startTime": timestamp(life.started),
        "containerStatuses": [_container_status(each) for each in life.main],
        "qosClass": old.get("qosClass", "BestEffort"),
    }
    if life.is_mounted:
        status |= {"podIP": life.ip, "podIPs": [{"ip": life.ip}]}
    if life.init:
        status["initContainerStatuses"] = [_container_status(each) for each in life.init]
    if life.ephemeral:
        status["ephemeralContainerStatuses"] = [_container_status(each) for each in life.ephemeral]
    return status


def _conditions(life: Life, pod: Object, phase: str) -> list[Condition]:
    is_over = phase in ("Succeeded", "Failed")
    done = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "")
    initialized = (
        _condition("Initialized", True, reason="PodCompleted" if phase == "Succeeded" else "")
        if life.is_initialized
        else _unready("Initialized", "ContainersNotInitialized", "incomplete", life.init)
    )
    watched = [each for each in life.init if is_sidecar(each)] + life.main
    if is_over:
        containers = _condition("ContainersReady", False, reason=done)
    elif all(each.is_ready for each in watched):
        containers = _condition("ContainersReady", True)
    else:
        containers = _unready("ContainersReady", "ContainersNotReady", "unready", watched)
    ready = {**containers, "type": "Ready"}
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    closed = [gate for gate in gates if not is_true(pod.get("status"), gate)]
    if ready.get("status") == "True" and closed:
        messages = [
            f'corresponding condition of pod readiness gate "{gate}" '
            + ("does not exist." if condition(pod.get("status"), gate) is None else "is not True.")
            for gate in closed
        ]
        ready = _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(messages))
    has_sandbox = life.is_mounted and not is_over
    return [
        _condition("PodReadyToStartContainers", has_sandbox),
        initialized,
        ready,
        containers,
        _condition("PodScheduled", True),
    ]


def _condition(type: str, holds: bool, reason: str = "", message: str = "") -> Condition:
    return {
        "type": type,
        "status": "True" if holds else "False",
        **({"reason": reason} if reason else {}),
        **({"message": message} if message else {}),
    }


def _unready(type: str, reason: str, what: str, containers: Sequence[Container]) -> Condition:
    names = " ".join(
        each.name
        for each in containers
        if not (each.exit_code == 0 if type == "Initialized" else each.is_ready)
    )
    return _condition(type, False, reason, f"containers with {what} status: [{names}]")


def _timed(
    new: Condition, old: Condition | None, now: float, observed: dict[str, Any]
) -> Condition:
    is_same = old is not None and old.get("status") == new["status"]
    since = old.get("lastTransitionTime") if old is not None and is_same else None
    times = {"lastProbeTime": None, "lastTransitionTime": since or timestamp(now)}
    return {**new, **observed, **times}


def _container_status(container: Container) -> dict[str, Any]:
    status: dict[str, Any] = {
        "name": container.name,
        "state": container.state,
        "lastState": container.last,
        "ready": _counts_as_ready(container),
        "restartCount": container.restarts,
        "image": container.image,
        "imageID": container.image_id,
        "started": container.is_started,
    }
    if container.container_id:
        status["containerID"] = container.container_id
    resources = container.spec.get("resources")
    if resources and container.is_running:
        status["resources"] = resources
        if resources.get("requests"):
            status["allocatedResources"] = resources["requests"]
    return status


def _counts_as_ready(container: Container) -> bool:
    if container.is_ephemeral:
        return False  # nothing has to wait for it
    if container.is_init and not is_sidecar(container):
        return container.exit_code == 0
    return container.is_ready
