"""Images that are built here, with a stand-in for the engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gitops_lab.cluster.commands import CommandFailed
from gitops_lab.cluster.images import Image
from gitops_lab.errors import UsageError
from tests.cluster.conftest import Machine


def write_dockerfile(folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM scratch\n")


@pytest.mark.parametrize("engine", ["docker", "podman", "nerdctl"])
def test_an_image_is_built_under_the_name_that_nodes_know_it_by(
    machine: Machine, engine: str
) -> None:
    image = Image("team/web:1", write_dockerfile, {"VERSION": "1"})
    asyncio.run(image.build(engine))
    command, *words = json.loads(machine.calls()[-1])
    assert (command, words[:-1]) == (
        engine,
        ["build", "--tag", "docker.io/team/web:1", "--build-arg=VERSION=1"],
    )
    assert not Path(words[-1]).exists()  # what it was built from is gone


def test_nodes_complete_a_bare_name_with_the_library() -> None:
    assert Image("web:1", write_dockerfile).reference == "docker.io/library/web:1"
    assert Image("here.example/web:1", write_dockerfile).reference == "here.example/web:1"


def test_a_name_that_no_image_can_have_is_refused() -> None:
    with pytest.raises(UsageError, match="no name of an image"):
        _ = Image("No Image", write_dockerfile).reference


@pytest.mark.usefixtures("machine")
def test_an_image_without_a_dockerfile_tells_of_its_command() -> None:
    with pytest.raises(CommandFailed, match="build"):
        asyncio.run(Image("web:1", lambda folder: None).build("docker"))
