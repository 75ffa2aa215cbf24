"""What `kubectl logs` shows of a container that no process runs in.

A simulated container writes nothing. What is known of it is when it started and how it ended, and
that is told as a log would tell it, so that one sees restarts where one would look for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitops_lab.apiserver import refusals
from gitops_lab.apiserver.http import containers
from gitops_lab.apiserver.http.queries import Query
from gitops_lab.model import Object


def log(pod: Object, query: Query) -> str:
    """The log of one of a pod's containers.

    Args:
        pod: the pod.
        query: `container`, `previous`, `timestamps` and `tailLines` of PodLogOptions.

    Raises:
        ApiError: 400 BadRequest: there is no such container, or it has not started.
    """
    name, container = pod["metadata"]["name"], containers.chosen(pod, query.get("container", ""))
    status = containers.status(pod, container)
    state, last = status.get("state") or {}, status.get("lastState") or {}
    if query.yes("previous"):
        if "terminated" not in last:
            raise refusals.bad_request(
                f'previous terminated container "{container}" in pod "{name}" not found'
            )
        lines = list(_lines(status, last["terminated"]))
    elif "running" in state or "terminated" in state:
        lines = list(_lines(status, state.get("running") or state["terminated"]))
    elif "terminated" in last:  # waiting to be started again: its last log is still there
        lines = list(_lines(status, last["terminated"]))
    else:
        why = (state.get("waiting") or {}).get("reason", "ContainerCreating")
        raise refusals.bad_request(
            f'container "{container}" in pod "{name}" is waiting to start: {why}'
        )
    tail = query.integer("tailLines")
    if tail is not None:
        lines = lines[-tail:] if tail > 0 else []
    stamped = query.yes("timestamps")
    return "".join(f"{when} {what}\n" if stamped else f"{what}\n" for when, what in lines)


def _lines(status: Any, run: Any) -> Iterator[tuple[str, str]]:
    """When and what, of one run of a container."""
    started = run.get("startedAt") or ""
    yield started, f"{status.get('image', '')} started (simulated: nothing runs in this container)"
    if "exitCode" in run:
        said = run.get("message") or f"ended with exit code {run['exitCode']}"
        for line in said.splitlines():
            yield run.get("finishedAt") or started, line
