"""What runs in a container, as much of it as is simulated: what it was given, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@dataclass(frozen=True, slots=True)
class Process:
    """One container that runs.

    Args:
        namespace: its pod's namespace.
        pod: its pod's name.
        node: where it runs.
        ip: its pod's address.
        container: its name in the pod.
        container_id: tells this run of the container from others.
        image: the image's reference, as the pod spells it.
        spec: the container's part of the pod's spec.
        environment: its environment variables, as they were when it started.
        files: what ConfigMaps and Secrets it has mounted, by path, as they are now.
        is_ready: whether it answers its probes.
        says: what its image's behaviour answers.
        is_declared: whether that answer was declared.
    """

    namespace: str
    pod: str
    node: str
    ip: str
    container: str
    container_id: str
    image: str
    spec: Mapping[str, Any]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    is_ready: bool
    says: str
    is_declared: bool = False

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that it is known to listen on: those it declares, and those of its probes."""
        declared = [each["containerPort"] for each in self.spec.get("ports") or ()]
        probed = [
            action["port"]
            for probe in _PROBES
            for action in _actions(self.spec.get(probe) or {})
            if isinstance(action.get("port"), int)
        ]
        return (*declared, *probed)

    @property
    def probe_paths(self) -> tuple[str, ...]:
        """The paths at which it is asked for its health."""
        probes = [self.spec.get(probe) or {} for probe in _PROBES]
        return tuple(each["httpGet"].get("path", "/") for each in probes if "httpGet" in each)


def listening(processes: Sequence[Process], port: int) -> Process | None:
    """Which of a pod's containers listens on a port.

    The one that declares it; else the first that declares no port at all, for then it is not known
    where it listens, and `containerPort` is only for information.
    """
    for each in processes:
        if port in each.ports:
            return each
    return next((each for each in processes if not each.ports), None)


def _actions(probe: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [probe[name] for name in ("httpGet", "tcpSocket", "grpc") if probe.get(name)]
