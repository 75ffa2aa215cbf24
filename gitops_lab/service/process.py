"""The process in the background that a live sandbox runs in.

`python -m gitops_lab.service.process FOLDER SETUP` is that process. It says on standard output, in
lines of JSON, what goes on, and in the end that it is ready, or why it never will be.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
import traceback
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gitops_lab.errors import LabError, UsageError, of_machine
from gitops_lab.service.lifecycle import ALREADY, backend_of
from gitops_lab.state import Setup, StateFolder, error_to


async def serve(folder: StateFolder, setup: Setup, *, crashed: bool) -> None:
    """Run a live world until it is told to end.

    Args:
        folder: its state; this process holds the lock.
        setup: what it is made of.
        crashed: whether the folder's last process ended without `down`.
    """
    from gitops_lab.service.api import Service
    from gitops_lab.worlds.live import LiveWorld
    from kubesim.http.listener import raise_file_limit

    raise_file_limit()
    world = LiveWorld(
        folder.path, setup, name=folder.name, progress=lambda line: _say({"progress": line})
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    kept = folder.settings()
    folder.keep({**kept, "setup": asdict(setup)})  # `down` must know of clusters that are made
    try:
        await _unless(ended, world.open())
    except BaseException:
        folder.keep(kept)  # what was made is removed again
        raise
    await _unless(ended, world.set_up(kept.get("ports")))
    folder.keep({"setup": asdict(setup), "ports": world.ports})
    running = asyncio.ensure_future(world.run())
    token = secrets.token_urlsafe()
    service = Service(world, token, ended.set)
    try:
        port = await service.start()
        folder.publish(
            {
                "pid": os.getpid(),
                "url": f"https://127.0.0.1:{port}",
                "token": token,
                "ca": world.server.authority.ca_pem,
                "name": folder.name,
                **world.description(),
            }
        )
        _say({"crashed": crashed})
        _close_output()
        waiting = asyncio.ensure_future(ended.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()  # raises what went wrong
    finally:
        await service.stop()
        running.cancel()
        await asyncio.wait([running])
        await world.shut_down()


async def _unless(ended: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do something, and give it up if this process is told to end.

    Raises:
        LabError: it was.
    """
    doing, waiting = asyncio.ensure_future(work), asyncio.ensure_future(ended.wait())
    await asyncio.wait([doing, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not doing.done():
        doing.cancel()
        await asyncio.wait([doing])
        raise LabError("the sandbox was told to end before it was ready")
    doing.result()  # raises what went wrong


def _say(what: Mapping[str, Any]) -> None:
    """Say something to the process that started this one, if it still listens."""
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(what).encode() + b"\n")


def _close_output() -> None:
    """Nothing more is said to the process that started this one."""
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
        # Temporary files of any library go with the folder.
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
        if failed:  # `up` hears of it when all is done
            _say({"error": error_to(failed)})
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
    found = backend_of(folder)
    try:
        if found is not None:
            asyncio.run(found.remove())
    except LabError as error:
        print(f"after that: {error}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
