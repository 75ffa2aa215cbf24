"""Container images that are built here, and that no registry has."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitops_lab.cluster.commands import Progress, run
from gitops_lab.errors import UsageError
from kubesim.controllers.images import parse

BUILD = 900.0
"""How long an image may take to build, in seconds: its base has to be pulled the first time."""


@dataclass(frozen=True)
class Image:
    """An image, and how it is made.

    Args:
        name: what pods call it.
        write: writes what it is built from, with a Dockerfile, into a folder.
        arguments: values for the Dockerfile's `ARG`s.
    """

    name: str
    write: Callable[[Path], None]
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Its name with the registry that nodes complete it by: Podman would complete it otherwise.

        Raises:
            UsageError: no image can be called so.
        """
        found = parse(self.name)
        if found is None:
            raise UsageError(f"{self.name!r} is no name of an image")
        return found.full

    async def build(self, engine: str, *, progress: Progress | None = None) -> None:
        """Build it on this machine; a second time, the engine finds everything there.

        Args:
            engine: the command of the container engine.
            progress: is told what goes on.

        Raises:
            CommandFailed: it did not work, and why.
        """
        given = [f"--build-arg={name}={value}" for name, value in self.arguments.items()]
        with tempfile.TemporaryDirectory() as name:
            self.write(Path(name))
            command = (engine, "build", "--tag", self.reference, *given, name)
            await run(*command, timeout=BUILD, progress=progress)
