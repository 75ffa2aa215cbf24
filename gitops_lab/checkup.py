"""The check-up: does this machine have what a sandbox needs, and what to do if not."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gitops_lab.errors import LabError
from gitops_lab.forge.command import MINIMUM, require_git
from gitops_lab.state import home

LIBRARIES = ("aiohttp", "cryptography", "kubernetes", "kubernetes_validate", "yaml")


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


def findings() -> Iterator[Finding]:
    """Everything that is worth looking at, one by one."""
    yield Finding(f"Python {sys.version.split()[0]}", sys.version_info >= (3, 11), "Use 3.11+.")
    yield _git()
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    yield Finding(
        f"libraries: {', '.join(missing)} missing" if missing else "libraries",
        not missing,
        "Install gitops-lab again, as its README says.",
    )
    yield _state()
    yield _loopback()
    kubectl = shutil.which("kubectl")
    yield Finding(
        f"kubectl ({kubectl})" if kubectl else "kubectl is not in PATH",
        kubectl is not None,
        "Only to use it yourself: https://kubernetes.io/docs/tasks/tools/",
        is_needed=False,
    )


def _git() -> Finding:
    try:
        require_git()
    except LabError as error:
        return Finding(error.what, False, error.fix)
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
