"""Pipelines of a live sandbox, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_lab.model import ObjectKey
from tests.live.shell import BOOK, ROOT, Shell, eventually

PIPELINE = """\
jobs:
  deploy: {when: push, steps: [apply, rollout-status]}
  gate: {when: push, needs: [deploy], approval: true, steps: [render]}
"""


def command(shell: Shell, *arguments: str, fails: bool = False) -> str:
    whole = [sys.executable, "-m", "gitops_lab", "pipeline", *arguments]
    done = subprocess.run(
        whole, cwd=ROOT, env=shell.environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode != 0) is fails, done.stderr
    return done.stderr if fails else done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path, "forge-pipeline")
    shell.told("up", "--arms", "pipeline", "--pace", "20")
    yield shell
    shell("down")


def test_a_push_runs_the_pipeline_that_the_repository_describes(shell: Shell) -> None:
    at = ("--name", shell.name)
    assert "No pipeline has run yet" in command(shell, "list", *at)
    (shell.folder / "clone-one").mkdir()
    shell.told("clone", str(shell.folder / "clone-one"))
    folder = shell.folder / "clone-one"
    (folder / ".gitops-lab").mkdir()
    (folder / ".gitops-lab" / "pipeline.yaml").write_text(PIPELINE)
    (folder / "book.yaml").write_text(BOOK.format(page=1))
    shell.git("-C", str(folder), "add", "-A")
    shell.git("-C", str(folder), "commit", "-qm", "one")
    shell.git("-C", str(folder), "push", "-q", "origin", "HEAD:main")

    def state() -> str:
        listed = json.loads(command(shell, "list", *at, "--json"))
        return str(listed[0]["state"]) if listed else ""

    eventually(lambda: state() == "waiting")
    client = shell.client("pipeline")
    assert client.get(ObjectKey("", "ConfigMap", "default", "book")) is not None
    client.close()
    assert "gitops-lab pipeline approve" in command(shell, "show", *at)
    assert "may not approve" in command(shell, "approve", *at, "--as", "alex", fails=True)
    command(shell, "approve", *at, "--as", "rosa")
    eventually(lambda: state() == "success")
    assert "deploy: step apply" in command(shell, "logs", *at, "-f")
    assert "approved by rosa" in command(shell, "show", *at)
    shell.kill()  # what was done is in Git
    shell.told("up")
    assert state() == "success"


def test_a_pipeline_file_is_checked_without_a_sandbox(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    assert "gate: at push after deploy, waits" in command(shell, "check", str(file))
    file.write_text(PIPELINE.replace("render", "rendr"))
    assert "did you mean 'render'" in command(shell, "check", str(file), fails=True)
    assert json.loads(command(shell, "schema"))["title"] == "A pipeline of gitops-lab"
