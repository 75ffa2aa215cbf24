"""The applications that run in a cluster, as those see them who send them requests.

No process runs in a simulated container. What would be asked of one is answered here, from what
the kubelet knows of the container: its image, its environment, its health.
"""

from __future__ import annotations

from collections.abc import Callable

from kubesim.api import Api
from kubesim.applications.answers import respond
from kubesim.applications.exchange import Request, Response
from kubesim.applications.lines import Lines, access
from kubesim.applications.routing import (
    Place,
    Turns,
    Unreachable,
    behind,
    look_up,
    port_name,
    refused,
)
from kubesim.controllers.kubelet import Kubelet
from kubesim.controllers.process import Process, listening
from kubesim.model import Object
from kubesim.network import reach
from kubesim.store import Store


class Applications:
    """All applications of a cluster.

    Args:
        api: the verbs of the cluster.
        kubelet: knows what runs in its pods.
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(self, api: Api, kubelet: Kubelet, *, now: Callable[[], float]) -> None:
        self.store: Store = api.store
        self.lines = Lines()
        """What they write to their logs."""
        self.turns = Turns()
        self.now = now
        """The time, in seconds since the Unix epoch."""
        self._kubelet = kubelet

    def processes(self, namespace: str, pod: str) -> list[Process]:
        """What runs in a pod."""
        return self._kubelet.processes(namespace, pod)

    def check_listens(self, place: Place) -> None:
        """Check that a port of a pod is open.

        Raises:
            Unreachable: it is closed.
        """
        self._listening(place)

    def send(self, place: Place, request: Request, *, client: str) -> Response:
        """Send a request to a port of a pod.

        Args:
            place: where to.
            request: what to ask.
            client: the address of who asks, for the log.

        Raises:
            Unreachable: the port is closed.
        """
        process = self._listening(place)
        response, now = respond(process, request), self.now()
        self.lines.write(process.container_id, now, access(client, request, response, now))
        return response

    def fetch(self, pod: Object, host: str, port: int, request: Request) -> tuple[str, Response]:
        """Send a request from one pod to another, by name or by address, as far as policies allow.

        Args:
            pod: who asks.
            host: a Service, a pod, or an address of either.
            port: the port, of the Service or of the pod.
            request: what to ask.

        Returns:
            The address that the name stands for, and the response.

        Raises:
            UnknownName: DNS knows no such host.
            Unreachable: the port is closed, or a NetworkPolicy keeps one from the other.
        """
        address = look_up(self.store, host, pod)
        place, spoken = None, f"{address.ip}:{port}"
        if address.service is not None:
            place = self._behind(address.service, port)
        elif address.pod is not None:
            metadata = address.pod["metadata"]
            place = Place(metadata["namespace"], metadata["name"], address.ip, port)
        if place is None:
            raise refused(spoken)
        there = self.store.get(("", "pods", place.namespace, place.pod))
        if there is None:
            raise refused(spoken)
        if there is not pod and not reach(self.store, pod, there, place.port).allowed:
            raise Unreachable(spoken, "i/o timeout", is_silent=True)
        client = (pod.get("status") or {}).get("podIP", "127.0.0.1")
        return address.ip, self.send(place, request, client=client)

    def _listening(self, place: Place) -> Process:
        process = listening(self.processes(place.namespace, place.pod), place.port)
        if process is None:
            raise refused(f"{place.ip}:{place.port}")
        return process

    def _behind(self, service: Object, port: int) -> Place | None:
        metadata, name = service["metadata"], port_name(service, port)
        endpoints = self.store.get(("", "endpoints", metadata["namespace"], metadata["name"]))
        if name is None or endpoints is None:
            return None
        places = behind(endpoints, name)
        return self.turns.take(metadata["uid"], places) if places else None
