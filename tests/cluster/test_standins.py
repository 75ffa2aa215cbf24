"""The stand-ins take nothing that the real commands would refuse; here these are the judges."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster.conftest import Machine
from tests.cluster.standins import engine, kind
from tests.cluster.standins.options import Command, Wrong, parse

REAL = {**engine.COMMANDS, "kind": kind.COMMANDS}


def help_of(program: str, subcommand: str) -> str:
    done = subprocess.run(
        [program, *subcommand.split(), "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("program", "subcommand"), [(p, s) for p, commands in REAL.items() for s in commands]
)
def test_the_real_command_has_every_option_of_its_stand_in(program: str, subcommand: str) -> None:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    text = help_of(found, subcommand)
    command: Command = REAL[program][subcommand]
    for flag, takes_value in command.flags.items():
        # A value that may be left out, as in `--pull string[="true"]`, makes it a switch.
        value = r"( [a-zA-Z]+\b(?!\[))?(?=\W|$)"
        line = re.search(rf"^ +(?:-\w, )?--{flag}{value}", text, re.MULTILINE)
        assert line, f"{program} {subcommand} has no --{flag}"
        assert bool(line[1]) == takes_value, line[0]
    for letter, flag in command.short.items():
        assert re.search(rf"-{letter}, --{flag}\b", text), f"-{letter} is not --{flag}"


COMMANDS = {"go": Command({"name": True, "fast": False}, {"n": "name"}, least=1, most=2)}


def test_options_are_read_as_the_real_commands_read_them() -> None:
    for words in (["go", "--name", "x", "a"], ["go", "--name=x", "a"], ["go", "a", "-n", "x"]):
        call = parse(COMMANDS, words)
        assert (call["name"], list(call.arguments), "fast" in call) == ("x", ["a"], False)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["stop"],
        ["go"],
        ["go", "a", "b", "c"],
        ["go", "a", "--slow"],
        ["go", "a", "-x"],
        ["go", "a", "--name"],
        ["go", "a", "-name", "x"],
    ],
)
def test_what_the_real_commands_refuse_is_refused(words: list[str]) -> None:
    with pytest.raises(Wrong):
        parse(COMMANDS, words)


# -- the stand-in for kind is as strict as kind ----------------------------------------------------

CONFIG = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        (CONFIG, ["--name", "Upper"], "not a valid cluster name"),
        (CONFIG, ["--wait", "soon"], "invalid argument"),
        (CONFIG, ["--wait", "180"], "invalid argument"),
        (CONFIG, ["--cpus", "2"], "unknown flag: --cpus"),
        (CONFIG, ["extra"], "was given 1 arguments"),
        ("kind: Cluster\napiVersion: kind.x-k8s.io/v1\n", [], "unknown apiVersion"),
        (CONFIG + "node: []\n", [], "field node not found"),
        (CONFIG + "nodes: [{role: control-plane, cpu: 2}]\n", [], "field cpu not found"),
        (CONFIG + "nodes: [{role: boss}]\n", [], '"boss" is not a valid node role'),
        (CONFIG + "nodes: [{role: worker}]\n", [], "at least one control-plane"),
        (
            CONFIG + "nodes: [{role: control-plane, extraPortMappings: [{hostPort: 70000}]}]\n",
            [],
            "invalid port number: 70000",
        ),
        (
            CONFIG + "nodes: [{role: control-plane, labels: {app.kubernetes.io/name: x}}]\n",
            [],
            "failed to init node with kubeadm",
        ),
    ],
)
def test_the_stand_in_makes_no_cluster_that_kind_would_not(
    machine: Machine, tmp_path: Path, config: str, options: list[str], said: str
) -> None:
    path = tmp_path / "kind.yaml"
    path.write_text(config)
    own = ["--config", str(path), "--kubeconfig", str(tmp_path / "kubeconfig")]
    done = subprocess.run(
        ["kind", "create", "cluster", "--name", "x", *own, *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert said in done.stderr and "ERROR: " in done.stderr
    assert [*machine.folder.glob("clusters/*")] == []


def test_without_retain_a_cluster_that_fails_is_removed_by_kind_itself(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDINS_FAIL", "init")
    config = ["--kubeconfig", str(tmp_path / "kubeconfig")]
    path = tmp_path / "kind.yaml"
    path.write_text(CONFIG)
    create = ["kind", "create", "cluster", "--config", str(path), *config]
    assert "Deleted nodes" in subprocess.run(create, capture_output=True, text=True).stderr
    assert (
        "Deleted"
        not in subprocess.run([*create, "--retain"], capture_output=True, text=True).stderr
    )
    assert len([*machine.folder.glob("clusters/*")]) == 1


def test_the_stand_in_never_writes_the_users_own_kubeconfig(machine: Machine) -> None:
    done = subprocess.run(["kind", "create", "cluster"], capture_output=True, text=True)
    assert done.returncode == 1
    assert not Path(machine.environment["KUBECONFIG"]).exists()


def test_engines_refuse_what_they_do_not_know(machine: Machine) -> None:
    for command, code in (
        (["docker", "info", "--nonsense"], 125),
        (["docker", "info", "extra"], 1),
        (["docker", "nonsense"], 1),
        (["docker", "build"], 1),
        (["podman", "save", "-o", "x", "one", "two"], 1),
    ):
        assert subprocess.run(command, capture_output=True).returncode == code, command
