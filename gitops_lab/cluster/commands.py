"""The one place that runs commands for clusters: kind, and the container engines below it.

Every command has a limit in time, shows what it does while it does it, and is told in a form that
can be pasted into a shell. What it started is ended with it.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

from gitops_lab.cluster.causes import Cause, likely
from gitops_lab.errors import LabError

Progress = Callable[[str], None]
"""Is told each line, as it comes: the command itself (`$ kind …`), then what it writes."""

LINES = 12
"""How many lines of a failed command's output are shown."""

GRACE = 5.0
"""How long a command that must end may take to tidy up, in seconds."""

LONGEST_LINE = 2**24

GET = {
    "docker": "https://docs.docker.com/engine/install/",
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
    "nerdctl": "https://github.com/containerd/nerdctl#install",
    "podman": "https://podman.io/docs/installation",
}
"""Where to get the commands that may be missing."""


class CommandMissing(LabError):
    """A command is not installed, or not in PATH.

    Args:
        name: of the command.
    """

    def __init__(self, name: str) -> None:
        place = f"install it ({GET[name]})" if name in GET else "install it"
        super().__init__(
            f"{name} is not installed on this machine", fix=f"{place} and see that it is in PATH"
        )


class CommandFailed(LabError):
    """A command was started and gave up, or took too long.

    The end of its output stands in `fix`, so that it stays last wherever the error is told.

    Args:
        command: as one pastes it into a shell.
        returned: its exit code; None if it was ended because it took too long.
        output: what it wrote to both of its outputs, as far as it is kept.
        timeout: how long it might have taken, in seconds.
    """

    def __init__(self, command: str, returned: int | None, output: str, timeout: float) -> None:
        self.command, self.returned, self.output = command, returned, output
        self.cause: Cause | None = likely(output)
        ended = f"not done after {timeout:g} s" if returned is None else f"exit code {returned}"
        what = f"{self.cause.what} ({ended})" if self.cause else f"the command failed ({ended})"
        cure = f"{self.cause.cure}\n" if self.cause else ""
        last = "\n    ".join(output.splitlines()) or "(nothing)"
        super().__init__(
            what, where=f"`{command}`", fix=f"{cure}the end of its output:\n    {last}"
        )


async def run(
    *command: str,
    timeout: float,
    stdin: str = "",
    variables: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> str:
    """Run a command; what it wrote to standard output.

    If this is cancelled, the command is ended, with everything that it started.

    Args:
        command: the command and its arguments.
        timeout: how long it may take, in seconds.
        stdin: what it reads from standard input.
        variables: environment variables beside those of this process.
        progress: is told what goes on.

    Raises:
        CommandMissing: there is no such command.
        CommandFailed: it gave up, or took too long.
    """
    shown = pasteable(command, variables)
    if progress is not None:
        progress(f"$ {shown}")
    process = await _start(command, {**os.environ, **(variables or {})})
    written: list[str] = []
    last: deque[str] = deque(maxlen=LINES)

    def heard(line: str) -> None:
        if line.strip():
            last.append(line.rstrip())
            if progress is not None:
                progress(line.rstrip())

    def answered(line: str) -> None:
        written.append(line)
        heard(line)

    assert process.stdout is not None and process.stderr is not None
    try:
        async with asyncio.timeout(timeout):
            await asyncio.gather(
                _write_stdin(process, stdin),
                _read_lines(process.stdout, answered),
                _read_lines(process.stderr, heard),
            )
            returned = await process.wait()
    except TimeoutError:
        await _end(process)
        raise CommandFailed(shown, None, "\n".join(last), timeout) from None
    except BaseException:
        await _end(process)
        raise
    if returned:
        raise CommandFailed(shown, returned, "\n".join(last), timeout)
    return "".join(written)


def pasteable(command: tuple[str, ...], variables: Mapping[str, str] | None = None) -> str:
    """A command as one pastes it into a shell."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in (variables or {}).items()]
    return " ".join([*settings, shlex.join(command)])


async def _start(command: tuple[str, ...], environment: Mapping[str, str]) -> Process:
    """Start a command, in a session of its own, so that what it starts can be ended with it."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=environment,
            start_new_session=True,
            limit=LONGEST_LINE,
        )
    )
    try:
        return await asyncio.shield(starting)
    except (FileNotFoundError, PermissionError) as error:
        raise CommandMissing(command[0]) from error
    except asyncio.CancelledError:
        with suppress(OSError):
            await _end(await starting)  # it may have started already
        raise


async def _write_stdin(process: Process, text: str) -> None:
    """Write to a command's standard input, and close it; it does not have to read it."""
    assert process.stdin is not None
    with suppress(ConnectionError):
        process.stdin.write(text.encode())
        await process.stdin.drain()
    process.stdin.close()
    with suppress(ConnectionError):
        await process.stdin.wait_closed()


async def _read_lines(stream: asyncio.StreamReader, progress: Progress) -> None:
    while line := await stream.readline():
        progress(line.decode(errors="replace"))


async def _end(process: Process) -> None:
    """End a command and what it started: first with a chance to tidy up, then without."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
