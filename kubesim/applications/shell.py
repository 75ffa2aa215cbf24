"""A small shell: what people type after `sh -c` to look around in a container.

It knows commands in a row (`;`, a new line, `&&`, `||`), pipes, quotes, variables (`$NAME`,
`${NAME}`, `$?`), redirections between the outputs (`>&2`, `2>&1`) and to `/dev/null`, and `exit N`.
There are no files to write, no loops and no functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Args:
        code: its exit code.
        out: what it wrote to its output.
        err: what it wrote about errors.
        seconds: how long it took, in seconds of real time.
    """

    code: int = 0
    out: bytes = b""
    err: bytes = b""
    seconds: float = 0.0


Run = Callable[[Sequence[str], bytes], Outcome]
"""Runs one command with its arguments and its input."""

LONGEST = 10_000
"""How many characters a script may have."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)|(?P<join>&&|\|\||;|\n|\|)|(?P<to>[12]?>&[12]|[12]?>>?[ \t]*/dev/null)
    |(?P<word>(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s;&|<>()`'"\\])+)""",
    re.VERBOSE | re.DOTALL,
)
_PART = re.compile(
    r"""\\(?P<escaped>.)|'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"
    |\$(?P<name>[A-Za-z_]\w*|\?)|\$\{(?P<braced>[A-Za-z_]\w*)\}|(?P<plain>[^\\'"$]+|\$)""",
    re.VERBOSE | re.DOTALL,
)
_IN_QUOTES = re.compile(
    r"""\\(?P<escaped>["\\$`])|\$(?P<name>[A-Za-z_]\w*|\?)|\$\{(?P<braced>[A-Za-z_]\w*)\}
    |(?P<plain>[^\\$]+|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass
class _Command:
    """One simple command: words, redirections, and what stands before it."""

    joined_by: str
    words: list[str] = field(default_factory=list)
    redirections: list[str] = field(default_factory=list)


class NotSimple(Exception):
    """A script that asks for more than this shell does; why."""


def execute(
    script: str, run: Run, environment: Mapping[str, str], *, given: bytes = b""
) -> Outcome:
    """Run a script.

    Args:
        script: the text.
        run: runs one command.
        environment: the variables.
        given: the input of its commands.

    Raises:
        NotSimple: it asks for more than this shell does.
    """
    variables = dict(environment)
    whole, last, piped = Outcome(), Outcome(), given
    skip = False
    for command in _parsed(script):
        if command.joined_by == "|":
            if skip:
                continue
            piped = last.out
            whole = replace(whole, out=whole.out[: len(whole.out) - len(last.out)])
        else:
            piped = given
            skip = (command.joined_by, last.code == 0) in (("&&", False), ("||", True))
            if skip:
                continue
        words = [_expanded(word, {**variables, "?": str(last.code)}) for word in command.words]
        while words and (found := re.fullmatch(r"([A-Za-z_]\w*)=(.*)", words[0], re.DOTALL)):
            variables[found[1]] = found[2]
            words.pop(0)
        if words[:1] == ["exit"]:
            code = int(words[1]) % 256 if words[1:] and words[1].isdigit() else last.code
            return replace(whole, code=code)
        last = run(words, piped) if words else Outcome()
        last = _redirected(last, command.redirections)
        whole = Outcome(
            last.code, whole.out + last.out, whole.err + last.err, whole.seconds + last.seconds
        )
    return whole


def _parsed(script: str) -> list[_Command]:
    if len(script) > LONGEST:
        raise NotSimple("the script is too long")
    commands, at = [_Command(";")], 0
    while at < len(script):
        found = _TOKEN.match(script, at)
        if found is None:
            if script[at] in "'\"":
                raise NotSimple("syntax error: unterminated quoted string")
            raise NotSimple(
                "this container is simulated: its shell knows commands joined by ; && || |, "
                f"quotes, variables and >&2, and not {script[at]!r}"
            )
        at = found.end()
        if found["join"]:
            commands.append(_Command(";" if found["join"] == "\n" else found["join"]))
        elif found["to"]:
            commands[-1].redirections.append(found["to"].replace(" ", ""))
        elif found["word"]:
            commands[-1].words.append(found["word"])
    return [each for each in commands if each.words or each.joined_by in ("&&", "||", "|")]


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    """A word without its quotes, with the values of its variables."""
    parts = []
    for found in _PART.finditer(word):
        if found["single"] is not None:
            parts.append(found["single"])
        elif found["double"] is not None:
            inner = _IN_QUOTES.finditer(found["double"])
            parts += (_value(each, variables) for each in inner)
        else:
            parts.append(_value(found, variables))
    return "".join(parts)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found["name"] or found["braced"]
    if name:
        return variables.get(name, "")
    return found["escaped"] or found["plain"] or ""


def _redirected(outcome: Outcome, redirections: Sequence[str]) -> Outcome:
    """Outputs where redirections send them, from left to right."""
    out, err = outcome.out, outcome.err
    for each in redirections:
        source = "2" if each.startswith("2") else "1"
        if each.endswith("/dev/null"):
            out, err = (b"", err) if source == "1" else (out, b"")
        elif source == "1" and each.endswith("2"):
            out, err = b"", err + out
        elif source == "2" and each.endswith("1"):
            out, err = out + err, b""
    return replace(outcome, out=out, err=err)
