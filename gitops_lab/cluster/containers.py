"""The container engine that kind's nodes run on: Docker, Podman or nerdctl."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import Any

from gitops_lab.cluster.commands import CommandMissing, run
from gitops_lab.errors import LabError, UsageError

ENGINES = ("docker", "podman", "nerdctl")
"""The engines that kind can work with, in the order in which we would rather have them."""

VARIABLE = "KIND_EXPERIMENTAL_PROVIDER"
"""The environment variable that tells kind which engine to take."""

PATIENCE = 20.0
"""How long an engine may take to say that it runs, in seconds."""


@dataclass(frozen=True)
class Engine:
    """A container engine that answers.

    Args:
        name: of its command.
        version: of the engine.
        memory: how many bytes it has in all; on macOS and Windows its virtual machine's.
        cgroups: which version of control groups it uses.
        rootless: whether it runs without root's rights.
        root: the folder that images and containers are in, as the engine sees it; empty if it does
            not say.
    """

    name: str
    version: str
    memory: int
    cgroups: int
    rootless: bool
    root: str = ""


def choose(name: str = "") -> str:
    """The engine to use: one that is named, else one that kind is told of, else one we find.

    Raises:
        UsageError: there is no such engine.
        CommandMissing: none is installed.
    """
    wanted = name or os.environ.get(VARIABLE, "")
    if wanted:
        if wanted not in ENGINES:
            raise UsageError(
                f"kind knows no container engine {wanted!r}", fix=f"take {', '.join(ENGINES)}"
            )
        return wanted
    for each in ENGINES:
        if shutil.which(each):
            return each
    raise CommandMissing(ENGINES[0])


def variables(name: str) -> dict[str, str]:
    """What kind must find in its environment to take an engine; nothing if it does so anyway."""
    return {} if name == os.environ.get(VARIABLE, ENGINES[0]) else {VARIABLE: name}


async def look(name: str) -> Engine:
    """See whether an engine runs, and what it has.

    Raises:
        CommandMissing: it is not installed.
        CommandFailed: it does not run, or does not let us.
        LabError: its answer cannot be understood.
    """
    form = "json" if name == "podman" else "{{json .}}"
    answer = await run(name, "info", "--format", form, timeout=PATIENCE)
    try:
        found: dict[str, Any] = json.loads(answer)
        return _podman(found) if name == "podman" else _docker(name, found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            f"{name} tells of itself what we do not understand",
            where=f"`{name} info`",
            fix="see that it is a recent version",
        ) from error


def _docker(name: str, found: dict[str, Any]) -> Engine:
    return Engine(
        name,
        found["ServerVersion"],
        found["MemTotal"],
        int(found["CgroupVersion"]),
        any("rootless" in option for option in found.get("SecurityOptions") or ()),
        found.get("DockerRootDir") or "",
    )


def _podman(found: dict[str, Any]) -> Engine:
    host = found["host"]
    return Engine(
        "podman",
        found["version"]["Version"],
        host["memTotal"],
        int(host["cgroupVersion"].removeprefix("v")),
        host["security"]["rootless"],
        found.get("store", {}).get("graphRoot", ""),
    )
