"""A person at a terminal, with a sandbox of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.model import ObjectKey, named
from gitops_lab.state import StateFolder

ROOT = Path(__file__).parents[2]
BOOK = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: book\ndata:\n  page: '{page}'\n"
PATIENCE = 60.0
"""How long something may take on a busy machine, in seconds, before it counts as not happening."""


class Shell:
    """A person at a terminal, whose home and state directory are their own."""

    def __init__(self, folder: Path, name: str = "default") -> None:
        self.folder, self.name = folder, name
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.state = StateFolder(name, folder / "state" / "gitops-lab")
        self.environment = {
            **os.environ,
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(folder / "state"),
            "KUBECONFIG": str(self.home / "none"),
        }
        self.environment.pop("GIT_SSL_CAINFO", None)  # outranks what a clone knows

    def __call__(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "gitops_lab", command, "--name", self.name, *arguments]
        return subprocess.run(
            whole, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120
        )

    def told(self, command: str, *arguments: str) -> str:
        done = self(command, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `status --json` prints, without a process for each question."""
        found: dict[str, Any] = self.state.ask("status")
        return found

    def arm(self, name: str) -> dict[str, Any]:
        return next(arm for arm in self.status()["arms"] if arm["name"] == name)

    def push(self, message: str, files: Mapping[str, str]) -> str:
        """Commit files to the sandbox's repository by `git push`, as anybody would; the commit."""
        clone = self.folder / f"clone-{message}"
        self.told("clone", str(clone))
        for path, text in files.items():
            (clone / path).write_text(text)
        self.git("-C", str(clone), "add", "-A")
        self.git("-C", str(clone), "commit", "-q", "-m", message)
        self.git("-C", str(clone), "push", "-q", "origin", "HEAD:main")
        return self.git("-C", str(clone), "rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=Hand", "-c", "user.email=hand@example.com")
        done = subprocess.run(
            ["git", *who, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        return done.stdout

    def await_sync(self, arm: str, commit: str) -> None:
        def is_synced() -> bool:
            seen = self.arm(arm)
            return seen["applied"] == f"main@sha1:{commit}" and bool(seen["in_sync"])

        eventually(is_synced)

    def client(self, arm: str) -> KubeconfigCluster:
        """The cluster as its administrator sees it, with the kubeconfig that is there now."""
        config = self.folder / f"{arm}.kubeconfig"
        if not config.exists():
            shutil.copy(self.told("kubeconfig", arm).strip(), config)
        return KubeconfigCluster(arm, config, cache=self.folder / f"{arm}.json")

    def uids(self) -> dict[str, str]:
        """The uid of each ConfigMap of each cluster."""
        found = {}
        for arm in self.state.description()["clusters"]:
            client = self.client(arm)
            for obj in client.list("", "ConfigMap"):
                found[f"{arm} {ObjectKey.of(obj)}"] = obj["metadata"]["uid"]
            client.close()
        return found

    def without_user(self) -> Path:
        """The kubeconfig without its user: its user must say otherwise who they are."""
        config = yaml.safe_load(Path(self.told("kubeconfig").strip()).read_text())
        config["users"] = [{"name": user["name"], "user": {}} for user in config["users"]]
        path = self.folder / "no-user.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def instant(self) -> float:
        """What time it is in the sandbox: when its newest object was made."""
        client = self.client("pull")
        client.apply(named("v1", "ConfigMap", "now", "default"), manager="watchmaker")
        made = client.get(ObjectKey("", "ConfigMap", "default", "now"))
        client.delete(ObjectKey("", "ConfigMap", "default", "now"))
        client.close()
        assert made is not None
        return datetime.fromisoformat(made["metadata"]["creationTimestamp"]).timestamp()

    def kill(self) -> None:
        os.kill(self.state.description()["pid"], signal.SIGKILL)
        eventually(lambda: not self.state.is_alive)


def eventually(is_so: Callable[[], bool]) -> None:
    """Other processes take their time, and must be left some."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)
