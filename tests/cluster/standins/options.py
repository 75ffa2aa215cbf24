"""Options as the real commands take them: all of them are written in Go, with the library cobra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class Wrong(Exception):
    """A command was used in a way that the real one would refuse."""


@dataclass(frozen=True)
class Command:
    """What a subcommand takes.

    Args:
        flags: its options, and whether each takes a value.
        short: letters that stand for some of them.
        least: how many arguments it needs at least.
        most: and at most; None for any number.
    """

    flags: Mapping[str, bool] = field(default_factory=dict)
    short: Mapping[str, str] = field(default_factory=dict)
    least: int = 0
    most: int | None = 0


@dataclass(frozen=True)
class Call:
    """A subcommand as it was called; an option that is a switch has the value ''."""

    name: str
    options: Mapping[str, list[str]]
    arguments: Sequence[str]

    def __getitem__(self, option: str) -> str:
        return self.options.get(option, [""])[-1]

    def __contains__(self, option: str) -> bool:
        return option in self.options


def parse(commands: Mapping[str, Command], words: Sequence[str]) -> Call:
    """The call that these words are.

    Raises:
        Wrong: they are none.
    """
    name = max((n for n in commands if words[: len(n.split())] == n.split()), key=len, default="")
    if not name:
        raise Wrong(f'unknown command "{" ".join(words[:2])}"')
    command, rest = commands[name], list(words[len(name.split()) :])
    options: dict[str, list[str]] = {}
    arguments: list[str] = []
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        flag, equals, value = word.partition("=")
        if flag.startswith("--"):
            option = flag[2:]
            if option not in command.flags:
                raise Wrong(f"unknown flag: {flag}")
        elif (option := command.short.get(flag[1:2], "")) and (equals or len(flag) == 2):
            pass
        else:
            raise Wrong(f"unknown shorthand flag: {flag[1:2]!r} in {flag}")
        if command.flags[option] and not equals:
            if not rest:
                raise Wrong(f"flag needs an argument: {flag}")
            value = rest.pop(0)
        options.setdefault(option, []).append(value)
    if len(arguments) < command.least or (
        command.most is not None and len(arguments) > command.most
    ):
        raise Wrong(f"'{name}' was given {len(arguments)} arguments: {arguments}")
    return Call(name, options, arguments)
