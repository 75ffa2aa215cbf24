"""Every command that a page shows is one that the program understands."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_lab import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\.venv/bin/)?gitops-lab [^`]+)`")


def commands(page: Path) -> Iterator[str]:
    """The calls of gitops-lab on a page, in blocks and in running text."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|[$(&|] *)((?:\.venv/bin/)?gitops-lab .*)", line)
            if found:
                yield found[1]
    yield from (found for found in INLINE.findall(text) if not re.search("…| needs ", found))


def words(command: str) -> list[str]:
    """The arguments of a call; what a shell does with the rest of the line is left out."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found = []
    for word in lexer:
        if word[:1] in ";<>|&)":
            break
        found.append(word)
    return found[1:]


def test_pages_show_commands() -> None:
    assert sum(1 for page in PAGES for _ in commands(page)) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_is_understood(page: Path) -> None:
    parser = cli.parser()
    wrong = []
    for command in commands(page):
        # A name in capitals, or in brackets, stands for one that the reader chooses.
        said = re.sub(r"\[[^]]*\]", "", command)
        complaints = io.StringIO()
        try:
            with contextlib.redirect_stderr(complaints), contextlib.redirect_stdout(io.StringIO()):
                parser.parse_args(words(said))
        except SystemExit as ended:
            if ended.code:
                wrong.append(f"{command}: {complaints.getvalue().splitlines()[-1]}")
    assert not wrong, "\n".join(wrong)
