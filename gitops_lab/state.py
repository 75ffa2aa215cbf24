"""Where a live sandbox keeps its state, whether its process lives, and how to talk to it.

Each sandbox has a folder in the user's state directory, open to nobody else:

- `lock`: held by the process for as long as it lives, so that the kernel knows who is alive
- `process.json`: where the process listens, and the key that makes it obey
- `log`: what the process had to complain about
- `journal.jsonl`: what happened in the sandbox
- `git/`, `kubeconfig` and the rest: what `gitops_lab.live` keeps
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitops_lab.errors import LabError, UsageError

ANSWER = 30.0
"""How long to wait for an answer of a sandbox's process, in seconds."""

LOOKS = 10
"""How often to try to take the lock."""

KEPT = ("lock", "log", "git")
"""What outlives a process that ended without `down`: the learner's commits, and why it ended."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def home() -> Path:
    """The folder that holds a folder for each sandbox (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local/state") / "gitops-lab"


class StateFolder:
    """The folder of one sandbox; it need not exist.

    Args:
        name: what the sandbox is called.
        root: the folder that holds it; `home()` if None.

    Raises:
        UsageError: the name cannot be used.
    """

    def __init__(self, name: str = "default", root: Path | None = None) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name of a sandbox",
                fix="use at most 40 lower-case letters, digits and '-'",
            )
        self.name = name
        self.path = (root or home()) / name
        self.lock = self.path / "lock"
        self.process = self.path / "process.json"
        self.log = self.path / "log"
        self.journal = self.path / "journal.jsonl"
        self.kubeconfig = self.path / "kubeconfig"

    # -- what the process does ------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Try to take the lock, making the folder if need be, and hold it; whether that worked."""
        while True:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if not _locked(descriptor):
                    yield False
                    return
                if self._is_the_lock(descriptor):
                    yield True
                    return
            finally:
                os.close(descriptor)

    def empty(self) -> bool:
        """Remove what another process left here, but for `KEPT`; whether it had crashed.

        Hold the lock.
        """
        crashed = self.process.exists()
        for entry in self.path.iterdir():
            if entry.name not in KEPT:
                _remove(entry)
        return crashed

    def publish(self, description: dict[str, Any]) -> None:
        """Say where the process is to be found; whoever reads finds all of it or nothing."""
        draft = self.process.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(description))
        draft.replace(self.process)

    def remove(self) -> None:
        """Remove every trace. Hold the lock."""
        for entry in self.path.iterdir():
            if entry != self.lock:
                _remove(entry)
        self.lock.unlink()
        # Somebody may be about to take the lock, and then the folder is theirs.
        for folder in (self.path, self.path.parent):
            try:
                folder.rmdir()
            except OSError:
                return

    # -- what the others do ---------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        """Whether a process holds the lock."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that two who look at once do not take each other for the process.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def description(self) -> dict[str, Any]:
        """What the living process published.

        Raises:
            LabError: there is no process, or none any more.
        """
        up = "gitops-lab up" + ("" if self.name == "default" else f" --name {self.name}")
        alive = self.is_alive
        try:
            found: dict[str, Any] = json.loads(self.process.read_text())
        except FileNotFoundError:
            if alive:
                raise LabError(
                    f"the sandbox {self.name!r} is about to start or to stop",
                    fix="wait a moment and ask again",
                ) from None
            raise LabError(
                f"the sandbox {self.name!r} does not run", fix=f"`{up}` starts it"
            ) from None
        if not alive:
            raise LabError(
                f"the process {found['pid']} of the sandbox {self.name!r} ended unexpectedly",
                where=str(self.log),
                fix=f"`{up}` starts it anew with the same repository, `down` removes it",
            )
        return found

    def ask(self, what: str, **arguments: Any) -> Any:
        """Have the process do something, and give back its answer.

        Raises:
            LabError: there is no process, it does not answer, or it refuses.
        """
        found = self.description()
        request = {"key": found["key"], "what": what, "arguments": arguments}
        try:
            with socket.create_connection(("127.0.0.1", found["port"]), timeout=ANSWER) as line:
                line.sendall(json.dumps(request).encode() + b"\n")
                with line.makefile("rb") as reader:
                    answer = json.loads(reader.read())
        except (OSError, ValueError) as error:
            raise LabError(
                f"the process of the sandbox {self.name!r} (pid {found['pid']}) does not answer",
                where=str(self.log),
                fix="`gitops-lab down` ends it",
            ) from error
        if "error" in answer:
            raise raised(answer["error"])
        return answer["answer"]

    def _is_the_lock(self, descriptor: int) -> bool:
        """Whether the file that was locked still is the one in the folder."""
        try:
            there = self.lock.stat()
        except FileNotFoundError:
            return False
        held = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def _locked(descriptor: int) -> bool:
    """Take a lock, unless somebody keeps it: who only looks whether it is held does so briefly."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


def told(error: LabError) -> dict[str, Any]:
    """An error as JSON values, on its way from one process to another."""
    kind = "usage" if isinstance(error, UsageError) else "fault"
    return {"kind": kind, "what": error.what, "where": error.where, "fix": error.fix}


def raised(error: dict[str, Any]) -> LabError:
    """The error that another process told."""
    kind = UsageError if error["kind"] == "usage" else LabError
    return kind(error["what"], where=error["where"], fix=error["fix"])


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
