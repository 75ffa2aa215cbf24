"""Run one program on a private copy of some files."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gitops_lab.errors import RenderError

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None  # type: ignore[assignment]

SECONDS = 30.0
"""Longest time that one program may take."""

MAX_OUTPUT = 32 * 2**20
"""Bytes that one program may print."""

MAX_MEMORY = 2**30
"""Bytes of data that one program may hold (Linux only)."""

MAX_MESSAGE = 2_000
"""Characters of a program's error that are shown."""

NO_PROXY_ANSWERS = "http://127.0.0.1:9"
"""Port 9 is `discard`: a program that asks the network anyway is refused at once."""


class ToolFailed(Exception):
    """A program refused its input. The text is what it printed, without temporary paths."""


class Workspace:
    """A private folder: the files that a program may read; it is also the program's home.

    Args:
        root: the folder; it is removed afterwards.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.files = root, root / "files"
        self.files.mkdir()

    def write(self, files: Mapping[str, bytes], links: Mapping[str, str]) -> None:
        """Write files and symbolic links; the caller has made sure that no link leads out."""
        for folder in {os.path.dirname(path) for path in (*files, *links)}:
            os.makedirs(self.files / folder, exist_ok=True)
        for path, content in files.items():
            (self.files / path).write_bytes(content)
        for path, target in links.items():
            (self.files / path).symlink_to(target)

    def run(self, program: Path, arguments: Sequence[str]) -> bytes:
        """What a program prints.

        Args:
            program: its path; nothing is looked up in PATH.
            arguments: they may name files of the workspace.

        Raises:
            ToolFailed: it ended with an error.
            RenderError: it took too long, or printed too much.
        """
        errors = self.root / "errors"
        with errors.open("wb") as log:
            process = subprocess.Popen(
                [program, *arguments],
                cwd=self.files,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        late = threading.Event()

        def stop() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(SECONDS, stop)
        timer.start()
        try:
            _limit(process)
            assert process.stdout is not None
            output = process.stdout.read(MAX_OUTPUT + 1)
            if len(output) > MAX_OUTPUT:
                raise RenderError(
                    f"this renders to more than {MAX_OUTPUT // 2**20} MiB",
                    fix="deploy smaller folders",
                )
            code = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                _kill(process)
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
        if late.is_set():
            raise RenderError(
                f"rendering takes longer than {SECONDS:.0f} s", fix="deploy smaller folders"
            )
        if code:
            raise ToolFailed(self._message(errors, code))
        return output

    def _environment(self) -> dict[str, str]:
        home = str(self.root)
        return {
            "HOME": home,
            "PATH": "",
            "TMPDIR": home,
            "KUBECONFIG": os.devnull,
            "HTTP_PROXY": NO_PROXY_ANSWERS,
            "HTTPS_PROXY": NO_PROXY_ANSWERS,
            "HELM_CACHE_HOME": home,
            "HELM_CONFIG_HOME": home,
            "HELM_DATA_HOME": home,
            "HELM_PLUGINS": home,
            **{name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
        }

    def _message(self, errors: Path, code: int) -> str:
        text = errors.read_bytes()[: 10 * MAX_MESSAGE].decode(errors="replace").strip()
        if not text or "out of memory" in text:
            return f"the program ended with code {code}: it was stopped, or needs too much memory"
        for prefix, shown in (
            (f"{self.files}/", ""),
            (str(self.files), "."),
            (f"{self.root}/", ""),
        ):
            text = text.replace(prefix, shown)
        return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


IN_MEMORY = Path("/dev/shm")
"""Linux keeps what is here in memory, so that small files are written at once."""

SMALL = 4 * 2**20
"""Bytes that may lie in memory; containers often have 64 MiB of it."""


@contextmanager
def workspace(files: Mapping[str, bytes]) -> Iterator[Workspace]:
    """A private folder that is gone afterwards.

    Args:
        files: what is going to be written there.
    """
    is_small = sum(map(len, files.values())) <= SMALL
    place = IN_MEMORY if is_small and os.access(IN_MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="gitops-lab-render-", dir=place) as folder:
        yield Workspace(Path(folder).resolve())


def _limit(process: subprocess.Popen[bytes]) -> None:
    if hasattr(resource, "prlimit"):
        with suppress(ProcessLookupError, PermissionError):  # it may have ended already
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started; one that has ended is no error."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
