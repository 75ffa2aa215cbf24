"""A lab of four lines, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_lab.labs.format import Lab, load
from gitops_lab.labs.progress import Unsaved
from gitops_lab.labs.session import Session
from gitops_lab.labs.skeleton import make
from gitops_lab.labs.world import LabWorld, VirtualWorld

BYPASS = """\
from gitops_lab.labs.world import patch


def change(attempt):
    for arm in attempt.world.arms.values():
        patch(arm, "ConfigMap/settings", {"data": {"colour": "green"}})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The skeleton of a lab, with what `lab verify` misses in it."""
    folder = tmp_path / "30-mine"
    make(folder)
    (folder / "design.md").write_text("# What this lab intends\n")
    (folder / "bypass").mkdir()
    (folder / "bypass" / "by_hand.py").write_text(BYPASS)
    return folder


@pytest.fixture
def lab(folder: Path) -> Lab:
    return load(folder)


@pytest.fixture
def session(lab: Lab) -> Iterator[Session]:
    """A learner at the beginning of it."""
    worlds: list[VirtualWorld] = []

    def world() -> LabWorld:
        worlds.append(VirtualWorld(lab.arms, seed=1))
        return worlds[-1]

    session = Session(
        lab,
        world(),
        Unsaved(1),
        now=lambda: worlds[-1].sandbox.clock.now(),
        restart=world,
    )
    session.begin()
    yield session
    for each in worlds:
        each.close()
