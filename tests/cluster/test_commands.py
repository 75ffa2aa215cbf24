"""Running commands: what is told of them, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from gitops_lab.cluster.causes import CAUSES, likely
from gitops_lab.cluster.commands import LINES, CommandFailed, CommandMissing, pasteable, run


def sh(script: str, timeout: float = 30, **options: object) -> str:
    return asyncio.run(run("sh", "-c", script, timeout=timeout, **options))  # type: ignore[arg-type]


def is_alive(pid: int) -> bool:
    """Whether a process stays; one that was ended may need a moment on a busy machine."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        if status.rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.01)
    return True


def test_what_it_writes_is_given_back_and_told_as_it_comes() -> None:
    told: list[str] = []
    assert sh("cat; echo aside >&2", stdin="in\n", progress=told.append) == "in\n"
    assert told[0] == "$ sh -c 'cat; echo aside >&2'"
    assert sorted(told[1:]) == ["aside", "in"]


def test_it_finds_the_variables_it_is_given_and_they_are_told() -> None:
    told: list[str] = []
    assert (
        sh("echo $COLOUR", variables={"COLOUR": "sky blue"}, progress=told.append) == "sky blue\n"
    )
    assert told[0] == "$ COLOUR='sky blue' sh -c 'echo $COLOUR'"


def test_a_failure_tells_command_exit_code_and_the_end_of_the_output() -> None:
    lines = "; ".join(f"echo line {i}" for i in range(30))
    with pytest.raises(CommandFailed) as caught:
        sh(f"{lines}; echo last words >&2; exit 3")
    text = str(caught.value)
    assert text.startswith("`sh -c '")
    assert "exit code 3" in text and "    last words" in text
    assert "line 29" in text and "line 5\n" not in text
    assert len(caught.value.output.splitlines()) == LINES


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    begin = time.monotonic()
    with pytest.raises(CommandFailed, match="not done after") as caught:
        sh(f"sleep 60 & echo $! > {child}; echo waiting; wait", timeout=0.5)
    assert caught.value.returned is None
    assert "waiting" in str(caught.value)
    assert time.monotonic() - begin < 10
    assert not is_alive(int(child.read_text()))


def test_a_command_that_does_not_listen_is_ended_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitops_lab.cluster.commands.GRACE", 0.2)
    own = tmp_path / "own"
    with pytest.raises(CommandFailed):
        sh(f"trap '' TERM; echo $$ > {own}; while :; do sleep 0.1; done", timeout=0.5)
    assert not is_alive(int(own.read_text()))


def test_a_command_is_ended_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    own = tmp_path / "own"

    async def story() -> None:
        work = asyncio.ensure_future(
            run("sh", "-c", f"echo $$ > {own}.new; mv {own}.new {own}; sleep 60", timeout=60)
        )
        while not own.exists():
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(story())
    assert not is_alive(int(own.read_text()))


@pytest.mark.parametrize("turns", range(6))
def test_a_command_that_is_not_wanted_any_more_while_it_starts_is_ended(
    tmp_path: Path, turns: int
) -> None:
    own = tmp_path / "own"

    async def story() -> None:
        work = asyncio.ensure_future(
            run("sh", "-c", f"sleep 60 & echo $! > {own}; wait", timeout=60)
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    begin = time.monotonic()
    asyncio.run(story())
    assert time.monotonic() - begin < 10
    if own.exists() and (child := own.read_text()):
        assert not is_alive(int(child))


def test_a_command_that_reads_nothing_is_no_failure() -> None:
    assert sh("true", stdin="x" * 1_000_000) == ""


def test_a_missing_command_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    with pytest.raises(CommandMissing) as caught:
        asyncio.run(run("kind", "version", timeout=5))
    assert str(caught.value) == (
        "kind is not installed on this machine. Install it "
        "(https://kind.sigs.k8s.io/docs/user/quick-start/#installation) and see that it is in PATH"
    )


def test_a_command_can_be_pasted() -> None:
    assert pasteable(("echo", "it's", "a b"), {"X": "1 2"}) == "X='1 2' echo 'it'\"'\"'s' 'a b'"


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "does not run"),
        ("failed to connect to the docker API at unix:///var/run/docker.sock", "does not run"),
        ("Error: unable to connect to Podman socket", "does not run"),
        ("dial unix /var/run/docker.sock: connect: permission denied", "may not use"),
        ("write /var/lib/docker/x: no space left on device", "disk is full"),
        ('failed to pull image "x": write /y: no space left on device', "disk is full"),
        ("inotify_add_watch: no space left on device", "inotify"),
        ("Failed to create inotify object: Too many open files", "inotify"),
        ("Bind for 0.0.0.0:80 failed: port is already allocated", "port"),
        ("listen tcp 127.0.0.1:80: bind: address already in use", "port"),
        ('node(s) already exist for a cluster with the name "x"', "exists already"),
        ('failed to pull image "kindest/node:v1"', "cannot be pulled"),
        ('image: "x" not present locally', "not on this machine"),
        ("running kind with rootless provider requires cgroup v2", "control groups"),
        ("failed to init node with kubeadm: exit status 1", "did not start"),
    ],
)
def test_the_likely_cause_is_named(said: str, what: str) -> None:
    cause = likely(f"ERROR: failed to create cluster: {said}\nmore")
    assert cause is not None and what in cause.what


def test_an_unknown_failure_has_no_cause() -> None:
    assert likely("ERROR: something else") is None


def test_every_cause_has_a_cure() -> None:
    assert all(cause.cure and cause.traces for cause in CAUSES)
