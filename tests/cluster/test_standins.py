"""The stand-ins take nothing that the real commands would refuse; here these are the judges."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

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
        line = re.search(rf"--{flag}( [a-zA-Z]+)?(\s|$)", text)
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
