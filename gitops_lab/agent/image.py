"""The agent's image: both packages, and only those dependencies that an agent imports."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

from gitops_lab.cluster.images import Image
from gitops_lab.deployers.workload import IMAGE

__all__ = ["AGENT", "NEEDED", "write_context"]

NEEDED = ("GitPython", "kubernetes", "PyYAML")
"""The packages that an agent imports beside this one."""

PACKAGES = ("gitops_lab", "kubesim")
"""Both packages: the lab takes its clock and its errors from kubesim."""

REPOSITORY = Path(__file__).parents[2]


def write_context(folder: Path) -> None:
    """Write what the image is built from into a folder: Dockerfile, requirements, package."""
    shutil.copyfile(Path(__file__).with_name("Dockerfile"), folder / "Dockerfile")
    lines = [f"{package}=={version(package)}\n" for package in NEEDED]
    (folder / "requirements.txt").write_text("".join(lines))
    for package in PACKAGES:
        source = REPOSITORY / package
        skipped = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(source, folder / package, ignore=skipped)


AGENT = Image(IMAGE, write_context)
"""What an agent inside a cluster by kind runs."""
