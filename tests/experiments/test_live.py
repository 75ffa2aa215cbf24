"""The story told live: what comes of it is what came of it in virtual time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_lab.cli import main
from gitops_lab.cluster.kind import config
from gitops_lab.cluster.kubeconfig import KubeconfigCluster
from gitops_lab.cluster.ownership import SANDBOX_LABEL
from gitops_lab.experiments import demo
from gitops_lab.experiments.measure import Row
from gitops_lab.experiments.shop_image import shop
from gitops_lab.experiments.story import SHOP, versions
from gitops_lab.journal import read
from gitops_lab.sandbox import TWO
from tests.cluster.conftest import ROOT, Machine, make_machine
from tests.cluster.standins.kind import end_process
from tests.live.shell import eventually

SPEED, PACE = 60, 50
"""How many times as fast time passes in the clusters of stand-ins, and the story is told there."""


class Teller:
    """A person who tells the story live, on a machine with stand-ins for kind and the engines."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.folder, self.machine = folder, machine
        self.output, self.temporary = folder / "out", folder / "temporary"
        self.temporary.mkdir()
        self.environment = {
            **os.environ,
            **machine.environment,
            "STANDINS_GATEWAY": "127.0.0.1",
            "STANDINS_SPEED": str(SPEED),
            "TMPDIR": str(self.temporary),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        for name in ("KIND_EXPERIMENTAL_PROVIDER", "KIND_CLUSTER_NAME"):
            self.environment.pop(name, None)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = (sys.executable, "-m", "gitops_lab", "demo", "--output", str(self.output))
        return subprocess.Popen(
            [*command, *arguments], cwd=ROOT, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Tell it to its end; the exit code, and what was said on the way."""
        with self.begin(*arguments) as process:
            _, said = process.communicate(timeout=300)
        return process.returncode, said

    def until_it_ends_as(self, expected: list[tuple[object, ...]], backend: str, pace: int) -> str:
        """Tell it until it ends so, twice at most; what was said on the way.

        Where others are busy, too, a chapter may be over before a deployer has had its turn. The
        second time, each takes twice as long.
        """
        for each in (pace, pace // 2):
            code, said = self("--backend", backend, "--pace", str(each))
            assert code == 0, said
            if outcomes(self.rows()) == expected:
                break
        assert outcomes(self.rows()) == expected, said
        return said

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.output / "results.json").read_text())["rows"]
        return found

    @property
    def left(self) -> list[str]:
        """What a story has left behind."""
        processes = [f"process {pid}" for pid in self.machine.processes()]
        files = [*self.temporary.iterdir(), *self.folder.glob("state/*/*")]
        return [*processes, *map(str, files)]


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[Teller]:
    teller = Teller(tmp_path, make_machine(tmp_path))
    try:
        yield teller
    finally:
        for place in teller.machine.folder.glob("clusters/*"):
            end_process(place)


def outcomes(rows: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """How each chapter ended for each arm, however long that took."""
    fields = ("chapter", "arm", "in_sync", "health", "orphans")
    return [tuple(row[name] for name in fields) for row in rows]


def virtual() -> list[tuple[object, ...]]:
    return outcomes(json.loads(json.dumps(demo.run().results["rows"])))


def test_live_on_simulated_clusters_it_ends_as_in_virtual_time(teller: Teller) -> None:
    said = teller.until_it_ends_as(virtual(), "simulated", 70)
    rows = teller.rows()
    chapters = ["first deploy", "upgrade", "hand edit", "file deleted", "image missing",
        "git revert", "deployers down", "back again"]  # fmt: skip
    assert [line.split(maxsplit=1)[1].partition(" (")[0] for line in said.splitlines()
        if " of 8)" in line] == chapters  # fmt: skip
    assert {row["applied_after"] for row in rows if row["chapter"] == "upgrade"}.isdisjoint({0})
    missed = next(
        r for r in rows if (r["chapter"], r["arm"]) == ("deployers down", "push-on-commit")
    )
    assert missed["why"] == "the event came while the deployer was down"
    assert teller.left == []


def test_on_clusters_by_kind_it_ends_as_in_virtual_time(teller: Teller) -> None:
    teller.until_it_ends_as(virtual(), "kind", PACE)
    assert teller.left == []
    results = json.loads((teller.output / "results.json").read_text())
    assert results["backend"] == "kind" and "Kubernetes are real" in results["real"]
    assert results["arms"]["push-on-commit"]["start"] == 15 / results["pace"]
    entries = read(teller.output / "journal.jsonl")
    (setting,) = [entry for entry in entries if entry.event == "setting"]
    assert setting.subject == "kind"
    report = (teller.output / "report.html").read_text()
    assert "Kubernetes are real" in report and "Seed" not in report
    calls = [json.loads(call) for call in teller.machine.calls()]
    loaded = [call for call in calls if call[1:3] == ["load", "docker-image"]]
    images = [shop(name).reference for name in versions("gitops-lab/shop:1.0.0")]
    assert {call[4].partition("-demo-")[2].split("-", 1)[1][:4] for call in loaded
        if call[-len(images) :] == images} == {"push", "pull"}  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "number", "code"),
    [("simulated", signal.SIGTERM, 143), ("kind", signal.SIGINT, 130)],
)
def test_a_story_that_is_interrupted_leaves_nothing_behind(
    teller: Teller, backend: str, number: signal.Signals, code: int
) -> None:
    with teller.begin("--backend", backend, "--pace", "60") as telling:
        assert telling.stderr is not None
        for line in telling.stderr:
            if "first deploy" in line:
                break
        assert teller.left
        for _ in range(2):  # impatience changes nothing
            telling.send_signal(number)
        rest = telling.stderr.read()
    assert telling.returncode == code, rest
    assert "Traceback" not in rest
    assert teller.left == [] and not teller.output.exists()


def test_in_a_cluster_of_others_nothing_of_it_remains(teller: Teller) -> None:
    own, written = Path(teller.environment["KUBECONFIG"]), teller.folder / "theirs.yaml"
    written.write_text(yaml.safe_dump(config("theirs", {})))
    subprocess.run(
        ["kind", "create", "cluster", "--name", "theirs", "--config", str(written),
            "--kubeconfig", str(own)],
        check=True, capture_output=True, env=teller.environment,
    )  # fmt: skip
    application = shutil.copytree(SHOP, teller.folder / "application")
    code, said = teller("--backend", "context", "--pace", "240", "--manifests", str(application))
    assert code == 0, said
    assert {row["arm"] for row in teller.rows()} == {"pull+self-heal"}
    assert teller.rows()[0]["in_sync"]
    client = KubeconfigCluster("theirs", own, cache=teller.folder / "theirs.json")
    try:
        eventually(
            lambda: (
                [
                    found["metadata"]["name"]
                    for group, kind in client.kinds()
                    if kind not in ("PodMetrics", "NodeMetrics")
                    for found in client.list(group, kind)
                    if SANDBOX_LABEL in (found["metadata"].get("labels") or {})
                ]
                == []
            )
        )
    finally:
        client.close()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--pace", "4"], "--pace is about a story that is told live"),
        (["--context", "mine"], "--context is about a story that is told live"),
        (["--backend", "simulated", "--seed", "1"], "no seed decides"),
        (["--backend", "simulated", "--pace", "0"], "time cannot run at 0 times"),
        (["--backend", "kind", "--pace", "-1"], "the pace -1 is impossible"),
        (
            ["--backend", "kind", "--arms", "pull+webhook"],
            "an agent inside a real cluster cannot",
        ),
        (["--backend", "kind", "--manifests", "nowhere"], "no folder"),
        (["--backend", "context"], "--manifests DIR"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_made(
    teller: Teller,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    text: str,
) -> None:
    for name, value in teller.environment.items():
        monkeypatch.setenv(name, value)
    users = {"clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "a", "user": {}}], "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}]}  # fmt: skip
    Path(teller.environment["KUBECONFIG"]).write_text(yaml.safe_dump(users))
    assert main(["demo", "--output", str(teller.output), *arguments]) == 2
    assert text in capsys.readouterr().err
    assert not any('"create"' in call for call in teller.machine.calls())


def test_the_shop_says_its_version_and_that_it_is_ready(tmp_path: Path) -> None:
    image = shop("gitops-lab/shop:1.0.1")
    image.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Dockerfile", "shop.py"]
    port = _free_port()
    environment = {**os.environ, "SHOP_VERSION": image.arguments["VERSION"], "PORT": str(port),
        "GREETING": "Welcome"}  # fmt: skip
    with subprocess.Popen([sys.executable, tmp_path / "shop.py"], env=environment,
            stderr=subprocess.DEVNULL) as process:  # fmt: skip
        try:
            eventually(lambda: _said(port, "/ready") == "ready\n")
            assert _said(port, "/").startswith("Welcome\nshop 1.0.1\npod ")
        finally:
            process.terminate()
    assert process.returncode == 0


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _said(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


@pytest.mark.kind
def test_on_real_clusters_it_ends_as_in_virtual_time(tmp_path: Path) -> None:
    import asyncio

    from gitops_lab.cluster.kind import preflight
    from gitops_lab.errors import LabError
    from gitops_lab.state import Setup

    try:
        asyncio.run(preflight())
    except LabError as error:
        pytest.skip(error.what)
    told = demo.run_live(Setup(TWO, backend="kind", pace=2), progress=print)
    rows: list[Row] = list(told.measurement.rows)
    assert outcomes(json.loads(json.dumps(told.results["rows"]))) == virtual(), rows
