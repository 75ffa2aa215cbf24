"""`gitops-lab lab`: a learner's way through a live lab, with their own git."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

ROOT = Path(__file__).parents[2]


class Run(Protocol):
    """Runs `gitops-lab` as its own process."""

    def __call__(self, *arguments: str, code: int = 0) -> str: ...


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A machine on which nothing was done yet."""
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    environment.pop("GIT_SSL_CAINFO", None)

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "gitops_lab", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "Traceback" not in said
        return said

    yield run
    run("down")


def git(*arguments: str, cwd: Path) -> None:
    # What the clone is configured with must do.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(["git", *arguments], cwd=cwd, env=environment, check=True, capture_output=True)


@pytest.mark.timeout(300)  # a dozen processes, on machines that are busy
def test_a_lab_from_start_to_end(folder: Path, tmp_path: Path, run: Run) -> None:
    shown = run("lab", "start", str(folder), "--speed", "60", "--folder", "mine")
    assert "cd mine" in shown and "Change the colour" in shown
    assert "expected 1 push" in run("lab", "check", code=1)
    watched = run("lab", "watch", "--seconds", "2", code=1)
    assert "Change the colour" in watched and "✘ you pushed to main" in watched
    settings = tmp_path / "mine" / "settings.yaml"
    settings.write_text(settings.read_text().replace("blue", "green"))
    git("commit", "-am", "Green", cwd=settings.parent)
    git("push", "origin", "HEAD:main", cwd=settings.parent)
    assert "Lab done: Mine." in run("lab", "check")

    # Starting it again, and a reset, keep what was done.
    run("lab", "start", str(folder))
    assert "my-work-1" in run("lab", "reset", "--lab")
    assert "blue" in settings.read_text()
    run("lab", "solve")
    assert "green" in settings.read_text()
    (row,) = json.loads(run("lab", "progress", "--json"))["steps"]
    assert (row["lab"], row["step"], row["state"]) == ("mine", "change", "solved")
    context = run("lab", "context")
    assert "## Checks" in context and str(tmp_path) not in context


def test_a_sandbox_of_the_learner_s_own_is_left_alone(folder: Path, run: Run) -> None:
    run("up", "--arms", "pull")
    assert "there is a sandbox 'default' of yours" in run("lab", "start", str(folder), code=2)
    run("status")


def test_without_a_lab_it_is_said_how_to_begin(run: Run) -> None:
    assert "gitops-lab lab start first-commit`" in run("lab", "check", code=2)
    assert "first-commit" in run("lab", "list")
    assert "not begun a lab" in run("lab", "progress")


def test_when_the_sandbox_is_gone_it_is_said_how_to_go_on(folder: Path, run: Run) -> None:
    run("lab", "start", str(folder))
    run("down")
    assert f"gitops-lab lab start {folder}`" in run("lab", "check", code=1)


def test_a_skeleton_is_made_and_verified(run: Run) -> None:
    run("lab", "new", "labs/40-mine")
    assert "design.md is missing" in run("lab", "verify", "labs/40-mine", code=1)
