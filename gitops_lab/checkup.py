"""The check-up: does this machine have what a sandbox needs, and what to do if not."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from gitops_lab.cluster import causes, containers, kind, machine
from gitops_lab.cluster.commands import GET, CommandFailed
from gitops_lab.cluster.containers import Engine
from gitops_lab.cluster.machine import GIB
from gitops_lab.errors import LabError
from gitops_lab.forge.command import MINIMUM, require_git
from gitops_lab.renderers.tools import helm, kubectl
from gitops_lab.state import home

NAME = re.compile(r"[A-Za-z0-9._-]+")
"""A library's name, with which each of a package's requirements begins."""

MEMORY, DISK = 2 * kind.NODE_MEMORY, 5 * GIB
"""What two clusters of one node each should find, in bytes: a careful guess. Of disk, most goes to
the node's image, which there is one of."""

WATCHES, INSTANCES = 524_288, 512
"""How many watches and instances of inotify are enough for many nodes. Source: kind's list of known
issues, "Pod errors due to too many open files"."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: what was found.
        is_fine: whether it is as it should be.
        cure: what to do if it is not.
        is_needed: whether a live sandbox cannot do without.
    """

    what: str
    is_fine: bool
    cure: str = ""
    is_needed: bool = True


def findings(backend: str = "simulated") -> Iterator[Finding]:
    """Everything that is worth looking at, one by one.

    Args:
        backend: what clusters the sandbox should have. What only real ones need is never needed for
            simulated ones.
    """
    yield Finding(f"Python {sys.version.split()[0]}", sys.version_info >= (3, 11), "Use 3.11+.")
    yield _git()
    missing = [name for name in libraries() if not is_installed(name)]
    yield Finding(
        f"libraries: {', '.join(missing)} missing" if missing else "libraries",
        not missing,
        "Install gitops-lab again, as its README says.",
    )
    yield _state()
    yield _loopback()
    yield _kubectl()
    yield _helm()
    for finding in for_kind():
        yield replace(finding, is_needed=finding.is_needed and backend == "kind")


def libraries() -> list[str]:
    """The libraries that this package cannot do without; itself if it was never installed."""
    try:
        needed = requires("gitops-lab") or []
    except PackageNotFoundError:
        return ["gitops-lab"]
    always = (text for text in needed if "extra ==" not in text)
    return [found[0] for text in always if (found := NAME.match(text))]


def is_installed(library: str) -> bool:
    """Whether a library can be had here, in whichever version."""
    try:
        version(library)
    except PackageNotFoundError:
        return False
    return True


def _helm() -> Finding:
    """What renders Helm charts, if anything does."""
    program = helm()
    if program is None and not is_installed("helm-python-sdk"):
        cure = "Only to render charts: install gitops-lab[helm], or put helm in PATH."
        return Finding("no Helm", False, cure, is_needed=False)
    return Finding(f"Helm ({program or 'helm-python-sdk'})", True, is_needed=False)


def for_kind() -> Iterator[Finding]:
    """What clusters made by kind need, for people who want them."""
    try:
        major, minor = asyncio.run(kind.version())
        yield Finding(f"for --backend kind: kind {major}.{minor}", True)
    except LabError as error:
        yield Finding(f"for --backend kind: {error.what}", False, _sentence(error.fix))
    installed = [name for name in containers.ENGINES if shutil.which(name)]
    if not installed:
        cure = f"Install Docker ({GET['docker']}) or Podman ({GET['podman']})."
        yield Finding("for --backend kind: there is no container engine", False, cure)
        return
    try:
        chosen = containers.choose()
    except LabError as error:
        yield Finding(f"for --backend kind: {error.what}", False, _sentence(error.fix))
        return
    for name in installed:
        found, finding = _engine(name)
        yield replace(finding, is_needed=name == chosen)
        if found is not None and name == chosen:
            yield from _room(found)


def _engine(name: str) -> tuple[Engine | None, Finding]:
    """Whether a container engine answers."""
    try:
        found = asyncio.run(containers.look(name))
    except CommandFailed as error:
        cause = error.cause
        what = cause.what if cause else str(error.what)
        cure = cause.cure if cause else f"`{error.command}` says more."
        return None, Finding(f"for --backend kind: {name}: {what}", False, _sentence(cure))
    except LabError as error:
        return None, Finding(f"for --backend kind: {error.what}", False, _sentence(error.fix))
    rootless = ", rootless" if found.rootless else ""
    return found, Finding(f"for --backend kind: {name} {found.version}{rootless}", True)


def _room(engine: Engine) -> Iterator[Finding]:
    """Whether two clusters find what they need."""
    yield Finding(
        f"control groups of version {engine.cgroups}",
        engine.cgroups >= 2,
        # Source: Kubernetes 1.35, "Deprecation of cgroup v1" (`failCgroupV1` is true by default).
        "From Kubernetes 1.35 the kubelet needs version 2: boot with "
        "systemd.unified_cgroup_hierarchy=1, or update Docker Desktop or WSL.",
    )
    available = machine.available_memory()
    memory = engine.memory if available is None else min(engine.memory, available)
    yield Finding(
        f"{memory / GIB:.1f} GiB of memory for containers",
        memory >= MEMORY,
        "Give Docker Desktop's or Podman's machine more, end other programs, or have one cluster.",
        is_needed=False,
    )
    try:
        free = machine.free_disk(Path(engine.root or "/"))
    except OSError:
        free = DISK
    yield Finding(
        f"{free / GIB:.0f} GiB of disk for images and containers",
        free >= DISK,
        _sentence(causes.DISK.cure),
        is_needed=False,
    )
    limits = machine.inotify_limits()
    if limits is not None:
        watches, instances = limits
        yield Finding(
            f"inotify: {watches:,} watches, {instances} instances",
            watches >= WATCHES and instances >= INSTANCES,
            f"Enough for a few nodes. For more, {causes.INOTIFY.cure}.",
            is_needed=False,
        )


def _kubectl() -> Finding:
    """Which kubectl `gitops-lab kubectl` runs."""
    try:
        found = kubectl()
    except LabError as error:
        return Finding(error.what, False, _sentence(error.fix))
    note = f"; {found.note}" if found.note else ""
    return Finding(f"kubectl {found.version} ({found.path}{note})", True, is_needed=False)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _git() -> Finding:
    try:
        require_git()
    except LabError as error:
        return Finding(error.what, False, _sentence(error.fix))
    return Finding(f"git {MINIMUM[0]}.{MINIMUM[1]} or later", True)


def _state() -> Finding:
    """Whether the state directory, or the nearest folder above it that exists, can be written."""
    folder = home()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding(
            f"state directory {folder}: {os.strerror(error.errno or 0)}",
            False,
            f"Make {there} a folder you can write to, or set XDG_STATE_HOME to another.",
        )
    return Finding(f"state directory {folder}", Path(there).is_dir())


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)):
            pass
    except OSError as error:
        return Finding(
            f"loopback: {os.strerror(error.errno or 0)}",
            False,
            "See that 127.0.0.1 is up and that nothing forbids to listen on it.",
        )
    return Finding("loopback: a free port can be had", True)
