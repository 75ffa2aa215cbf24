"""The shop's image, and the program in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from gitops_lab.cluster.images import Image

HERE = Path(__file__).parent


def shop(name: str) -> Image:
    """The shop's image of this name, whose tag is the version that it says of itself."""
    return Image(name, write_context, {"VERSION": name.rpartition(":")[2]})


def write_context(folder: Path) -> None:
    """Write what the image is built from into a folder."""
    for each in ("Dockerfile", "shop.py"):
        shutil.copyfile(HERE / each, folder / each)
