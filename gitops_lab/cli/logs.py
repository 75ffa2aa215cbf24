"""How `gitops-lab logs` shows the journal: entries in columns, folded if need be."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator

from gitops_lab.journal import Entry
from gitops_lab.state import StateFolder

LOOK = 0.2
"""Time between two looks for what is new, in seconds."""

NARROWEST = 40
"""The least width that is worth folding for, in columns."""


def entries(folder: StateFolder, *, follow: bool) -> Iterator[Entry | str]:
    """The journal of a sandbox; with `follow`, until its process ends.

    Instead of an entry that is damaged comes a sentence that says so.
    """
    while follow and not folder.journal.exists() and folder.is_alive:
        time.sleep(LOOK)
    if not folder.journal.exists():
        return
    with folder.journal.open(encoding="utf-8", errors="backslashreplace") as file:
        rest = ""
        while True:
            is_over = not follow or not folder.is_alive  # before the last look: nothing is missed
            *whole, rest = (rest + file.read()).split("\n")
            yield from (_entry(line, folder) for line in whole)
            if is_over:
                return
            time.sleep(LOOK)


def _entry(line: str, folder: StateFolder) -> Entry | str:
    try:
        return Entry.from_json(line)
    except (ValueError, TypeError, LookupError):
        return f"(a line of {folder.journal} is damaged: {line[:60]!r})"


def laid_out(entry: Entry | str, actors: int, width: int | None) -> str:
    """An entry for people.

    Args:
        entry: what happened, or a sentence.
        actors: how wide the longest name of an actor is, in columns.
        width: how wide the terminal is, in columns; None where no terminal is, but perhaps a
            program that wants one line for each entry.
    """
    line = str(entry)
    if width is None or isinstance(entry, str):
        return line
    time, actor, what = line.split(" ", 2)
    head = f"{time} {actor:<{actors}} "
    return textwrap.fill(
        what,
        max(width, NARROWEST),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
        break_long_words=False,
    )
