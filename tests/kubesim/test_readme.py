"""The examples of kubesim's README run as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import kubesim

README = (Path(kubesim.__file__).with_name("README.md")).read_text()
ROOT = Path(kubesim.__file__).parents[1]


def example(name: str) -> str:
    found = re.search(rf"```python\n# {re.escape(name)}\n(.*?)```", README, re.DOTALL)
    assert found is not None, f"the README has no example {name}"
    return found[1]


def python(folder: Path, *arguments: str) -> str:
    """What a Python program prints that runs in a folder and finds this package."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_in_process_prints_what_the_readme_says(tmp_path: Path) -> None:
    (tmp_path / "in_process.py").write_text(example("in_process.py"))
    said = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert said is not None
    assert python(tmp_path, "in_process.py") == said[1]


@pytest.mark.parametrize("names", [["test_client.py"], ["notes.py", "test_operator.py"]])
def test_the_example_with_the_fixture_passes(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text(example(name))
    installed = any(point.name == "kubesim" for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "kubesim.pytest_plugin")
    said = python(tmp_path, "-m", "pytest", "-q", *plugin, "-p", "no:cacheprovider", names[-1])
    assert "1 passed" in said
