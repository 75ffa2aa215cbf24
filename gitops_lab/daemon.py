"""The process in the background that a live sandbox runs in: started, asked and ended from outside.

`python -m gitops_lab.daemon FOLDER SETUP` is that process. It says on standard output, in lines of
JSON, what goes on, and in the end that it is ready, or why it never will be.
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
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gitops_lab.errors import LabError, UsageError, of_machine
from gitops_lab.state import Setup, StateFolder, raised, told

ARMS = ("push-on-commit", "pull+self-heal")
"""What a sandbox is made of unless somebody says otherwise."""

PARTS_OF = {"node_image": "kind", "context": "context", "namespace": "context"}
"""Parts of a setup that only one backend heeds."""

START = {"simulated": 60.0, "context": 120.0, "kind": 1_500.0}
"""How long a process may be silent before it is ready, in seconds: for kind, a gigabyte may have to
come through a slow network."""

STOP = 15.0
"""How long a process may take to end, in seconds."""

GIVE_UP = 120.0
"""How long a process may take to end that is told to before it is ready, in seconds: it removes the
clusters that it has begun to make."""

Progress = Callable[[str], None]

ALREADY = "already"
"""What a process says that finds another one in its place."""


def start(
    folder: StateFolder, wanted: Mapping[str, Any], *, progress: Progress = lambda line: None
) -> dict[str, Any]:
    """Start a sandbox's process, and wait until everything in it answers.

    Args:
        folder: where it keeps its state; it goes on with what is there.
        wanted: what somebody wants it to be made of, by the names of `Setup`. What is left out is
            as it was before, or else as usual.
        progress: is told what goes on.

    Returns:
        The description that the process published, with `found` saying in which state the folder
        was: `new`, `running`, `stopped` or `crashed`.

    Raises:
        UsageError: there is a sandbox that is made of something else.
        LabError: it did not start, and why.
        KeyboardInterrupt: somebody pressed Ctrl-C. A sandbox that is new is removed again.
    """
    if folder.is_alive:
        return _running(folder, wanted)
    kept = folder.settings().get("setup") or {}
    setup = chosen(folder, kept, wanted)
    folder.make()
    command = [sys.executable, "-m", __name__, str(folder.path), json.dumps(asdict(setup))]
    # Not the folder that the user happens to be in: Python would look for modules there.
    package = Path(__file__).parents[1]
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command,
            cwd=package,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,  # else a line may be read with the one before it, and waited for in vain
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)
    try:
        answer = _heard(process, START[setup.backend], progress)
    except KeyboardInterrupt:
        _give_up(folder, process, is_new=not kept)
        if kept:
            again = "gitops-lab up" + ("" if folder.name == "default" else f" --name {folder.name}")
            raise KeyboardInterrupt(f"the sandbox stays, and `{again}` goes on with it") from None
        raise
    if ALREADY in answer:
        return _running(folder, wanted)
    if "error" in answer:
        raise raised(answer["error"])
    if not answer:
        raise LabError(
            f"the sandbox's process ended before it was ready (exit code {process.wait()})",
            where=str(folder.log),
            fix="free some space: the disk is full"
            if folder.is_full
            else f"its last line is: {last_line(folder.log)}\n"
            "`gitops-lab doctor` looks for usual causes",
        )
    found = "crashed" if answer["crashed"] else "stopped" if kept else "new"
    return {**folder.description(), "found": found}


def last_line(log: Path) -> str:
    """The last line of a log that says something, as far as a terminal shows it in one piece."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return "(none)"
    said = [line.strip(" |+-") for line in lines]
    return next((line for line in reversed(said) if line), "(none)")[:200]


def _heard(process: subprocess.Popen[bytes], patience: float, progress: Progress) -> dict[str, Any]:
    """The last word of a process that starts; nothing if it ended without one.

    Args:
        process: says on its standard output how far it is.
        patience: how long it may be silent, in seconds.
        progress: is told the same.
    """
    assert process.stdout is not None
    with process.stdout as said:
        while True:
            if not select.select([said], [], [], patience)[0]:
                process.kill()
            line = said.readline()
            answer: dict[str, Any] = json.loads(line) if line else {}
            if "progress" not in answer:
                return answer
            progress(answer["progress"])


def _give_up(folder: StateFolder, process: subprocess.Popen[bytes], *, is_new: bool) -> None:
    """End a process that was about to start, and remove what it began unless that was there."""
    process.terminate()
    try:
        process.wait(GIVE_UP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if is_new and not folder.is_alive:  # else somebody else has started it meanwhile
        stop(folder)


def _running(folder: StateFolder, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a sandbox that runs, for somebody who wants just this one."""
    description = _wait(folder)
    chosen(folder, folder.settings()["setup"], wanted, is_running=True)
    return {**description, "found": "running"}


def chosen(
    folder: StateFolder,
    kept: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    is_running: bool = False,
) -> Setup:
    """What a sandbox is to be made of.

    Args:
        folder: the sandbox's.
        kept: what it is made of so far, if anything.
        wanted: what somebody wants it to be made of.
        is_running: it is too late for another speed.

    Raises:
        UsageError: it is made of something else already.
    """
    if wanted.get("arms") == ["all"]:
        from gitops_lab import sandbox  # which takes its time to load, and few ask for all

        wanted = {**wanted, "arms": list(sandbox.ARMS)}
    if kept:
        before = {**asdict(Setup(ARMS)), **kept}
        free = ("confirmed",) if is_running else ("confirmed", "speed")
        for part, value in wanted.items():
            if part not in free and before[part] != _plain(value):
                has = f"{part.replace('_', ' ')} {_said(before[part])}"
                raise UsageError(
                    f"the sandbox {folder.name!r} has {has}",
                    fix="go on with it by leaving that out, remove it with `gitops-lab down`, or "
                    "make another with --name",
                )
    # Others may have a sandbox of the same name in the same cluster.
    identity = f"{folder.name}-{secrets.token_hex(3)}"
    parts = {"arms": ARMS, "identity": identity, **kept, **wanted}
    return _fitting(Setup.of(parts))


def _fitting(setup: Setup) -> Setup:
    """A setup none of whose parts would be passed over in silence.

    Raises:
        UsageError: there is such a part.
    """
    for part, backend in PARTS_OF.items():
        if getattr(setup, part) and setup.backend != backend:
            raise UsageError(
                f"--{part.replace('_', '-')} means nothing for {setup.backend} clusters",
                fix=f"add --backend {backend}, or leave it out",
            )
    return setup


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _said(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else repr(value)


def reset(folder: StateFolder, *, progress: Progress = lambda line: None) -> dict[str, Any]:
    """Begin a sandbox anew: the same arms at the same addresses, and nothing else of what was.

    Clones go on working, for the Git server is where it was.

    Args:
        folder: where its state is.
        progress: is told what goes on.

    Returns:
        What `start` returns.

    Raises:
        LabError: there is no such sandbox, or one of `stop` and `start` failed.
    """
    before = folder.settings()
    if not before.get("setup"):
        folder.description()  # says that there is none
    stop(folder, progress=progress)
    folder.make()
    folder.keep({"ports": before.get("ports")})
    return start(folder, before.get("setup") or {}, progress=progress)


def holdings(folder: StateFolder) -> list[str]:
    """What `stop` will remove from a cluster that stays; empty where clusters go as a whole.

    Raises:
        LabError: the cluster does not answer.
    """
    found = _backend(folder)
    return [str(key) for key in found.holdings()] if found is not None else []


def stop(folder: StateFolder, *, progress: Progress = lambda line: None) -> bool:
    """End a sandbox's process, if there is one, and remove every trace; whether there was any.

    Args:
        folder: where its state is.
        progress: is told what goes on.

    Raises:
        LabError: the process would not end, or a cluster not go. Then the folder stays, and this
            can be tried again.
    """
    if not folder.path.exists():
        return False
    if folder.is_alive:
        try:
            _wait(folder)
            folder.ask("stop")
        except LabError:
            _signal(folder, signal.SIGTERM)
        if not _ended(folder):
            _signal(folder, signal.SIGKILL)
        if not _ended(folder):
            pid = folder.holder or "(see `ps`)"
            raise LabError(f"the process {pid} does not end", fix=f"end it by hand: kill -9 {pid}")
    with folder.held() as held:
        if held:
            found = _backend(folder, progress)
            if found is not None:
                asyncio.run(found.remove())
            folder.remove()
    return True


def _backend(folder: StateFolder, progress: Progress = lambda line: None) -> Any:
    """Where the sandbox's clusters came from; None for those that go with its folder."""
    try:
        kept = folder.settings().get("setup") or {}
    except LabError as error:
        clusters = [*folder.path.glob("clusters/*")]
        if all((cluster / "store").exists() for cluster in clusters):
            return None  # simulated ones
        raise LabError(
            error.what,
            where=error.where,
            fix="restore the file from a copy; or remove the clusters by hand (`kind get clusters` "
            f"tells of kind's), and then {folder.path}",
        ) from error
    if kept.get("backend", "simulated") == "simulated":
        return None
    from gitops_lab.worlds.backends import backend

    setup = Setup.of(kept)
    return backend(setup, folder.path, folder.name, progress)


def _signal(folder: StateFolder, number: int) -> None:
    pid = folder.holder
    if pid is not None:
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
    end = time.monotonic() + START["simulated"]
    while True:
        is_ready = folder.process.exists()
        try:
            return folder.description()
        except LabError:
            if is_ready or time.monotonic() > end or not folder.is_alive:
                raise
            time.sleep(0.05)


# -- in the background -----------------------------------------------------------------------------


async def serve(folder: StateFolder, setup: Setup, *, crashed: bool) -> None:
    """Run a live world until somebody ends it.

    Args:
        folder: its state; this process holds the lock.
        setup: what it is made of.
        crashed: whether the folder's last process ended without `down`.
    """
    from gitops_lab.worlds.live import LiveWorld

    world = LiveWorld(
        folder.path, setup, name=folder.name, progress=lambda line: _say({"progress": line})
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    key = secrets.token_hex()
    ear = await asyncio.start_server(Ear(world, key, ended.set).hear, "127.0.0.1", 0)
    kept = folder.settings()
    folder.keep({**kept, "setup": asdict(setup)})  # whoever removes clusters must know of them
    try:
        await _unless(ended, world.open())
    except BaseException:
        folder.keep(kept)  # what was made is removed again
        raise
    await _unless(ended, world.set_up(kept.get("ports")))
    folder.keep({"setup": asdict(setup), "ports": world.ports})
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
        _hush()
        waiting = asyncio.ensure_future(ended.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()  # raises what went wrong
    finally:
        ear.close()
        running.cancel()
        await asyncio.wait([running])
        await world.shut_down()


async def _unless(ended: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do something, and give it up if somebody ends this process.

    Raises:
        LabError: somebody did.
    """
    doing, waiting = asyncio.ensure_future(work), asyncio.ensure_future(ended.wait())
    await asyncio.wait([doing, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not doing.done():
        doing.cancel()
        await asyncio.wait([doing])
        raise LabError("the sandbox was told to end before it was ready")
    doing.result()  # raises what went wrong


class Ear:
    """Hears what other processes ask of this one: one JSON line each way, and a key.

    Args:
        world: the sandbox that obeys.
        key: what whoever asks must know.
        end: ends the process.
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
                return self.world.state()
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
                return self.end()
            case other:
                raise LabError(f"nothing here can {other!r}")


def _say(what: Mapping[str, Any]) -> None:
    """Tell whoever started this process, if they have the patience to listen."""
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(what).encode() + b"\n")


def _hush() -> None:
    """Nobody listens any more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def main(arguments: Sequence[str]) -> int:
    """The process in the background; its exit code."""
    path, text = arguments
    setup = Setup.of(json.loads(text))
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
        failed: BaseException | None = None
        try:
            asyncio.run(serve(folder, setup, crashed=crashed))
        except BaseException as error:
            failed = error
        if failed and not folder.process.exists():
            failed = _explained(folder, failed)
        if (folder.process.exists() and failed) or not isinstance(failed, LabError | None):
            traceback.print_exception(failed)  # into the log; `process.json` tells of the crash
            return 1
        if failed and not kept and _undone(folder):
            folder.remove()
        else:
            folder.sweep()
        if failed:  # whoever waits hears of it when all is done
            _say({"error": told(failed)})
    return 0


def _explained(folder: StateFolder, error: BaseException) -> BaseException:
    """Why a sandbox did not start, in words for people if there are any."""
    if folder.is_full and not isinstance(error, UsageError):
        return LabError("the disk is full", where=str(folder.path), fix="free some space")
    if isinstance(error, OSError | ModuleNotFoundError):
        traceback.print_exception(error)
        return of_machine(error)
    return error


def _undone(folder: StateFolder) -> bool:
    """Remove what was made for a sandbox that did not start; whether nothing of it is left."""
    found = _backend(folder)
    try:
        if found is not None:
            asyncio.run(found.remove())
    except LabError as error:
        print(f"after that: {error}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
