"""What a lab is: a folder that is read into frozen values, or refused with what to correct.

labs/05-drift/
lab.yaml          title, minutes, arms, what it needs and introduces
steps/10-edit.md  text, and above it prediction, checks, hints and a question
after.md          what the simulation leaves out, and a task without guidance
start/repository/ what is in Git when the learner begins
start/work/       what lies in the learner's clone, not committed
checks.py         functions that steps name: checks, measurements, answers
solution.py       one function a step
alternatives/     other right ways: each must pass
bypass/           ways that look right: each must fail
design.md         what the author intends
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from gitops_lab.errors import UsageError

LARGEST = 256 * 1024
"""The most bytes that one file of a lab may have."""

COMPETENCIES = {
    *(f"T{n}" for n in range(1, 10)),
    *(f"P{n}" for n in range(1, 5)),
    *(f"R{n}" for n in range(1, 5)),
    *(f"A{n}" for n in range(1, 5)),
    *(f"X{n}" for n in range(1, 5)),
}
"""Codes of the competencies of the exam "Certified GitOps Associate": terminology (T), principles
(P), related practices (R), patterns (A), tooling (X), numbered as in its outline of 2024."""

_FOLDER = re.compile(r"(?P<number>\d+)-(?P<id>[a-z0-9][a-z0-9-]*)")
_VARIABLE = re.compile(r"\{\{ *([a-z_]+) *\}\}")
_COMMANDS = re.compile(r"^```sh(?P<fails> fails)?\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


@dataclass(frozen=True)
class CheckSpec:
    """A check as a step names it.

    Args:
        name: the check, one of `checks.CHECKS`, or a function of the lab's `checks.py`.
        arguments: what it is given, by name.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What the learner is asked before they act.

    Args:
        text: the question.
        choices: what may be answered; anything if empty.
        measured: the function of the lab's `checks.py` that measures what happened.
        explain: what is said once it was measured.
    """

    text: str
    choices: tuple[str, ...]
    measured: str
    explain: str = ""


@dataclass(frozen=True)
class Question:
    """A question whose right answer is computed from the learner's own world.

    Args:
        text: the question.
        answer: the function of the lab's `checks.py` that computes the answer.
        choices: what may be answered; anything if empty.
        tolerance: by how much a number may differ.
        where: where the learner finds it.
        explain: what is said once the answer is right.
    """

    text: str
    answer: str
    choices: tuple[str, ...] = ()
    tolerance: float = 0.0
    where: str = ""
    explain: str = ""


@dataclass(frozen=True)
class Commands:
    """A block of commands in a step's text.

    Args:
        text: the commands, one a line.
        fails: the last of them is meant to fail; the block is marked `sh fails`.
    """

    text: str
    fails: bool = False


@dataclass(frozen=True)
class Step:
    """One step of a lab.

    Args:
        id: its name, unique in the lab.
        title: its heading.
        text: Markdown, without the heading.
        checks: what must be so when it is done.
        hints: from a nudge to the command.
        predict: asked before.
        question: asked when the checks have passed.
    """

    id: str
    title: str
    text: str
    checks: tuple[CheckSpec, ...]
    hints: tuple[str, ...]
    predict: Prediction | None
    question: Question | None

    @property
    def commands(self) -> tuple[Commands, ...]:
        """The blocks of commands in the text, in order."""
        found = _COMMANDS.finditer(self.text)
        return tuple(Commands(block["text"], block["fails"] is not None) for block in found)


@dataclass(frozen=True)
class Lab:
    """A lab, read from its folder for one learner.

    Args:
        folder: where it was read from.
        id: its name.
        number: its place in the course.
        title: its name for people.
        minutes: how long a learner takes.
        arms: standard arms, a cluster for each.
        speed: how fast time passes while it is live.
        backends: where its clusters may come from.
        needs: ids of the labs that come before it.
        introduces: terms that its text explains.
        objectives: what the learner can do afterwards, by competency code.
        values: what was drawn for this learner, by name.
        steps: in order.
        after: Markdown that is shown at the end.
    """

    folder: Path
    id: str
    number: int
    title: str
    minutes: int
    arms: tuple[str, ...]
    speed: float
    backends: tuple[str, ...]
    needs: tuple[str, ...]
    introduces: tuple[str, ...]
    objectives: Mapping[str, str]
    values: Mapping[str, Any]
    steps: tuple[Step, ...]
    after: str

    def step(self, name: str) -> Step:
        """A step, by its id or its number from 1.

        Raises:
            UsageError: there is none.
        """
        for number, step in enumerate(self.steps, 1):
            if name in (step.id, str(number)):
                return step
        steps = ", ".join(f"{number} ({step.id})" for number, step in enumerate(self.steps, 1))
        raise UsageError(f"the lab {self.id!r} has no step {name!r}", fix=f"choose from {steps}")

    def number_of(self, step: Step) -> int:
        """A step's number, from 1."""
        return self.steps.index(step) + 1

    def files(self, part: str) -> dict[str, str]:
        """The text of the files below `start/<part>`, by path there; empty if there are none."""
        root = self.folder / "start" / part
        paths = (path for path in sorted(root.rglob("*")) if path.is_file())
        return {
            path.relative_to(root).as_posix(): _filled(_text(path), self.values, path)
            for path in paths
        }

    def functions(self, name: str) -> Mapping[str, Callable[..., Any]]:
        """The public functions of one of the lab's Python files; empty if it does not exist."""
        return functions(self.folder / name)


def functions(path: Path) -> Mapping[str, Callable[..., Any]]:
    """The public functions of a Python file of a lab, by name; empty if it does not exist.

    Raises:
        UsageError: the file cannot be run.
    """
    if not path.is_file():
        return {}
    return _run(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _run(path: Path, changed: int) -> Mapping[str, Callable[..., Any]]:
    spec = importlib.util.spec_from_file_location(f"lab_{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"this cannot be run: {error!r}", where=str(path)) from error
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_") and value.__module__ == module.__name__
    }


def library() -> Path:
    """The folder of the labs that come with gitops-lab."""
    package = Path(__file__).parent
    checkout = package.parents[1] / "labs"
    return checkout if checkout.is_dir() else package / "library"


def find(name: str, root: Path | None = None) -> Path:
    """The folder of a lab.

    Args:
        name: its id, its number, or the path of its folder.
        root: where labs with an id or a number are; those of `library` if None.

    Raises:
        UsageError: there is no such lab.
    """
    if "/" in name or (Path(name) / "lab.yaml").is_file():
        if not (Path(name) / "lab.yaml").is_file():
            raise UsageError("this is no lab: it has no lab.yaml", where=name)
        return Path(name).resolve()
    found = folders(root)
    for folder in found:
        number, _, identity = folder.name.partition("-")
        if name == identity or (name.isdigit() and int(name) == int(number)):
            return folder
    names = ", ".join(folder.name.partition("-")[2] for folder in found)
    raise UsageError(f"there is no lab {name!r}", fix=f"choose from {names or '(none)'}")


def folders(root: Path | None = None) -> list[Path]:
    """The folders of all labs below a folder, in the course's order."""
    root = root or library()
    found = (path.parent for path in root.glob("*/lab.yaml"))
    return sorted((folder for folder in found if _FOLDER.fullmatch(folder.name)), key=_number)


def load(folder: Path, seed: object = 0) -> Lab:
    """Read a lab.

    Args:
        folder: the lab's.
        seed: the learner's; what `vars` draws follows from it.

    Raises:
        UsageError: something in it is missing or wrong; says what and where.
    """
    named = _FOLDER.fullmatch(folder.name)
    if named is None:
        raise UsageError("a lab's folder is called like 05-drift", where=str(folder))
    path = folder / "lab.yaml"
    raw = _Reader(_mapping(_text(path), path), path)
    values = _drawn(raw.take("vars", dict, {}), Random(f"{seed}/{named['id']}"), path)
    steps = tuple(_step(each, values) for each in sorted((folder / "steps").glob("*.md")))
    if not steps:
        raise UsageError("a lab needs steps", where=str(folder / "steps"), fix="add 10-first.md")
    after = folder / "after.md"
    lab = Lab(
        folder=folder,
        id=named["id"],
        number=int(named["number"]),
        title=raw.take("title", str),
        minutes=raw.take("minutes", int),
        arms=tuple(raw.take("arms", list)),
        speed=float(raw.take("speed", (int, float), 5)),
        backends=tuple(raw.take("backends", list, ["simulated"])),
        needs=tuple(raw.take("needs", list, [])),
        introduces=tuple(raw.take("introduces", list, [])),
        objectives=raw.take("objectives", dict),
        values=values,
        steps=steps,
        after=_filled(_text(after), values, after) if after.is_file() else "",
    )
    raw.end()
    unknown = [code for code in lab.objectives if code not in COMPETENCIES]
    if unknown:
        raise UsageError(f"there is no competency {unknown[0]!r}", where=str(path))
    return lab


class _Reader:
    """Takes the parts of a mapping one by one, and complains about what is wrong or left."""

    def __init__(self, raw: dict[str, Any], path: Path) -> None:
        self.raw, self.path = dict(raw), path

    def take(self, name: str, kind: Any, default: Any = ...) -> Any:
        if name not in self.raw and default is ...:
            raise UsageError(f"`{name}` is missing", where=str(self.path))
        value = self.raw.pop(name, default)
        if value is not default and not isinstance(value, kind):
            raise UsageError(
                f"`{name}` is {value!r}, which is of the wrong type", where=str(self.path)
            )
        return value

    def end(self) -> None:
        if self.raw:
            raise UsageError(
                f"nothing here is called {next(iter(self.raw))!r}", where=str(self.path)
            )


def _step(path: Path, values: Mapping[str, Any]) -> Step:
    text = _filled(_COMMENT.sub("", _text(path)), values, path)
    head, text = _split(text, path)
    raw = _Reader(head, path)
    title, body = _titled(text, path)
    found = Step(
        id=path.stem.partition("-")[2],
        title=title,
        text=body,
        checks=tuple(_check(each, path) for each in raw.take("checks", list, [])),
        hints=tuple(str(each or "").strip() for each in raw.take("hints", list, [])),
        predict=_prediction(raw.take("predict", dict, None), path),
        question=_question(raw.take("question", dict, None), path),
    )
    raw.end()
    if not found.checks and found.question is None:
        raise UsageError("a step needs a check or a question", where=str(path))
    return found


def _check(raw: Any, path: Path) -> CheckSpec:
    if isinstance(raw, str):
        return CheckSpec(raw)
    if isinstance(raw, dict) and len(raw) == 1:
        ((name, arguments),) = raw.items()
        if arguments is None or isinstance(arguments, dict):
            return CheckSpec(name, arguments or {})
    raise UsageError(
        f"{raw!r} is no check", where=str(path), fix="write `- in_sync: {arms: [pull]}`"
    )


def _prediction(raw: dict[str, Any] | None, path: Path) -> Prediction | None:
    if raw is None:
        return None
    reader = _Reader(raw, path)
    found = Prediction(
        reader.take("text", str).strip(),
        tuple(map(str, reader.take("choices", list, []))),
        reader.take("measured", str),
        reader.take("explain", str, "").strip(),
    )
    reader.end()
    return found


def _question(raw: dict[str, Any] | None, path: Path) -> Question | None:
    if raw is None:
        return None
    reader = _Reader(raw, path)
    found = Question(
        text=reader.take("text", str).strip(),
        answer=reader.take("answer", str),
        choices=tuple(map(str, reader.take("choices", list, []))),
        tolerance=float(reader.take("tolerance", (int, float), 0)),
        where=reader.take("where", str, "").strip(),
        explain=reader.take("explain", str, "").strip(),
    )
    reader.end()
    return found


def _drawn(raw: Mapping[str, Any], random: Random, path: Path) -> dict[str, Any]:
    """One value for each variable: chosen from a list, or the value that stands there."""
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if isinstance(value, list) and value:
            values[name] = random.choice(value)
        elif isinstance(value, str | int | float):
            values[name] = value
        else:
            raise UsageError(f"the variable {name!r} is no value and no list", where=str(path))
    return values


def _filled(text: str, values: Mapping[str, Any], path: Path) -> str:
    """The text with `{{ name }}` replaced by what was drawn."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UsageError(f"nothing is called {match[0]}", where=str(path), fix="see `vars`")
        return str(values[match[1]])

    return _VARIABLE.sub(value, text)


def _split(text: str, path: Path) -> tuple[dict[str, Any], str]:
    """The mapping between `---` lines at the top of a file, and the text below it."""
    if not text.startswith("---\n"):
        return {}, text
    head, end, rest = text[4:].partition("\n---\n")
    if not end:
        raise UsageError("the line `---` that ends the front matter is missing", where=str(path))
    return _mapping(head, path), rest


def _titled(text: str, path: Path) -> tuple[str, str]:
    first, _, rest = text.strip().partition("\n")
    if not first.startswith("# "):
        raise UsageError("the text must begin with a heading `# …`", where=str(path))
    return first[2:].strip(), rest.strip() + "\n"


def _mapping(text: str, path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"this is no YAML: {error}", where=str(path)) from error
    if not isinstance(found, dict):
        raise UsageError("this is no mapping of names to values", where=str(path))
    return found


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if len(content) > LARGEST:
            raise UsageError(f"this file has more than {LARGEST} bytes", where=str(path))
        return content.decode()
    except FileNotFoundError:
        raise UsageError("this file is missing", where=str(path)) from None
    except UnicodeDecodeError:
        raise UsageError("this file is not UTF-8 text", where=str(path)) from None


def _number(folder: Path) -> tuple[int, str]:
    return int(folder.name.partition("-")[0]), folder.name


def terms(labs: Sequence[Lab]) -> dict[str, Lab]:
    """Which lab introduces which term."""
    return {term: lab for lab in labs for term in lab.introduces}
