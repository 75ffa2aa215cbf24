"""What the stand-ins remember between calls: images, and what was asked of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

HOME = Path(os.environ.get("STANDINS", "."))


def fails(how: str) -> bool:
    """Whether a stand-in should fail in this way."""
    return how in os.environ.get("STANDINS_FAIL", "").split(",")


def record(command: str, words: Sequence[str]) -> None:
    """Note a call, for the test to see."""
    with (HOME / "calls").open("a") as file:
        file.write(json.dumps([command, *words]) + "\n")


def image_id(name: str) -> str:
    """The digest by which an image is known."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def images() -> list[str]:
    """The images that the engine has."""
    path = HOME / "images"
    return path.read_text().splitlines() if path.exists() else []


def add_image(name: str) -> None:
    """Give the engine an image."""
    (HOME / "images").write_text("".join(f"{each}\n" for each in sorted({*images(), name})))


def refusal(engine: str) -> str:
    """What an engine says instead of working, if it should; empty if it works."""
    if fails("engine"):
        return {
            "docker": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
            "Is the docker daemon running?",
            "podman": "Cannot connect to Podman. Please verify your connection to the Linux system "
            "using `podman system connection list`, or try `podman machine init` and "
            "`podman machine start` to manage a new Linux VM\nError: unable to connect to Podman "
            "socket: dial unix /run/podman/podman.sock: connect: no such file or directory",
            "nerdctl": 'level=fatal msg="cannot access containerd socket '
            '\\"/run/containerd/containerd.sock\\": no such file or directory"',
        }[engine]
    if fails("forbidden"):
        return (
            "permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock: dial unix: connect: permission denied"
        )
    return ""
