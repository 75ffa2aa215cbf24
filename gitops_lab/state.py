"""Where a live sandbox keeps its state, whether its process lives, and how to talk to it.

Each sandbox has a folder in the user's state directory, which other users cannot open:

- `lock`: held by the process for as long as it lives, so that the kernel knows who is alive; its
  text is the process's number
- `process.json`: the address of the process's HTTP API, and the token that it wants
- `settings.json`: what the sandbox is made of: its arms, its speed, its ports
- `log`: what the process had to complain about
- `journal.jsonl`: what happened in the sandbox
- `git/`, `clusters/`, `kubeconfig` and the rest: what `gitops_lab.worlds.live` keeps

All but `PASSING` outlives a process that ends without `down`: the next one goes on with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitops_lab.errors import LabError, UsageError
from kubesim.files import write_private

if TYPE_CHECKING:
    from http.client import HTTPResponse

ANSWER = 30.0
"""How long to wait for an answer of a sandbox's process, in seconds."""

ROOM = 1 << 20
"""The least room on a disk, in bytes, with which anything can be kept."""

LOOKS = 10
"""How often to try to take the lock."""

PASSING = ("process.json", "kubectl", "tmp")
"""What goes with the process: where it was, and what was put aside while it ran."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def home() -> Path:
    """The folder that holds a folder for each sandbox (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local/state") / "gitops-lab"


def sandboxes() -> list[str]:
    """The names of all sandboxes that keep state, running or not."""
    folders = home().glob("*/settings.json") if home().is_dir() else ()
    return sorted(path.parent.name for path in folders)


@dataclass(frozen=True)
class Setup:
    """What a sandbox is made of.

    Args:
        arms: names of standard arms.
        speed: how many seconds pass in it while one passes on the wall.
        pace: how many times as short its deployers' own spans of time are, such as intervals. Its
            clusters keep their time.
        backend: where its clusters come from: `simulated`, `kind` or `context`.
        agent: where a pull deployer runs: `inside` its cluster, in a pod, or `outside`.
        rights: what deployers may do in their clusters: `cluster-admin` or `application`.
        node_image: what kind's nodes are made from; kind's own choice if empty.
        kubeconfig: for `context`, the user's kubeconfig.
        context: for `context`, which one.
        confirmed: for `context`, its name once more if it looks like production.
        namespace: for `context`, the one to stay within; the whole cluster if empty.
        identity: for `context`, what labels say the sandbox is; no other sandbox has the same.
    """

    arms: tuple[str, ...]
    speed: float = 1.0
    pace: float = 1.0
    backend: str = "simulated"
    agent: str = "inside"
    rights: str = "cluster-admin"
    node_image: str = ""
    kubeconfig: str = ""
    context: str = ""
    confirmed: str = ""
    namespace: str = ""
    identity: str = ""

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Setup:
        """The setup with these parts, as JSON values.

        Raises:
            TypeError, KeyError: these are not the parts of a setup.
        """
        return cls(**{**parts, "arms": tuple(parts["arms"])})


def command(what: str, sandbox: str) -> str:
    """A command as a person types it, for one sandbox."""
    return f"gitops-lab {what}" + ("" if sandbox == "default" else f" --name {sandbox}")


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

    def make(self) -> None:
        """Make the folder, and those above it that are missing, for their owner alone."""
        for folder in (*reversed(self.path.parents), self.path):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.path.chmod(0o700)

    # -- what the process does ------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Try to take the lock, making the folder if need be, and hold it; whether that worked."""
        while True:
            self.make()
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if not _locked(descriptor):
                    yield False
                    return
                if self._is_the_lock(descriptor):
                    with suppress(OSError):  # a full disk; it is asked for in need only
                        os.ftruncate(descriptor, 0)
                        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                    yield True
                    return
            finally:
                os.close(descriptor)

    def sweep(self) -> bool:
        """Remove what went with another process; whether it had crashed. Hold the lock."""
        crashed = self.process.exists()
        for name in PASSING:
            _remove(self.path / name)
        return crashed

    def publish(self, description: dict[str, Any]) -> None:
        """Say where the process is to be found; a reader finds all of it or nothing."""
        write_private(self.process, json.dumps(description))

    def keep(self, settings: dict[str, Any]) -> None:
        """Write down what the sandbox is made of, for the processes to come."""
        write_private(self.path / "settings.json", json.dumps(settings))

    def remove(self) -> None:
        """Remove every trace. Hold the lock."""
        for entry in self.path.iterdir():
            if entry != self.lock:
                _remove(entry)
        self.lock.unlink()
        # Another process may be about to take the lock, and then the folder is its own.
        for folder in (self.path, self.path.parent):
            try:
                folder.rmdir()
            except OSError:
                return

    @property
    def is_full(self) -> bool:
        """Whether the disk has no room for even a few objects more."""
        return shutil.disk_usage(self.path).free < ROOM

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

    def settings(self) -> dict[str, Any]:
        """What the sandbox is made of; empty if there is none.

        Raises:
            LabError: the file is damaged.
        """
        path = self.path / "settings.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text())
            if found.get("setup"):
                Setup.of(found["setup"])
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LabError(
                f"what the sandbox {self.name!r} is made of cannot be read: {error}",
                where=str(path),
                fix=f"`{command('down', self.name)}` removes the sandbox; copy `git/` first if you "
                "need it",
            ) from error
        return found

    @property
    def holder(self) -> int | None:
        """The number of the process that holds the lock; None if that is not known."""
        try:
            return int(self.lock.read_text()) if self.is_alive else None
        except (OSError, ValueError):
            return None

    def description(self) -> dict[str, Any]:
        """What the living process published.

        Raises:
            LabError: there is no process, or none any more.
        """
        up, down = command("up", self.name), command("down", self.name)
        alive = self.is_alive
        try:
            found: dict[str, Any] = json.loads(self.process.read_text())
            pid = found["pid"]
        except (ValueError, TypeError, KeyError):
            if alive:
                raise LabError(
                    f"where the process of the sandbox {self.name!r} listens cannot be read",
                    where=str(self.process),
                    fix=f"`{down}` ends and removes the sandbox; to keep it, end process "
                    f"{self.holder or '(see `ps`)'} by hand, and `{up}` goes on where it was",
                ) from None
            pid = "(unknown)"
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
            full = "free some space first, for the disk is full; then " if self.is_full else ""
            raise LabError(
                f"the process {pid} of the sandbox {self.name!r} ended unexpectedly",
                where=str(self.log),
                fix=f"{full}`{up}` goes on where it was, `{down}` removes it",
            )
        return found

    def ask(self, what: str, **arguments: Any) -> Any:
        """Have the process do something, and give back its answer.

        Args:
            what: one of the actions of its HTTP API (`gitops_lab.service.api`).
            arguments: of that action, as JSON values.

        Raises:
            LabError: there is no process, it does not answer, or it refuses.
        """
        from http.client import HTTPException  # slow to import, and few commands need it

        found = self.description()
        try:
            with self._request(found, "POST", f"/api/v1/{what}", arguments) as response:
                answer = json.loads(response.read())
        except (OSError, HTTPException, ValueError, KeyError) as error:
            raise self._silent(found) from error
        if "error" in answer:
            raise error_from(answer["error"])
        return answer["answer"]

    def events(self, since: int = 0) -> Iterator[tuple[str, Any]]:
        """What happens in the sandbox, as it happens: event by event, with its data.

        `entry` is a journal entry, `status` what is true of every arm. It ends with the process.

        Args:
            since: the position in the journal to begin at.

        Raises:
            LabError: there is no process, or it does not answer.
        """
        from http.client import HTTPException

        found = self.description()
        try:
            with self._request(found, "GET", f"/api/v1/events?since={since}") as response:
                event, data = "", ""
                for line in map(bytes.decode, response):
                    name, _, value = line.rstrip("\n").partition(": ")
                    if name == "event":
                        event = value
                    elif name == "data":
                        data = value
                    elif not name and event:
                        yield event, json.loads(data)
                        event = data = ""
        except (OSError, HTTPException, ValueError, KeyError) as error:
            raise self._silent(found) from error

    @contextmanager
    def _request(
        self, found: Mapping[str, Any], method: str, path: str, body: object = None
    ) -> Iterator[HTTPResponse]:
        """One request to the process; its answer, with any status code."""
        import ssl
        from http.client import HTTPSConnection

        address, trust = urlsplit(found["url"]), ssl.create_default_context(cadata=found["ca"])
        connection = HTTPSConnection(address.netloc, timeout=ANSWER, context=trust)
        headers = {"Authorization": f"Bearer {found['token']}", "Content-Type": "application/json"}
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def _silent(self, found: Mapping[str, Any]) -> LabError:
        return LabError(
            f"the process of the sandbox {self.name!r} (pid {found['pid']}) does not answer",
            where=str(self.log),
            fix=f"`{command('down', self.name)}` ends it",
        )

    def _is_the_lock(self, descriptor: int) -> bool:
        """Whether the file that was locked still is the one in the folder."""
        try:
            there = self.lock.stat()
        except FileNotFoundError:
            return False
        held = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def _locked(descriptor: int) -> bool:
    """Take a lock, unless another process keeps it; one that only looks does so briefly."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


def error_to(error: LabError) -> dict[str, Any]:
    """An error as JSON values, on its way from one process to another."""
    kind = "usage" if isinstance(error, UsageError) else "fault"
    return {"kind": kind, "what": error.what, "where": error.where, "fix": error.fix}


def error_from(error: dict[str, Any]) -> LabError:
    """The error that another process reported."""
    kind = UsageError if error["kind"] == "usage" else LabError
    return kind(error["what"], where=error["where"], fix=error["fix"])


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
