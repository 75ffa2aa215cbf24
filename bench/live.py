"""A live sandbox, as a person at a terminal meets it: whole processes, real Git, HTTPS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from bench.harness import Figure, seconds
from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.model import ObjectKey

BOOK = ObjectKey("", "ConfigMap", "default", "book")
PUSHES = 6
"""How many pushes a round has."""

PATIENCE = 60.0
"""How long to wait for a push to be applied, in seconds."""


class Shell:
    """A user's shell, with its own state directory.

    Args:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inherited = {name: text for name, text in os.environ.items() if name[:4] != "GIT_"}
        self.environment = {**inherited, "XDG_STATE_HOME": str(folder / "state")}

    def lab(self, *arguments: str) -> str:
        """Run `gitops-lab`, and give back what it printed."""
        return self.run(sys.executable, "-m", "gitops_lab", *arguments)

    def git(self, *arguments: str) -> str:
        """Run `git` in the clone."""
        who = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com")
        return self.run("git", "-C", str(self.folder / "app"), *who, *arguments)

    def run(self, *command: str) -> str:
        """Run a command that must not fail."""
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=self.environment
        )
        return done.stdout

    def process(self) -> dict[str, Any]:
        """What the sandbox's process published."""
        path = self.folder / "state/gitops-lab/default/process.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found


@contextmanager
def shell() -> Iterator[Shell]:
    """A shell whose sandbox is gone in the end."""
    with tempfile.TemporaryDirectory() as folder:
        person = Shell(Path(folder))
        try:
            yield person
        finally:
            person.lab("down")


def live(rounds: int) -> list[Figure]:
    """How long until everything answers, and from a push until the cluster has it."""
    ups = []
    for _ in range(rounds):
        with shell() as person:
            ups.append(seconds(lambda: person.lab("up")))
    pushed, applied = _pushes(rounds)
    return [
        Figure("`up` until two clusters answer", tuple(ups), "s", 1.5),
        Figure("`git push` over HTTPS, the command itself", pushed, "ms"),
        Figure("from there until pull+webhook has applied it", applied, "ms", 300),
    ]


def _pushes(rounds: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Milliseconds of `git push`, and from its end until the cluster has what it brought."""
    pushed, applied = [], []
    with shell() as person:
        person.lab("up", "--arms", "pull+webhook")
        person.lab("clone", str(person.folder / "app"))
        config = Path(person.lab("kubeconfig").strip())
        cluster = KubeconfigCluster("bench", config, cache=person.folder / "discovery.json")
        for page in map(str, range(PUSHES * rounds + 1)):
            book = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "book"}}
            (person.folder / "app/book.yaml").write_text(json.dumps({**book, "data": {"p": page}}))
            person.git("add", "-A")
            person.git("commit", "-q", "-m", page)
            pushed.append(1000 * seconds(lambda: person.git("push", "-q", "origin", "HEAD:main")))
            applied.append(1000 * seconds(partial(_await, cluster, page)))
        cluster.close()
    return tuple(pushed[1:]), tuple(applied[1:])  # with the first one, everything connects


def _await(cluster: KubeconfigCluster, page: str) -> None:
    end = perf_counter() + PATIENCE
    while ((cluster.get(BOOK) or {}).get("data") or {}).get("p") != page:
        if perf_counter() > end:
            raise TimeoutError(f"page {page} was never applied")
        sleep(0.002)
