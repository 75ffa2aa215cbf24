"""`gitops-lab logs`: the journal, entries in columns, folded if need be."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from gitops_lab.cli.escape import escaped
from gitops_lab.errors import UsageError
from gitops_lab.journal import Entry
from gitops_lab.state import StateFolder

LOOK = 0.2
"""Time between two looks for what is new, in seconds."""

NARROWEST = 40
"""The least width that is worth folding for, in columns."""


SECONDS = {"s": 1, "m": 60, "h": 3600}


def add(commands: Any) -> None:
    """Add this command to the command line.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    logs = commands.add_parser(
        "logs",
        help="print what happened, by whom and why",
        description="Print the journal of a sandbox. Example: gitops-lab logs --arm pull "
        "--since 5m",
    )
    logs.add_argument("--name", default="default", help="which sandbox (default: default)")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    logs.add_argument("--arm", metavar="ARM", help="only what this arm did, or `forge`")
    logs.add_argument(
        "--since", metavar="TIME", help="only what is younger: 30s, 5m, 2h of the sandbox's time"
    )
    logs.add_argument("--tail", type=int, metavar="N", help="only the last N entries so far")
    logs.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """`gitops-lab logs`."""
    folder = StateFolder(options.name)
    if not options.follow and folder.journal.exists():
        is_alive = False  # what there is, is all we want; a crashed sandbox has a journal, too
    else:
        folder.description()
        is_alive = True
    arms = tuple((folder.settings().get("setup") or {}).get("arms", ()))
    if options.arm and options.arm not in (*arms, "forge"):
        raise UsageError(
            f"there is no arm {options.arm!r}", fix=f"choose from {', '.join((*arms, 'forge'))}"
        )
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    widest = max(map(len, (*arms, "forge")))
    try:
        for entry in chosen(folder, options, follow=is_alive):
            print(escaped(laid_out(entry, widest, width)), flush=options.follow)
    except KeyboardInterrupt:  # how people stop following
        return 130
    return 0


def chosen(
    folder: StateFolder, options: argparse.Namespace, *, follow: bool
) -> Iterator[Entry | str]:
    """The entries that the options ask for.

    Raises:
        UsageError: a time that is none.
    """
    so_far = [*entries(folder, follow=False)] if options.tail or options.since else []
    newest = max((entry.at for entry in so_far if isinstance(entry, Entry)), default=0.0)
    since = newest - seconds(options.since) if options.since else float("-inf")

    def wanted(found: Iterable[Entry | str]) -> Iterator[Entry | str]:
        for entry in found:
            if isinstance(entry, str) or (entry.at >= since and options.arm in (None, entry.actor)):
                yield entry

    if options.tail is None:
        return wanted(entries(folder, follow=follow))
    last = deque(wanted(so_far), maxlen=max(options.tail, 0))
    if not follow:
        return iter(last)
    later = entries(folder, follow=True)
    for _ in so_far:
        next(later)
    return chain(last, wanted(later))


def seconds(text: str) -> float:
    """A span of time such as `30s`, `5m` or `2h`, in seconds.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if found is None:
        raise UsageError(f"{text!r} is no span of time", fix="write 30s, 5m or 2h")
    return float(found[1]) * SECONDS[found[2]]


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
