"""The agent's image: this package, and of what it needs only what an agent needs."""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from gitops_lab.agent.manifests import IMAGE
from gitops_lab.cluster.commands import Progress, run

__all__ = ["IMAGE", "NEEDED", "build", "write_context"]

NEEDED = ("GitPython", "kubernetes", "PyYAML")
"""The packages that an agent imports beside this one."""

BUILD = 900.0
"""How long the image may take to build, in seconds: its base has to be pulled the first time."""

PACKAGE = Path(__file__).parents[1]


async def build(engine: str, *, progress: Progress | None = None) -> None:
    """Build the image on this machine; a second time, the engine finds everything there.

    Args:
        engine: the command of the container engine.
        progress: is told what goes on.

    Raises:
        CommandFailed: it did not work, and why.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_context(folder)
        await run(engine, "build", "--tag", IMAGE, str(folder), timeout=BUILD, progress=progress)


def write_context(folder: Path) -> None:
    """Write what the image is built from into a folder: Dockerfile, requirements, package."""
    shutil.copyfile(Path(__file__).with_name("Dockerfile"), folder / "Dockerfile")
    lines = [f"{package}=={version(package)}\n" for package in NEEDED]
    (folder / "requirements.txt").write_text("".join(lines))
    shutil.copytree(
        PACKAGE, folder / "gitops_lab", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )
