"""How the process of a sandbox is started, ended and reset from another process."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gitops_lab.errors import LabError
from gitops_lab.service.setup import chosen
from gitops_lab.state import Setup, StateFolder, command, error_from

PROCESS = "gitops_lab.service.process"
"""The module that the process runs."""

START = {"simulated": 60.0, "context": 120.0, "kind": 1_500.0}
"""How long a process may be silent before it is ready, in seconds: for kind, a gigabyte may have to
come through a slow network."""

LISTEN = 0.1
"""How often to see whether Ctrl-C was pressed, in seconds."""

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

    Ctrl-C ends the process that was started. A sandbox that is new is removed again.

    Args:
        folder: where it keeps its state; it goes on with what is there.
        wanted: what a person wants it to be made of, by the names of `Setup`. What is left out is
            as it was before, or else as usual.
        progress: called with a line for each thing that goes on.

    Returns:
        The description that the process published, with `found` saying in which state the folder
        was: `new`, `running`, `stopped` or `crashed`.

    Raises:
        UsageError: there is a sandbox that is made of something else.
        LabError: it did not start, and why.
        KeyboardInterrupt: a person pressed Ctrl-C; says what is left.
    """
    if folder.is_alive:
        return _running(folder, wanted)
    kept = folder.settings().get("setup") or {}
    setup = chosen(folder, kept, wanted)
    folder.make()
    with deferred() as interrupts:
        process = _spawn(folder, setup)
        answer = _last_word(process, START[setup.backend], progress, interrupts)
        if interrupts.came:
            _give_up(folder, process, is_new=not kept)
            if kept:
                again = f"`{command('up', folder.name)}` goes on with it"
                raise KeyboardInterrupt(f"the sandbox stays, and {again}")
            raise KeyboardInterrupt
    if ALREADY in answer:
        return _running(folder, wanted)
    if "error" in answer:
        raise error_from(answer["error"])
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


def _spawn(folder: StateFolder, setup: Setup) -> subprocess.Popen[bytes]:
    """Start the process; what it says on its standard output is read by `_last_word`."""
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", PROCESS, str(folder.path), json.dumps(asdict(setup))],
            # Not the folder that the user happens to be in: Python would look for modules there.
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,  # else a line may be read with the one before it, and waited for in vain
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)


class Interrupts:
    """Whether Ctrl-C was pressed since this was made."""

    came = False

    def note(self, number: int, frame: object) -> None:
        """Handle the signal."""
        self.came = True


@contextmanager
def deferred() -> Iterator[Interrupts]:
    """Note Ctrl-C instead of raising KeyboardInterrupt: what is begun must be ended first.

    Only the main thread hears of signals; in another thread nothing changes.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, interrupts.note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


def last_line(log: Path) -> str:
    """The last line of a log that says something, as far as a terminal shows it in one piece."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return "(none)"
    said = [line.strip(" |+-") for line in lines]
    return next((line for line in reversed(said) if line), "(none)")[:200]


def _last_word(
    process: subprocess.Popen[bytes], patience: float, progress: Progress, interrupts: Interrupts
) -> dict[str, Any]:
    """The last word of a process that starts; nothing if it ended, or was interrupted, before.

    Args:
        process: says on its standard output how far it is.
        patience: how long it may be silent, in seconds.
        progress: called with each line that it says.
        interrupts: tells when to stop listening.
    """
    assert process.stdout is not None
    with process.stdout as lines:
        silent = 0.0
        while not interrupts.came:
            if not select.select([lines], [], [], LISTEN)[0]:
                silent += LISTEN
                if silent > patience:
                    process.kill()
                continue
            silent, line = 0.0, lines.readline()
            answer: dict[str, Any] = json.loads(line) if line else {}
            if "progress" not in answer:
                return answer
            progress(answer["progress"])
    return {}


def _give_up(folder: StateFolder, process: subprocess.Popen[bytes], *, is_new: bool) -> None:
    """End a process that was about to start, and remove what it began unless that was there."""
    process.terminate()
    try:
        process.wait(GIVE_UP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if is_new and not folder.is_alive:  # else another `up` has started it meanwhile
        stop(folder)


def _running(folder: StateFolder, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a sandbox that runs, if it is what is wanted."""
    description = _wait(folder)
    chosen(folder, folder.settings()["setup"], wanted, is_running=True)
    return {**description, "found": "running"}


def reset(folder: StateFolder, *, progress: Progress = lambda line: None) -> dict[str, Any]:
    """Reset a sandbox: the same arms at the same addresses, and nothing else of what was.

    Clones go on working, for the Git server is where it was.

    Args:
        folder: where its state is.
        progress: called with a line for each thing that goes on.

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
    found = backend_of(folder)
    return [str(key) for key in found.holdings()] if found is not None else []


def stop(folder: StateFolder, *, progress: Progress = lambda line: None) -> bool:
    """End a sandbox's process, if there is one, and remove every trace; whether there was any.

    Args:
        folder: where its state is.
        progress: called with a line for each thing that goes on.

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
            found = backend_of(folder, progress)
            if found is not None:
                asyncio.run(found.remove())
            folder.remove()
    return True


def backend_of(folder: StateFolder, progress: Progress = lambda line: None) -> Any:
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
