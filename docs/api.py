"""The reference of the Python API, made from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import kubesim
from gitops_lab import journal, lesson, sandbox
from gitops_lab.worlds.world import World

CLASSES: tuple[type, ...] = (
    sandbox.Sandbox,
    World,
    sandbox.ArmDescription,
    journal.Entry,
    lesson.Chapters,
    kubesim.Cluster,
)


def reference() -> str:
    """Each class with its public methods, in the order of the code."""
    return "\n\n".join(part for each in CLASSES for part in _class(each))


def journal_events() -> str:
    """What the journal's module says of its events."""
    text = inspect.getdoc(journal) or ""
    return text.partition("\n\n")[2]


def _class(each: type) -> Iterator[str]:
    yield f"## `{each.__module__}.{each.__name__}`"
    yield f"```python\n{each.__name__}{_signature(each)}\n```"
    yield _text(each)
    for name, member in vars(each).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        function = member.fget if isinstance(member, property) else member
        assert function is not None, name
        if not inspect.getdoc(function):
            continue
        shown = name if isinstance(member, property) else f"{name}{_signature(function)}"
        yield f"### `{name}`"
        yield f"```python\n{shown}\n```"
        yield _text(function)


def _signature(function: object) -> str:
    assert callable(function)
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))
    return re.sub(r"\bself(, )?|\b(?:gitops_lab|kubesim|collections|typing)(?:\.\w+)*\.", "", text)


def _text(function: object) -> str:
    """A docstring as Markdown: its sections become lists."""
    lines = []
    for line in (inspect.getdoc(function) or "").splitlines():
        if re.fullmatch(r"(Args|Returns|Raises|Attributes|Yields):", line):
            lines += ["", f"**{line[:-1]}**", ""]
        elif found := re.match(r"^    (\w+): (.*)", line):
            lines.append(f"- `{found[1]}`: {found[2]}")
        else:
            lines.append(line if not line.startswith("    ") else f"  {line.strip()}")
    return "\n".join(lines)
