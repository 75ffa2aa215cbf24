"""A machine with stand-ins for kind and the container engines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.standins.kind import end_process, process_of

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Machine:
    """A machine whose PATH has stand-ins.

    Args:
        folder: what they remember.
        environment: with which they are found.
    """

    folder: Path
    environment: Mapping[str, str]

    def calls(self) -> list[str]:
        """What the stand-ins were asked to do, without options."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def processes(self) -> list[int]:
        """The processes of clusters that live."""
        places = self.folder.glob("clusters/*")
        return [pid for place in places if (pid := process_of(place))]


def make_machine(folder: Path) -> Machine:
    memory, commands = folder / "standins", folder / "bin"
    memory.mkdir()
    commands.mkdir()
    for name in ("kind", "docker", "podman", "nerdctl"):
        module = "kind" if name == "kind" else f"engine {name}"
        script = commands / name
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m tests.cluster.standins.{module} "$@"\n'
        )
        script.chmod(0o755)
    environment = {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "STANDINS": str(memory),
        "STANDINS_FAIL": "",
        "HOME": str(folder),
        "KUBECONFIG": str(folder / "users-own"),
    }
    return Machine(memory, environment)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine that is this one for as long as the test runs; no process of it remains."""
    machine = make_machine(tmp_path)
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("KIND_EXPERIMENTAL_PROVIDER", "KIND_CLUSTER_NAME"):
        monkeypatch.delenv(name, raising=False)
    try:
        yield machine
    finally:
        for place in machine.folder.glob("clusters/*"):
            end_process(place)
