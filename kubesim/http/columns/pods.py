"""The columns of pods: `kubectl` shows in one word what a pod is about.

Source: printPod in pkg/printers/internalversion (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubesim.http.columns.column import (
    AGE,
    NAME,
    NONE,
    Column,
    at,
    condition,
    field,
    instant,
    since,
)
from kubesim.model import Object

_CONDITIONS = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


@dataclass(slots=True)
class Summary:
    """What the columns say of a pod.

    Args:
        ready: how many of its containers are.
        total: how many containers are meant to keep running.
        status: what it is about.
        restarts: how often its containers were started again.
        last: when the last of them ended, as a timestamp; empty if none did.
    """

    ready: int
    total: int
    status: str
    restarts: int = 0
    last: str = ""

    def ended(self, container: Mapping[str, Any]) -> None:
        """Count the restarts of a container."""
        self.restarts += container.get("restartCount", 0)
        finished = at(container, "lastState.terminated.finishedAt") or ""
        if finished and (not self.last or instant(finished) > instant(self.last)):
            self.last = finished


def summary(pod: Object) -> Summary:
    """Sum up a pod."""
    status = pod.get("status") or {}
    found = Summary(0, len(pod["spec"]["containers"]), _first_word(pod))
    inits = pod["spec"].get("initContainers") or ()
    sidecars = {each["name"] for each in inits if each.get("restartPolicy") == "Always"}
    found.total += len(sidecars)
    initializing = _initialize(found, status, sidecars, len(inits))
    if not initializing or condition(pod, "Initialized").get("status") == "True":
        found.restarts, found.last = 0, ""
        for each in status.get("initContainerStatuses") or ():
            if each["name"] in sidecars:
                found.ended(each)
        _run(found, pod, status)
    if "deletionTimestamp" in pod["metadata"]:
        if status.get("reason") == "NodeLost":
            found.status = "Unknown"
        elif status.get("phase") not in _CONDITIONS:
            found.status = "Terminating"
    return found


def _first_word(pod: Object) -> str:
    if condition(pod, "PodScheduled").get("reason") == "SchedulingGated":
        return "SchedulingGated"
    status = pod.get("status") or {}
    return status.get("reason") or status.get("phase") or ""


def _initialize(found: Summary, status: Object, sidecars: set[str], total: int) -> bool:
    """Go through the init containers up to the one that runs; whether there is such a one."""
    for index, each in enumerate(status.get("initContainerStatuses") or ()):
        found.ended(each)
        state = each.get("state") or {}
        terminated, waiting = state.get("terminated"), at(state, "waiting.reason")
        if terminated and not terminated["exitCode"]:
            continue
        if each["name"] in sidecars and each.get("started"):
            found.ready += bool(each.get("ready"))
            continue
        if terminated:
            found.status = f"Init:{_ended(terminated)}"
        elif waiting and waiting != "PodInitializing":
            found.status = f"Init:{waiting}"
        else:
            found.status = f"Init:{index}/{total}"
        return True
    return False


def _run(found: Summary, pod: Object, status: Object) -> None:
    """Go through the containers; the first that has something to tell is heard."""
    running = False
    for each in reversed(status.get("containerStatuses") or ()):
        found.ended(each)
        state = each.get("state") or {}
        waiting = at(state, "waiting.reason")
        if waiting:
            found.status = waiting
        elif state.get("terminated"):
            found.status = _ended(state["terminated"])
        elif each.get("ready") and "running" in state:
            running = True
            found.ready += 1
    if found.status == "Completed" and running:
        ready = condition(pod, "Ready").get("status") == "True"
        found.status = "Running" if ready else "NotReady"


def _ended(terminated: Mapping[str, Any]) -> str:
    reason: str = terminated.get("reason", "")
    if reason:
        return reason
    signal = terminated.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{terminated['exitCode']}"


def row_conditions(pod: Object) -> Iterator[Object]:
    """What a row says of itself: that the pod has ended."""
    phase = at(pod, "status.phase")
    if phase in _CONDITIONS:
        yield {
            "type": "Completed",
            "status": "True",
            "reason": phase,
            "message": _CONDITIONS[phase],
        }


def _ready(pod: Object, now: float) -> str:
    found = summary(pod)
    return f"{found.ready}/{found.total}"


def _restarts(pod: Object, now: float) -> str:
    found = summary(pod)
    ago = f" ({since(found.last, now)} ago)" if found.restarts and found.last else ""
    return f"{found.restarts}{ago}"


def _ip(pod: Object, now: float) -> str:
    found = at(pod, "status.podIPs")
    return found[0]["ip"] if found else NONE


def _gates(pod: Object, now: float) -> str:
    gates = at(pod, "spec.readinessGates")
    if not gates:
        return NONE
    open_ = [condition(pod, each["conditionType"]).get("status") == "True" for each in gates]
    return f"{sum(open_)}/{len(open_)}"


PODS = (
    NAME,
    Column("Ready", _ready, description="How many of the containers are ready."),
    Column("Status", lambda pod, now: summary(pod).status, description="What the pod is about."),
    Column("Restarts", _restarts, description="How often containers were started again."),
    AGE,
    Column("IP", _ip, wide=True),
    field("Node", "spec.nodeName", NONE, wide=True),
    field("Nominated Node", "status.nominatedNodeName", NONE, wide=True),
    Column("Readiness Gates", _gates, wide=True),
)
