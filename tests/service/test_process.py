"""The process in the background: what it is made of, and what happens if it has to end early."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitops_lab.errors import LabError, UsageError
from gitops_lab.sandbox import ARMS
from gitops_lab.service import process
from gitops_lab.service.setup import chosen
from gitops_lab.state import StateFolder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder("shop", tmp_path / "state")


def test_all_arms_are_meant_by_all(folder: StateFolder) -> None:
    assert chosen(folder, {}, {"arms": ["all"]}).arms == tuple(ARMS)
    assert chosen(folder, {"arms": list(ARMS)}, {"arms": ["all"]}).arms == tuple(ARMS)


@pytest.mark.parametrize(
    "wanted", [{"arms": ["pull"]}, {"arms": ["all"]}, {"backend": "kind"}, {"agent": "outside"}]
)
def test_a_sandbox_does_not_become_another_one_in_silence(
    folder: StateFolder, wanted: dict[str, Any]
) -> None:
    kept = {"arms": ["push-on-commit", "pull+self-heal"]}
    with pytest.raises(UsageError, match=r"the sandbox 'shop' has (arms|backend|agent)"):
        chosen(folder, kept, wanted)


def test_time_may_run_at_another_speed_after_a_stop_but_not_before(folder: StateFolder) -> None:
    kept = {"arms": ["pull"], "speed": 1.0}
    assert chosen(folder, kept, {"speed": 10.0}).speed == 10
    assert chosen(folder, kept, {"speed": 1.0}, is_running=True).speed == 1
    with pytest.raises(UsageError, match=r"speed 1\.0"):
        chosen(folder, kept, {"speed": 10.0}, is_running=True)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"context": "dev"}, "--context means nothing for simulated clusters. Add --backend cont"),
        ({"node_image": "n:1"}, "--node-image means nothing for simulated clusters"),
        ({"node_image": "n:1", "backend": "context", "arms": ["pull"]}, "for context clusters"),
    ],
)
def test_an_option_without_effect_is_refused(
    folder: StateFolder, wanted: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        chosen(folder, {}, wanted)


def test_a_start_is_given_up_when_somebody_ends_the_process() -> None:
    given_up = []

    async def long() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            given_up.append(True)

    async def story() -> None:
        ended = asyncio.Event()
        asyncio.get_running_loop().call_soon(ended.set)
        await process._unless(ended, long())

    with pytest.raises(LabError, match="before it was ready"):
        asyncio.run(story())
    assert given_up


def test_what_goes_wrong_during_a_start_is_told() -> None:
    async def fail() -> None:
        raise LabError("no")

    async def story() -> None:
        await process._unless(asyncio.Event(), fail())

    with pytest.raises(LabError, match="no"):
        asyncio.run(story())


def test_a_process_to_which_nobody_listens_any_more_goes_on() -> None:
    script = (
        "from gitops_lab.service.process import _say\nfor _ in range(3): _say({})\nopen(argv, 'w')"
    )
    script = script.replace("argv", "__import__('sys').argv[1]")
    child = subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep(0)\n{script}", "/dev/null"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    with child.stderr as complaints:
        assert complaints.read() == b""
    assert child.wait() == 0


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotADirectoryError(20, "Not a directory", "a/lock"), "a/lock: Not a directory"),
        (ModuleNotFoundError(name="h11"), "the library 'h11' is not installed"),
    ],
)
def test_a_machine_that_refuses_is_told_in_words(
    folder: StateFolder, error: Exception, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.path.mkdir(parents=True)
    explained = process._explained(folder, error)
    assert isinstance(explained, LabError) and told in str(explained)
    assert "Error" in capsys.readouterr().err  # the log has all of it


def test_a_full_disk_is_named_whatever_failed_on_it(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StateFolder, "is_full", True)
    assert "the disk is full" in str(process._explained(folder, LabError("cannot be kept")))
    misused = UsageError("no such arm")
    assert process._explained(folder, misused) is misused


def test_settings_of_an_older_version_need_not_know_every_part(folder: StateFolder) -> None:
    kept = json.loads('{"arms": ["pull"], "speed": 2.0}')
    assert chosen(folder, kept, {"backend": "simulated", "agent": "inside"}).speed == 2
