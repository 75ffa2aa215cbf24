"""What the documentation shows is made when it is built: by the code itself, never typed in.

A page asks for a piece with `<!-- generated: name -->`; the names are those of `PIECES`.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mkdocs.structure.files import File, Files

from docs import api, course, graph, measured, notebooks
from gitops_lab import cli, deployers
from gitops_lab.deployers.policy import Policy
from gitops_lab.experiments import demo, table
from gitops_lab.experiments.measure import Row
from gitops_lab.sandbox import ARMS

MARK = re.compile(r"<!-- generated: ([a-z-]+) -->(?:\n\*Made when the site is built[^\n]*)?")
"""Where a page asks for a piece; the sentence behind it is for those who read the file itself."""

SEED = 1


def on_files(files: Files, *, config: Any) -> Files:
    """Add the notebooks as they look after a run, and the files that the demo writes."""
    for path in notebooks.paths():
        page, pictures = notebooks.to_markdown(notebooks.execute(path), path.stem)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    files.append(File.generated(config, "architecture.png", content=graph.picture()))
    with tempfile.TemporaryDirectory() as folder:
        for written in told().write(Path(folder)):
            content = written.read_bytes()
            files.append(File.generated(config, f"demo/{written.name}", content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Put each generated piece in its place, and link the words of the glossary.

    A piece that does not exist stops the build.
    """
    whole = MARK.sub(lambda mark: PIECES[mark[1]](), markdown)
    top_level = "/" not in page.file.src_uri
    return course.link_words(whole) if top_level and page.file.name != "glossary" else whole


@cache
def told() -> demo.Demo:
    """The demo's story, told once a build."""
    return demo.run(seed=SEED)


def demo_table() -> str:
    """How each chapter went, a column for each arm."""
    measured = told().measurement
    arms = list(measured.spans)
    cells = {(row.chapter, row.arm): " · ".join(how_it_went(row)) for row in measured.rows}
    rows = [[title, *(cells[title, arm] for arm in arms)] for title, _, _ in measured.chapters]
    return markdown_table(["step", *arms], rows)


def how_it_went(row: Row) -> Iterator[str]:
    """What is to be said of one arm in one chapter."""
    if row.applied_after is not None:
        yield f"applied after {table.seconds(row.applied_after)}"
    elif not row.in_sync:
        yield "**not as Git says**"
    if row.healthy_after is not None:
        yield f"healthy after {table.seconds(row.healthy_after)}"
    elif row.health != "Healthy":
        yield f"**{row.health}**"
    if row.drift_seconds:
        yield f"drifted for {table.seconds(row.drift_seconds)}"
    if row.orphans:
        yield f"orphans: {', '.join(row.orphans)}"


def arms() -> str:
    """The dials of the standard arms, as far as they differ."""
    policies = {name: asdict(arm.policy) for name, arm in ARMS.items()}
    dials = [
        dial
        for dial in next(iter(policies.values()))
        if len({policy[dial] for policy in policies.values()}) > 1
    ]
    rows = [
        [f"`{name}`", ARMS[name].deployer.__name__, *(as_word(policy[d]) for d in dials)]
        for name, policy in policies.items()
    ]
    return markdown_table(("arm", "deployer", *(f"`{dial}`" for dial in dials)), rows)


def two_deployers() -> str:
    """The difference between the two deployers, as `diff -u` prints it, with nothing left out."""
    folder = Path(deployers.__path__[0])
    push, pull = ((folder / name).read_text().splitlines() for name in ("push.py", "pull.py"))
    everything = max(len(push), len(pull))
    lines = difflib.unified_diff(push, pull, "push.py", "pull.py", n=everything, lineterm="")
    return "```diff\n" + "\n".join(lines) + "\n```"


def usage() -> str:
    """What `gitops-lab demo --help` prints."""
    printed = io.StringIO()
    with (
        patch.dict(os.environ, {"COLUMNS": "88", "NO_COLOR": "1"}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        cli.main(["demo", "--help"])
    return f"```text\n{printed.getvalue().rstrip()}\n```"


def commands() -> str:
    """What `-h` of every command prints."""
    parser = cli.parser()
    parts = []
    for words, each in _all_commands(parser, ()):
        with patch.dict(os.environ, {"COLUMNS": "88", "NO_COLOR": "1"}):
            parts.append(f"## {' '.join(words)}\n\n```text\n{each.format_help().rstrip()}\n```")
    return "\n\n".join(parts)


def _all_commands(
    parser: argparse.ArgumentParser, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command that has no commands of its own, with the words that call it."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield words, parser
    for action in below:
        for name, each in action.choices.items():
            yield from _all_commands(each, (*words, name))


def dials() -> str:
    """Each setting of a deployer, its default, and what it does, from the class itself."""
    said = dict(
        re.findall(r"^ {8}(\w+): (.+?)(?=\n {8}\w+:|\n\n|\Z)", Policy.__doc__ or "", re.M | re.S)
    )
    rows = [
        [f"`{field.name}`", as_word(field.default), " ".join(said.get(field.name, "").split())]
        for field in fields(Policy)
    ]
    return markdown_table(("setting", "default", "what it does"), rows)


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_word(value: object) -> str:
    """A dial's position as people say it; a span of time in seconds."""
    words = {True: "yes", False: "no", None: "never"}
    if isinstance(value, bool | None):
        return words[value]
    return f"{value:g}" if isinstance(value, int | float) else str(value)


PIECES: dict[str, Callable[[], str]] = {
    "api": api.reference,
    "arms": arms,
    "axes": lambda: markdown_table(*measured.axes()),
    "cgoa": course.exam_map,
    "checks": course.checks,
    "cli": commands,
    "demo-table": demo_table,
    "dials": dials,
    "drift-grid": lambda: markdown_table(*measured.drift_grid()),
    "experiments": measured.experiments,
    "glossary": course.glossary,
    "journal-events": api.journal_events,
    "labs": course.labs,
    "notebooks": course.notebook_list,
    "orphans": lambda: markdown_table(*measured.orphans(told().measurement)),
    "principles": lambda: markdown_table(*measured.principles()),
    "questions": course.questions,
    "two-deployers": two_deployers,
    "usage": usage,
}
