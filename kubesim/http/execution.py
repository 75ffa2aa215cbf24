"""`kubectl exec` and `kubectl attach`: a command's input and output, through the API server.

Source: kubelet `pkg/kubelet/server/remotecommand`, apimachinery `pkg/util/remotecommand`
(Kubernetes 1.37): four streams or channels, and one for the size of a terminal.
"""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

from kubesim import refusals
from kubesim.applications import Applications
from kubesim.applications.commands import Inside, Outcome, reads_input, run
from kubesim.controllers.process import Process
from kubesim.errors import ApiError
from kubesim.http import containers
from kubesim.http.queries import Query
from kubesim.http.spdy import Ended, Opened, ProtocolError, Received, Spdy
from kubesim.http.upgrade import Pipe, Session
from kubesim.model import Object

CHANNELS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}
"""The channel of each stream."""

CLOSES = 255
"""What begins a message of the client that closes a channel (`v5.channel.k8s.io`)."""

MOST_INPUT = 1024 * 1024
"""How many bytes of input a command gets."""

LONGEST = 3_600.0
"""Seconds of real time that a command may take."""

LINGER = 5.0
"""Seconds of real time that a client has to leave when all is said."""

OPEN_WITHIN = 30.0
"""Seconds of real time that a client has to open its streams. Source: kubelet
`streamCreationTimeout`."""

PIECE = 32 * 1024
"""Output is sent in messages of so many bytes."""


class _Streams(Session):
    """The streams of one container.

    Args:
        applications: what runs in the cluster.
        pod: the pod.
        query: of PodExecOptions or PodAttachOptions.

    Raises:
        ApiError: 400 BadRequest, 500 InternalError: there is no such container, or it does not run.
    """

    protocols: ClassVar[tuple[str, ...]] = ("v4.channel.k8s.io",)
    channels: ClassVar[tuple[str, ...]] = ("v5.channel.k8s.io", "v4.channel.k8s.io")

    def __init__(self, applications: Applications, pod: Object, query: Query) -> None:
        metadata, phase = pod["metadata"], (pod.get("status") or {}).get("phase")
        if phase in ("Succeeded", "Failed"):
            why = f"cannot exec into a container in a completed pod; current phase is {phase}"
            raise refusals.bad_request(why)
        name = containers.chosen(pod, query.get("container", ""))
        if not pod["spec"].get("nodeName"):
            raise refusals.bad_request(f"pod {metadata['name']} does not have a host assigned")
        self._applications, self._pod = applications, pod
        self._process = self._found(metadata["namespace"], metadata["name"], name)
        self._has_terminal = query.yes("tty")
        self._wanted = [each for each in ("stdin", "stdout", "stderr") if query.yes(each)]
        if self._has_terminal:
            self._wanted = [each for each in self._wanted if each != "stderr"] + ["resize"]

    def _found(self, namespace: str, pod: str, container: str) -> Process:
        for each in self._applications.processes(namespace, pod):
            if each.container == container:
                return each
        why = f'unable to upgrade connection: container not found ("{container}")'
        raise ApiError(500, "InternalError", why)

    @abstractmethod
    def outcome(self, given: bytes) -> Outcome:
        """What is written to the streams, and how that ends.

        Args:
            given: what came on the input.
        """

    reads_input = False
    """Whether it goes on until its input ends."""

    async def _pieces(self, given: bytes) -> list[tuple[str, bytes]]:
        """What goes out, and on which stream, once the command has taken its time."""
        outcome = self.outcome(given)
        await asyncio.sleep(min(outcome.seconds, LONGEST))
        return list(self._written(outcome))

    def _written(self, outcome: Outcome) -> Iterator[tuple[str, bytes]]:
        """What goes out, and on which stream; the status comes last."""
        written = [("stdout", outcome.out), ("stderr", outcome.err)]
        if self._has_terminal:  # it has one screen, and moves its cursor by itself
            both = (outcome.out + outcome.err).replace(b"\n", b"\r\n")
            written = [("stdout", both)]
        for stream, content in written:
            if stream in self._wanted:
                for at in range(0, len(content), PIECE):
                    yield stream, content[at : at + PIECE]
        yield "error", json.dumps(ended(outcome.code)).encode()

    async def on_streams(self, pipe: Pipe, protocol: str) -> None:
        """Wait for the client's streams, write to them, and end."""
        spdy, numbers = Spdy(), dict[str, int]()
        with suppress(ProtocolError, TimeoutError):
            async with asyncio.timeout(OPEN_WITHIN):
                while not {"error", *self._wanted} <= numbers.keys():
                    data = await pipe.receive()
                    if not data or spdy.is_over:
                        return
                    for event in spdy.receive(data):
                        if isinstance(event, Opened):
                            numbers[event.headers.get("streamtype", "")] = event.stream
                            spdy.accept(event.stream)
                    await pipe.send(spdy.take())
            given = await self._streamed(spdy, numbers.get("stdin"), pipe)
            for stream, content in await self._pieces(given):
                spdy.send(numbers[stream], content)
            for number in numbers.values():
                spdy.end(number)
            await pipe.send(spdy.take())
            async with asyncio.timeout(LINGER):
                while await pipe.receive():
                    pass

    async def on_channels(self, pipe: Pipe, protocol: str) -> None:
        """Write to the channels, and end."""
        await pipe.send(bytes((CHANNELS["stdout"],)))  # with it the client knows it is connected
        given = await self._channelled(pipe)
        for stream, content in await self._pieces(given):
            await pipe.send(bytes((CHANNELS[stream],)) + content)

    @property
    def _waits_for_input(self) -> bool:
        return self.reads_input and "stdin" in self._wanted

    async def _streamed(self, spdy: Spdy, number: int | None, pipe: Pipe) -> bytes:
        """The input that comes on a stream, until it ends."""
        given, is_open = bytearray(), self._waits_for_input
        while is_open and len(given) < MOST_INPUT:
            data = await pipe.receive()
            if not data or spdy.is_over:
                break
            for event in spdy.receive(data):
                if isinstance(event, Received) and event.stream == number:
                    given += event.data
                elif isinstance(event, Ended) and event.stream == number:
                    is_open = False
            await pipe.send(spdy.take())
        return bytes(given)

    async def _channelled(self, pipe: Pipe) -> bytes:
        """The input that comes on a channel, until the client closes that."""
        given = bytearray()
        while self._waits_for_input and len(given) < MOST_INPUT:
            message = await pipe.receive()
            if not message or message == bytes((CLOSES, CHANNELS["stdin"])):
                break
            if message[0] == CHANNELS["stdin"]:
                given += message[1:]
        return bytes(given)


class Execution(_Streams):
    """One command in one container."""

    def __init__(self, applications: Applications, pod: Object, query: Query) -> None:
        super().__init__(applications, pod, query)
        self._command = [value for name, value in query.pairs if name == "command"]
        if not self._command or not self._command[0]:
            raise refusals.bad_request("you must specify at least one command for the container")

    @property
    def reads_input(self) -> bool:  # type: ignore[override]
        """Whether the command goes on until its input ends."""
        return reads_input(self._command)

    def outcome(self, given: bytes) -> Outcome:
        """How the command ends."""
        return run(Inside(self._applications, self._pod, self._process, given), self._command)


class Attachment(_Streams):
    """A look at the streams of the container's process, of which there are none."""

    def outcome(self, given: bytes) -> Outcome:
        """A sentence."""
        container = self._process.container
        return Outcome(
            err=f'container "{container}" is simulated: there is no process to attach to; '
            "`kubectl logs` shows what it writes\n".encode()
        )


def ended(code: int) -> dict[str, Any]:
    """A command's end as a meta/v1 Status. Source: apimachinery `pkg/util/remotecommand`."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
