"""A live cluster in its own thread, and the kubectl that this machine has."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gitops_lab.errors import ApiError
from kubesim.auth.kubeconfig import kubeconfig
from tests.kubesim.http.world import World, authority

SPEED = 40
"""Seconds of the cluster's time in one of ours."""

PATIENCE = 60.0
"""How long something may take on a busy machine, in seconds, before it counts as not happening."""


@dataclass(frozen=True)
class Program:
    """One version of kubectl on this machine."""

    path: str
    minor: int

    def __str__(self) -> str:
        return f"1.{self.minor}"


@cache
def programs() -> tuple[Program, ...]:
    """Every version of kubectl on the path and in GITOPS_LAB_KUBECTLS, each once, oldest first."""
    found: dict[int, Program] = {}
    named = os.environ.get("GITOPS_LAB_KUBECTLS", "").split(os.pathsep)
    # Not the one that comes along with the project: these tests are about those that people have.
    paths = [shutil.which("kubectl"), *map(shutil.which, filter(None, named))]
    own = Path(sys.executable).parent
    for path in (path for path in paths if path and Path(path).parent != own):
        told = subprocess.run(
            [path, "version", "--client", "-o", "json"], capture_output=True, check=True, timeout=60
        )
        minor = json.loads(told.stdout)["clientVersion"]["minor"].rstrip("+")
        found.setdefault(int(minor), Program(path, int(minor)))
    return tuple(found[minor] for minor in sorted(found))


class Cluster:
    """A served cluster whose time passes faster than ours.

    Args:
        folder: for certificates, and for what each kubectl remembers of the cluster.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(str(folder), is_inhabited=True, nodes=2)
        self.loop = asyncio.new_event_loop()
        self._namespaces = 0
        self._life: Future[None] | None = None

    @contextmanager
    def served(self) -> Iterator[Cluster]:
        """Serve it and let it live, until the block ends."""
        thread = threading.Thread(target=self.loop.run_forever)
        thread.start()
        served = self.world.served()
        try:
            self._run(served.__aenter__())
            self._life = asyncio.run_coroutine_threadsafe(self._live(), self.loop)
            yield self
            if not self._life.cancel():
                self._life.result()
            self._run(served.__aexit__(None, None, None))
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()
            self.loop.close()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    async def _live(self) -> None:
        world = self.world
        begin, start = world.now, time.monotonic()
        while True:
            world.now = begin + (time.monotonic() - start) * SPEED
            world.controllers.step(world.now)
            await asyncio.sleep(0.01)

    def do(self, action: Callable[[], Any]) -> Any:
        """Do something in the cluster's own thread."""

        async def act() -> Any:
            return action()

        return self._run(act())

    def create(self, *objects: Mapping[str, Any], namespace: str = "") -> None:
        """Create objects without the help of kubectl; a namespaced one goes where it is said."""
        api = self.world.api

        def create() -> None:
            for obj in objects:
                resource = api.registry.by_kind(obj["apiVersion"], obj["kind"])
                api.create(resource, dict(obj), namespace=namespace if resource.namespaced else "")

        self.do(create)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Any:
        """An object, or None if there is none of that name."""
        api = self.world.api
        resource = api.registry.by_kind(api_version, kind)
        return self.do(lambda: api.store.get((resource.group, resource.plural, namespace, name)))

    def until(self, what: Callable[[], Any]) -> None:
        """Wait until something is so, unless the cluster has died meanwhile."""
        end = time.monotonic() + PATIENCE
        while not what():
            if self._life is not None and self._life.done():
                self._life.result()
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.02)

    def namespace(self) -> str:
        """A new namespace, whose ServiceAccount is there already."""
        self._namespaces += 1
        name = f"n{self._namespaces}"
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.until(lambda: self.get("v1", "ServiceAccount", "default", name))
        return name

    def forget(self, namespace: str) -> None:
        """Delete a namespace, without waiting until it is gone."""
        api = self.world.api
        resource = api.registry.by_kind("v1", "Namespace")
        try:
            self.do(lambda: api.delete(resource, namespace))
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


@dataclass
class Kubectl:
    """Runs one version of kubectl in a namespace, with a kubeconfig and a home of its own.

    Args:
        program: which one.
        cluster: whom it speaks to.
        namespace: where its commands work.
        folder: where its kubeconfig is, and where it is started.
    """

    program: Program
    cluster: Cluster
    namespace: str
    folder: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        certificate = authority().issue_client("admin", ["system:masters"])
        config = kubeconfig(
            self.cluster.world.url,
            authority().ca_pem,
            certificate=certificate,
            namespace=self.namespace,
        )
        (self.folder / "config").write_text(yaml.safe_dump(config))
        self.environment = {
            "HOME": str(self.cluster.folder / str(self.program)),
            "KUBECONFIG": str(self.folder / "config"),
            "PATH": os.environ["PATH"],
        }

    def run(
        self, arguments: str, *more: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Start it with arguments that spaces part, and with more that may contain some."""
        return subprocess.run(
            [self.program.path, *arguments.split(), *more],
            input=stdin,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )

    def __call__(self, arguments: str, *more: str, stdin: str = "", **environment: str) -> str:
        """What it says when all goes well."""
        return self.fails(arguments, *more, stdin=stdin, code=0, **environment)

    def fails(
        self, arguments: str, *more: str, stdin: str = "", code: int = 1, **environment: str
    ) -> str:
        """What it says when it ends with an exit code."""
        ended = self.run(arguments, *more, stdin=stdin, **environment)
        assert ended.returncode == code, ended.stdout
        return ended.stdout

    @contextmanager
    def started(self, arguments: str) -> Iterator[Callable[[], str]]:
        """Start a command that does not end by itself, and tell what it says, line by line."""
        with subprocess.Popen(
            [self.program.path, *arguments.split()],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            watchdog = threading.Timer(PATIENCE, process.kill)
            watchdog.start()
            try:
                assert process.stdout
                yield process.stdout.readline
            finally:
                watchdog.cancel()
                process.kill()

    def file(self, name: str, *objects: Mapping[str, Any]) -> str:
        """Write objects into a file and tell its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(objects, sort_keys=False))
        return name

    def create(self, *objects: Mapping[str, Any]) -> None:
        """Create objects in the namespace, without the command."""
        self.cluster.create(*objects, namespace=self.namespace)

    def rows(self, arguments: str, *more: str) -> list[list[str]]:
        """The rows of the table that it shows, header first, each as its words."""
        return [line.split() for line in self(arguments, *more).splitlines()]
