"""How labs look in a terminal: at most 80 columns, signs besides colours, nothing that blinks.

`rich` leaves colours out where `NO_COLOR` is set or no terminal is there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from string import ascii_lowercase
from typing import IO, ClassVar

from rich.console import Console, Group, RenderableType
from rich.markdown import CodeBlock, Heading, Markdown
from rich.padding import Padding
from rich.text import Text

from gitops_lab.labs.checks import Result
from gitops_lab.labs.format import Lab, Prediction, Step
from gitops_lab.labs.progress import LabRecord, StepRecord
from gitops_lab.labs.session import Report

WIDTH = 80

SIGNS = {"passed": "✔", "failed": "✘", "waiting": "…", "open": "○", "solved": "◆", "skipped": "↷"}
PLAIN = {"passed": "+", "failed": "x", "waiting": ".", "open": "o", "solved": "*", "skipped": ">"}
STYLES = {"passed": "green", "failed": "red", "waiting": "yellow", "solved": "cyan"}

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that turn the direction of writing."""

_SPAN = re.compile(r"`([^`]+)`")

_NAMED = "status|logs|kubectl|kubeconfig|clone|git-url|pause|resume|step|disconnect|reconnect|down"
_OWN = re.compile(rf"\bgitops-lab ({_NAMED})\b")


class _LeftHeading(Heading):
    """A heading that stands where the text does."""

    def __rich_console__(self, console: Console, options: object) -> object:  # type: ignore[override]
        yield Text.assemble((self.text.plain, "bold"))


class _Commands(CodeBlock):
    """A block of code as it can be copied: no line is folded, and no space stands behind one."""

    def __rich_console__(self, console: Console, options: object) -> object:  # type: ignore[override]
        for line in str(self.text).rstrip("\n").split("\n"):
            yield Text(f"    {line}", style="cyan", no_wrap=True, overflow="ignore")


class _Markdown(Markdown):
    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": _LeftHeading,
        "fence": _Commands,
        "code_block": _Commands,
    }


def console(file: IO[str] | None = None) -> Console:
    """A terminal of at most 80 columns."""
    found = Console(file=file, highlight=False, soft_wrap=False)
    found.width = min(found.width, WIDTH)
    return found


def sign(state: str) -> str:
    """The sign of a state; plain characters where the terminal has no others."""
    # Not sys.stdout, which rich replaces while it shows something live.
    encoding = (getattr(sys.__stdout__, "encoding", "") or "ascii").lower()
    return (SIGNS if encoding.startswith("utf") else PLAIN)[state]


def plain(text: str) -> str:
    """The text without characters that steer a terminal: it may come from a cluster or from Git."""
    return _CONTROL.sub("", text)


def for_sandbox(text: str, sandbox: str) -> str:
    """The text with commands that name the sandbox, unless it is the one they mean anyway."""
    return text if sandbox == "default" else _OWN.sub(rf"gitops-lab \1 --name {sandbox}", text)


def markdown(text: str) -> RenderableType:
    """Markdown, as a terminal shows it."""
    return _Markdown(plain(text), hyperlinks=False)


def show(terminal: Console, what: RenderableType) -> None:
    """Print it. Commands that are wider than the terminal are not cut off."""
    terminal.print(what, crop=False)


def hint(text: str, sandbox: str = "default") -> RenderableType:
    """A hint. One that gives commands shows each in a line of its own, to be copied."""
    text = for_sandbox(text, sandbox)
    commands = [line for span in _SPAN.findall(text) if " " in span for line in span.split(" && ")]
    rest = _SPAN.sub(" ", text)
    prose = [word for word in re.findall(r"\w+", rest) if word not in ("and", "then")]
    if len(prose) > 3 and max(map(len, commands), default=0) <= 60:
        return markdown(text)  # a sentence that names commands
    lines: list[RenderableType] = [markdown(rest.strip(" ,.") + ":")] if len(prose) > 3 else []
    lines += [
        Text(f"    {plain(line)}", style="cyan", no_wrap=True, overflow="ignore")
        for line in commands
    ]
    return Group(*lines) if commands else markdown(text)


def step_text(lab: Lab, step: Step, record: StepRecord, sandbox: str = "default") -> RenderableType:
    """A step: where one is, its text, what is to be predicted."""
    place = f"Lab {lab.number} · {lab.title} · step {lab.number_of(step)} of {len(lab.steps)}"
    parts: list[RenderableType] = [
        Text(place, style="dim"),
        Text(step.title, style="bold"),
        Text(""),
        markdown(for_sandbox(step.text, sandbox)),
    ]
    if step.predict is not None:
        parts += [Text(""), *prediction(step.predict, record.prediction)]
    return Group(*parts)


def prediction(asked: Prediction, given: str) -> list[RenderableType]:
    """A prediction that is asked for, and what was predicted if anything was."""
    lines: list[RenderableType] = [Text("Predict first", style="bold"), markdown(asked.text)]
    lines += _choices(asked.choices)
    lines.append(
        Text(f"Your prediction: {given}")
        if given
        else Text("  gitops-lab lab predict …", style="cyan")
    )
    return lines


def checks(results: Sequence[Result], *, brief: bool = False) -> RenderableType:
    """The checks of a step, each with a sign; of what failed, what was expected and observed."""
    lines: list[RenderableType] = []
    for result in results:
        state = "passed" if result.passed else "waiting" if result.waiting else "failed"
        lines.append(Text.assemble((sign(state), STYLES[state]), " ", plain(result.title)))
        if state == "failed" and not brief:
            lines += [
                _line("expected", result.expected),
                _line("observed", result.observed),
                *([_line("look", result.where)] if result.where else []),
            ]
    return Group(*lines)


def report(found: Report, lab: Lab) -> RenderableType:
    """What a check of a step found, and what comes next."""
    parts: list[RenderableType] = [checks(found.results)] if found.results else []
    if found.measured:
        guess = found.predicted or "(nothing)"
        parts += [
            Text(""),
            Text.assemble(("You predicted  ", "bold"), guess),
            Text.assemble(("Measured       ", "bold"), found.measured),
        ]
        if found.step.predict is not None and found.step.predict.explain:
            parts.append(markdown(found.step.predict.explain))
    if found.question is not None:
        parts += [
            Text(""),
            Text("One question", style="bold"),
            markdown(found.question.text),
            *_choices(found.question.choices),
            Text("  gitops-lab lab answer …", style="cyan"),
        ]
    return Group(*parts)


def listing(labs: Sequence[Lab], records: dict[str, LabRecord]) -> RenderableType:
    """All labs, with the learner's progress."""
    lines: list[RenderableType] = []
    for lab in labs:
        record = records.get(lab.id, LabRecord())
        done = sum(step.is_done for step in record.steps.values())
        state = "passed" if record.finished else "open"
        lines.append(
            Text.assemble(
                (sign(state), STYLES.get(state, "")),
                f" {lab.number:>2}  {lab.id:<24} {lab.title:<32} {lab.minutes:>2} min  ",
                f"{done}/{len(lab.steps)}",
            )
        )
    return Group(*lines)


def _choices(choices: Sequence[str]) -> list[RenderableType]:
    return [
        Text(f"  {letter}  {choice}")
        for letter, choice in zip(ascii_lowercase, choices, strict=False)
    ]


def _line(name: str, text: str) -> RenderableType:
    return Padding(
        Text.assemble((f"{name:<9}", "dim"), plain(text), overflow="fold"),
        (0, 0, 0, 4),
    )
