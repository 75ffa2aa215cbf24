"""The process in the background that a live sandbox runs in: started, asked and ended from outside.

`python -m gitops_lab.daemon FOLDER ARMS SPEED` is that process. It says on standard output, in one
line, that it is ready, or why it never will be.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitops_lab.errors import LabError, UsageError
from gitops_lab.state import StateFolder, raised, told

ARMS = ("push-on-commit", "pull+self-heal")
"""What a sandbox is made of unless somebody says otherwise."""

START, STOP = 60.0, 15.0
"""How long a process may take to be ready, and to end, in seconds."""

ALREADY = "already"
"""What a process says that finds another one in its place."""


def start(
    folder: StateFolder, arms: Sequence[str] = (), *, speed: float | None = None
) -> dict[str, Any]:
    """Start a sandbox's process, and wait until everything in it answers.

    Args:
        folder: where it keeps its state; it goes on with what is there.
        arms: names of standard arms; those of before if empty, or else `ARMS`.
        speed: how many seconds pass in the sandbox while one passes on the wall; if None, as many
            as before, or else one.

    Returns:
        The description that the process published, with `found` saying in which state the folder
        was: `new`, `running`, `stopped` or `crashed`.

    Raises:
        UsageError: there is a sandbox with other arms.
        LabError: it did not start, and why.
    """
    if folder.is_alive:
        return {**_wait(folder), "found": "running"}
    kept = folder.settings()
    arms = list(arms or kept.get("arms", ARMS))
    if kept and kept["arms"] != arms:
        raise UsageError(
            f"the sandbox {folder.name!r} is made of {', '.join(kept['arms'])}",
            fix="go on with it by leaving its arms out, remove it with `gitops-lab down`, or make "
            "another with --name",
        )
    speed = kept.get("speed", 1.0) if speed is None else speed
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", __name__, str(folder.path), ",".join(arms), str(speed)]
    # Not the folder that the user happens to be in: Python would look for modules there.
    package = Path(__file__).parents[1]
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command,
            cwd=package,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)
    assert process.stdout is not None
    with process.stdout as said:
        if not select.select([said], [], [], START)[0]:
            process.kill()
        line = said.readline()
    answer = json.loads(line) if line else {}
    if ALREADY in answer:
        return {**_wait(folder), "found": "running"}
    if "error" in answer:
        raise raised(answer["error"])
    if not answer:
        raise LabError(
            f"the sandbox's process ended before it was ready (exit code {process.wait()})",
            where=str(folder.log),
            fix="free some space: the disk is full"
            if folder.is_full
            else "its last lines say why; `gitops-lab doctor` looks for usual causes",
        )
    found = "crashed" if answer["crashed"] else "stopped" if kept else "new"
    return {**folder.description(), "found": found}


def stop(folder: StateFolder) -> bool:
    """End a sandbox's process, if there is one, and remove every trace; whether there was any.

    Raises:
        LabError: the process would not end.
    """
    if not folder.path.exists():
        return False
    if folder.is_alive:
        pid = _wait(folder)["pid"]
        try:
            folder.ask("stop")
        except LabError:
            _signal(folder, pid, signal.SIGTERM)
        if not _ended(folder):
            _signal(folder, pid, signal.SIGKILL)
        if not _ended(folder):
            raise LabError(f"the process {pid} does not end", fix=f"end it by hand: kill -9 {pid}")
    with folder.held() as held:
        if held:
            folder.remove()
    return True


def _signal(folder: StateFolder, pid: int, number: int) -> None:
    if folder.is_alive:  # else the number may be another process's by now
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _ended(folder: StateFolder) -> bool:
    end = time.monotonic() + STOP
    while folder.is_alive:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _wait(folder: StateFolder) -> dict[str, Any]:
    """The description of a process that may be starting still."""
    end = time.monotonic() + START
    while True:
        try:
            return folder.description()
        except LabError:
            if time.monotonic() > end or not folder.is_alive:
                raise
            time.sleep(0.05)


# -- in the background -----------------------------------------------------------------------------


async def serve(folder: StateFolder, arms: Sequence[str], speed: float, *, crashed: bool) -> bool:
    """Run a live world until somebody ends it; whether its state is to be removed.

    Args:
        folder: its state; this process holds the lock.
        arms: names of standard arms.
        speed: how many seconds pass in the sandbox while one passes on the wall.
        crashed: whether the folder's last process ended without `down`.
    """
    from gitops_lab.live import LiveWorld

    world = LiveWorld(folder.path, arms, speed=speed)
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def end(remove: bool) -> None:
        if not ended.done():
            ended.set_result(remove)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, False)
    key = secrets.token_hex()
    ear = await asyncio.start_server(Ear(world, key, end).hear, "127.0.0.1", 0)
    kept = folder.settings()
    await world.start(kept.get("ports"))
    folder.keep({"arms": list(arms), "speed": speed, "ports": world.ports})
    running = asyncio.ensure_future(world.run())
    try:
        folder.publish(
            {
                "pid": os.getpid(),
                "port": ear.sockets[0].getsockname()[1],
                "key": key,
                "name": folder.name,
                **world.description(),
            }
        )
        _say({"crashed": crashed})
        both: list[asyncio.Future[Any]] = [running, ended]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()  # raises what went wrong
        return await ended
    finally:
        ear.close()
        running.cancel()
        await asyncio.wait([running])
        await world.stop()


class Ear:
    """Hears what other processes ask of this one: one JSON line each way, and a key.

    Args:
        world: the sandbox that obeys.
        key: what whoever asks must know.
        end: ends the process; takes whether its state is to be removed.
    """

    def __init__(self, world: Any, key: str, end: Any) -> None:
        self.world, self.key, self.end = world, key, end

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question, whoever asks it and however badly."""
        answer: dict[str, Any]
        try:
            async with asyncio.timeout(10):
                request = json.loads(await reader.readline())
            answer = {"answer": await self._obey(request)}
        except LabError as error:
            answer = {"error": told(error)}
        except Exception as error:  # a question that nobody should have asked ends nothing
            answer = {"error": told(LabError(f"the question was not understood: {error!r}"))}
        with suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            writer.close()

    async def _obey(self, request: Mapping[str, Any]) -> Any:
        if not hmac.compare_digest(str(request["key"]).encode(), self.key.encode()):
            raise LabError("this is not the key of this sandbox")
        arguments = request["arguments"]
        match request["what"]:
            case "status":
                return self.world.status()
            case "pause":
                return self.world.pause(*arguments["arms"])
            case "resume":
                return self.world.resume(*arguments["arms"])
            case "disconnect":
                return self.world.disconnect(*arguments["arms"])
            case "reconnect":
                return self.world.reconnect(*arguments["arms"])
            case "step":
                return await self.world.step(arguments["arm"])
            case "stop":
                return self.end(True)
            case other:
                raise LabError(f"nothing here can {other!r}")


def _say(what: Mapping[str, Any]) -> None:
    """Tell whoever started this process; nobody listens after that."""
    print(json.dumps(what), flush=True)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def main(arguments: Sequence[str]) -> int:
    """The process in the background; its exit code."""
    path, arms, speed = arguments
    folder = StateFolder(Path(path).name, Path(path).parent)
    os.umask(0o077)
    with folder.held() as held:
        if not held:
            _say({ALREADY: True})
            return 0
        crashed, kept = folder.sweep(), (folder.path / "git").exists()
        # Whatever any library puts aside goes with the folder.
        tempfile.tempdir = str(folder.path / "tmp")
        Path(tempfile.tempdir).mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir
        try:
            serving = serve(folder, arms.split(","), float(speed), crashed=crashed)
            remove = asyncio.run(serving)
        except BaseException as error:
            if folder.process.exists() or not isinstance(error, LabError):
                traceback.print_exc()  # into the log; `process.json` tells of the crash
                return 1
            _say({"error": told(error)})
            remove = not kept
        if remove:
            folder.remove()
        else:
            folder.sweep()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
