"""The agent's image, as far as that can be told without an engine."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from gitops_lab.agent.image import NEEDED, write_context

IMPORTED = """
import sys
sys.path.insert(0, sys.argv[1])
import gitops_lab.agent.program, gitops_lab.cli.agent, gitops_lab.forge.database
import kubernetes.dynamic, kubernetes.config
from importlib.metadata import packages_distributions
assert gitops_lab.__file__.startswith(sys.argv[1])
there = packages_distributions()
print(*{name for top in {m.partition(".")[0] for m in sys.modules} for name in there.get(top, ())})
"""


def test_the_context_has_all_that_the_dockerfile_copies(tmp_path: Path) -> None:
    write_context(tmp_path)
    copied = [
        line.split()[1]
        for line in (tmp_path / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY")
    ]
    assert copied == ["requirements.txt", "gitops_lab", "kubesim"]
    assert all((tmp_path / name).exists() for name in copied)
    pins = (tmp_path / "requirements.txt").read_text().splitlines()
    assert pins == [f"{name}=={version(name)}" for name in NEEDED]
    assert not list(tmp_path.rglob("__pycache__"))


def test_an_agent_imports_nothing_that_its_image_lacks(tmp_path: Path) -> None:
    write_context(tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTED, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    # Not kubernetes-validate: the Python client imports it where it is there.
    others = {"aiohttp", "cel-expr-python", "cryptography", "matplotlib", "rich"}
    assert not others & set(done.stdout.split())
