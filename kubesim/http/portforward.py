"""`kubectl port-forward`: connections to a pod's ports, through the API server.

Source: kubelet `pkg/kubelet/portforward`, kubectl `pkg/cmd/portforward` and client-go
`tools/portforward` (Kubernetes 1.37). A connection is a pair of streams, one for data and one for
what went wrong, with the same request id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubesim import refusals
from kubesim.applications import Applications
from kubesim.applications.routing import Place, Unreachable
from kubesim.http.queries import Query
from kubesim.http.spdy import Ended, Event, Opened, ProtocolError, Received, Spdy
from kubesim.http.upgrade import Pipe, Session
from kubesim.http.wire import Wire
from kubesim.model import Object

CLIENT = "127.0.0.1"
"""The address that forwarded connections come from: they begin inside the pod."""

MOST_PORTS = 64
"""How many ports may be forwarded at once."""


@dataclass
class _Pair:
    """One forwarded connection; the numbers are those of its streams, 0 if not open yet."""

    port: int
    data: int = 0
    error: int = 0
    wire: Wire | None = None


class PortForward(Session):
    """A client's connections to one pod.

    Args:
        applications: what answers in the pod.
        pod: the pod.
        query: `ports`, for those who do not name the port on each stream.

    Raises:
        ApiError: 400 BadRequest: a port that is none, or a pod that does not run.
    """

    protocols: ClassVar[tuple[str, ...]] = ("portforward.k8s.io",)
    channels: ClassVar[tuple[str, ...]] = ("v4.channel.k8s.io",)

    def __init__(self, applications: Applications, pod: Object, query: Query) -> None:
        self._applications, metadata = applications, pod["metadata"]
        status = pod.get("status") or {}
        if status.get("phase") != "Running":
            name, phase = f"{metadata['name']}_{metadata['namespace']}", status.get("phase", "")
            why = f"unable to forward port because pod is not running. Current status={phase}"
            raise refusals.bad_request(f"{why} ({name})")
        self._namespace, self._name, self._ip = (
            metadata["namespace"],
            metadata["name"],
            status.get("podIP", ""),
        )
        listed = [each for given in query.every("ports") for each in given.split(",")]
        self._ports = [_port(each) for each in listed]
        if len(self._ports) > MOST_PORTS:
            raise refusals.bad_request(f"no more than {MOST_PORTS} ports")
        self._pairs: dict[str, _Pair] = {}
        self._of_stream: dict[int, _Pair] = {}

    def _connect(self, port: int) -> Wire:
        place = Place(self._namespace, self._name, "127.0.0.1", port)
        return Wire(self._applications, place, client=CLIENT)

    def _failure(self, port: int, error: Unreachable) -> str:
        """Source: the sentence of containerd's `portforward`."""
        return (
            f"error forwarding port {port} to pod {self._name}, uid : failed to connect to "
            f"localhost:{port} inside the pod: {error}"
        )

    # Each connection is a pair of SPDY's streams

    async def on_streams(self, pipe: Pipe, protocol: str) -> None:
        """Connect a pair of streams after the other, until the client leaves."""
        spdy = Spdy()
        while not spdy.is_over and (data := await pipe.receive()):
            try:
                events = spdy.receive(data)
            except ProtocolError:
                events = []
                spdy.say_goodbye()
                spdy.is_over = True
            for event in events:
                self._on(event, spdy)
            if out := spdy.take():
                await pipe.send(out)

    def _on(self, event: Event, spdy: Spdy) -> None:
        if isinstance(event, Opened):
            self._open(event, spdy)
            return
        pair = self._of_stream.get(event.stream)
        if pair is None or event.stream != pair.data or pair.wire is None:
            return
        if isinstance(event, Received):
            spdy.send(pair.data, pair.wire.receive(event.data))
        if isinstance(event, Ended) or pair.wire.is_over:
            self._close(pair, spdy)

    def _open(self, event: Opened, spdy: Spdy) -> None:
        kind = event.headers.get("streamtype", "")
        port = event.headers.get("port", "")
        is_port = port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536
        if kind not in ("data", "error") or not is_port:
            spdy.break_off(event.stream)
            return
        # Clients of old name no request: the stream for data comes right after that for errors.
        former = event.stream - 2 if kind == "data" else event.stream
        request = event.headers.get("requestid") or f"stream {former}"
        pair = self._pairs.setdefault(request, _Pair(int(port)))
        setattr(pair, kind, event.stream)
        self._of_stream[event.stream] = pair
        spdy.accept(event.stream)
        if not (pair.data and pair.error):
            return
        del self._pairs[request]
        try:
            pair.wire = self._connect(pair.port)
        except Unreachable as error:
            spdy.send(pair.error, self._failure(pair.port, error).encode())
            self._close(pair, spdy)

    def _close(self, pair: _Pair, spdy: Spdy) -> None:
        for stream in (pair.error, pair.data):
            spdy.end(stream)
            self._of_stream.pop(stream, None)

    # Each port is a pair of a WebSocket's channels

    async def on_channels(self, pipe: Pipe, protocol: str) -> None:
        """Connect each port that was asked for, once."""
        wires: dict[int, Wire] = {}
        for place, port in enumerate(self._ports):
            data, error = 2 * place, 2 * place + 1
            for channel in (data, error):
                await pipe.send(bytes((channel,)) + port.to_bytes(2, "little"))
            try:
                wires[data] = self._connect(port)
            except Unreachable as failure:
                await pipe.send(bytes((error,)) + self._failure(port, failure).encode())
        while wires and (message := await pipe.receive()):
            wire = wires.get(message[0])
            if wire is None:
                continue
            if out := wire.receive(message[1:]) if len(message) > 1 else b"":
                await pipe.send(message[:1] + out)
            if wire.is_over:
                del wires[message[0]]


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    if not 0 < port < 65536:
        raise refusals.bad_request(f'unable to parse "{text}" as a port')
    return port
