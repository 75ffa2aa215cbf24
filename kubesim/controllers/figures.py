"""What nodes and pods use, as `kubectl top` asks: the API group metrics.k8s.io.

In a real cluster the metrics-server asks every kubelet each 15 seconds and serves what it heard. It
keeps no history, and neither does this: an object is made for each request, and says what
is declared at that instant. Nothing is measured, since nothing runs.

Source: k8s.io/metrics v1beta1, and metrics-server v0.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kubesim.api import Api
from kubesim.clock import timestamp
from kubesim.controllers.ownership import controller_of
from kubesim.controllers.pods import is_ready
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.quantity import parse
from kubesim.resources import Resource
from kubesim.schema import Node, builtin

GROUP, VERSION = "metrics.k8s.io", "v1beta1"

LOAD = "gitops-lab/load"
"""The annotation that declares the CPU that all pods of a workload use together."""

WINDOW = 15
"""Over how many seconds figures are meant (metrics-server's `--metric-resolution`)."""

MEBIBYTE = 2**20


class Usage(NamedTuple):
    """What something uses: CPU in millicores, memory in bytes."""

    cpu: float
    memory: float

    def __add__(self, other: object) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(self.cpu + other.cpu, self.memory + other.memory)


SYSTEM = Usage(100, 512 * MEBIBYTE)
"""What a machine uses for itself."""

SHARE = 0.5
"""Which part of its requests a container uses whose image declares nothing."""

LEAST = Usage(1, 16 * MEBIBYTE)
"""What a container uses that requests nothing, either."""


class Figures:
    """Serves PodMetrics and NodeMetrics.

    Args:
        api: the verbs.
        usage: the declared use of each container of a pod that runs, by namespace and name of the
            pod; None where nothing is declared.
    """

    def __init__(
        self,
        api: Api,
        *,
        usage: Callable[[str, str], Mapping[str, tuple[float | None, float | None]]],
    ) -> None:
        self._store, self._usage, self._now = api.store, usage, api.now
        makers = {"nodes": self.nodes, "pods": self.pods}
        for resource in RESOURCES:
            api.registry.add(resource)
            api.computed[GROUP, resource.plural] = makers[resource.plural]

    def pods(self, namespace: str | None) -> list[Object]:
        """The PodMetrics of a namespace, or of all: of pods in which something runs."""
        shares = _Shares(self._store.list("", "pods", namespace), self._workload)
        return [
            {
                **self._header("PodMetrics", pod),
                "containers": [
                    {"name": name, "usage": _quantities(each)} for name, each in used.items()
                ],
            }
            for pod in shares.pods
            if (used := self._containers(pod, shares))
        ]

    def nodes(self, namespace: str | None = None) -> list[Object]:
        """The NodeMetrics of every node."""
        shares = _Shares(self._store.list("", "pods"), self._workload)
        totals = {node["metadata"]["name"]: SYSTEM for node in self._store.list("", "nodes")}
        for pod in shares.pods:
            node = pod["spec"].get("nodeName")
            if node in totals:
                for each in self._containers(pod, shares).values():
                    totals[node] += each
        return [
            {
                **self._header("NodeMetrics", node),
                "usage": _quantities(totals[node["metadata"]["name"]]),
            }
            for node in self._store.list("", "nodes")
        ]

    def _containers(self, pod: Object, shares: _Shares) -> dict[str, Usage]:
        metadata, spec = pod["metadata"], pod["spec"]
        declared = self._usage(metadata["namespace"], metadata["name"])
        every = [*(spec.get("initContainers") or ()), *spec["containers"]]
        running = [each for each in every if each["name"] in declared]
        load = shares.of(pod)
        used = {}
        for container in running:
            cpu, memory = declared[container["name"]]
            requests = (container.get("resources") or {}).get("requests") or {}
            if load is not None:
                cpu = load / len(running)
            elif cpu is None:
                cpu = _share(requests.get("cpu"), 1000, LEAST.cpu)
            if memory is None:
                memory = _share(requests.get("memory"), 1, LEAST.memory)
            used[container["name"]] = Usage(cpu, memory)
        return used

    def _workload(self, pod: Object) -> Object | None:
        """The workload that a pod belongs to in the end."""
        found, namespace = pod, pod["metadata"]["namespace"]
        while (owner := controller_of(found)) is not None:
            plural = f"{owner['kind'].lower()}s"
            above = self._store.get(("apps", plural, namespace, owner["name"]))
            if above is None:
                break
            found = above
        return None if found is pod else found

    def _header(self, kind: str, obj: Object) -> Object:
        metadata, at = obj["metadata"], timestamp(self._now())
        place = {key: metadata[key] for key in ("name", "namespace", "labels") if key in metadata}
        return {
            "kind": kind,
            "apiVersion": f"{GROUP}/{VERSION}",
            "metadata": {**place, "creationTimestamp": at},
            "timestamp": at,
            "window": f"{WINDOW}s",
        }


class _Shares:
    """How the load that is declared of a workload is shared by its pods."""

    def __init__(self, pods: list[Object], workload: Callable[[Object], Object | None]) -> None:
        self.pods = pods
        self._loads: dict[str, tuple[float, int]] = {}
        self._owners: dict[str, str] = {}
        for pod in pods:
            owner = workload(pod) if is_ready(pod) else None
            load = _load(owner)
            if owner is None or load is None:
                continue
            uid = self._owners[pod["metadata"]["uid"]] = owner["metadata"]["uid"]
            self._loads[uid] = load, self._loads.get(uid, (0, 0))[1] + 1

    def of(self, pod: Object) -> float | None:
        """The millicores of a pod; None if no load is declared."""
        owner = self._owners.get(pod["metadata"]["uid"])
        if owner is None:
            return None
        load, count = self._loads[owner]
        return load / count


def _load(workload: Object | None) -> float | None:
    text = ((workload or {}).get("metadata", {}).get("annotations") or {}).get(LOAD)
    try:
        return None if text is None else float(parse(text)) * 1000
    except ApiError:
        return None


def _share(request: str | None, unit: float, least: float) -> float:
    return least if request is None else float(parse(request)) * unit * SHARE


def _quantities(usage: Usage) -> dict[str, str]:
    """As metrics-server spells them."""
    return {"cpu": f"{round(usage.cpu * 1e6)}n", "memory": f"{round(usage.memory / 1024)}Ki"}


_MACHINERY = "#/$defs/io.k8s.apimachinery.pkg"
_USAGE = {
    "type": "object",
    "additionalProperties": {"$ref": f"{_MACHINERY}.api.resource.Quantity"},
}
_CONTAINER = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "usage": _USAGE},
}


def _resource(
    kind: str, plural: str, *, namespaced: bool, fields: Iterable[tuple[str, Any]]
) -> Resource:
    schema = {
        "description": f"{kind} sets resource usage metrics of a {plural.removesuffix('s')}.",
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"$ref": f"{_MACHINERY}.apis.meta.v1.ObjectMeta"},
            "timestamp": {"type": "string", "format": "date-time"},
            "window": {"type": "string"},
            **dict(fields),
        },
    }
    return Resource(
        GROUP,
        VERSION,
        kind,
        plural,
        "",
        namespaced,
        verbs=("get", "list"),
        schema=Node(schema, builtin()),
    )


RESOURCES = (
    _resource("NodeMetrics", "nodes", namespaced=False, fields=[("usage", _USAGE)]),
    _resource(
        "PodMetrics",
        "pods",
        namespaced=True,
        fields=[("containers", {"type": "array", "items": _CONTAINER})],
    ),
)
"""What is served, as long as the cluster has kubelets to ask."""
