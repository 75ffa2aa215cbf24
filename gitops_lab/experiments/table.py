"""What a person reads on the terminal: progress while the story runs, and the table after it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gitops_lab.experiments.measure import Measurement, Row


class Progress(AbstractContextManager["Progress"]):
    """Says what is going on, on standard error, so that standard output stays clean.

    Args:
        quiet: say nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._status = self._console.status("making the world")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def show(self, what: str) -> None:
        """Say what is going on now."""
        if self._console.is_terminal:
            self._status.update(what)
        else:
            self._console.print(f"… {what}")

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


NARROW = 130
"""Columns below which the reasons stand under the table instead of in it."""


def show(measurement: Measurement) -> None:
    """Print the table of a story, and where to go on from it."""
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    with_why = console.width >= NARROW
    console.print(build(measurement, with_why=with_why))
    if not with_why:
        for row in measurement.rows:
            console.print(f"{row.chapter}, {row.arm}: {row.why}", overflow="fold", markup=False)


def build(measurement: Measurement, *, with_why: bool = True) -> Table:
    """The table of a story: for each chapter and arm, how it ended and how long that took."""
    table = Table(box=SIMPLE_HEAD, expand=with_why, pad_edge=False, collapse_padding=True)
    for name in ("step", "arm", "in\nsync", "healthy"):
        table.add_column(name, no_wrap=True)
    for name in ("to be\napplied", "to be\nhealthy", "drift", "orphans"):
        table.add_column(name, justify="right", no_wrap=True)
    if with_why:
        table.add_column("why", ratio=1, no_wrap=True)
    chapter = ""
    for row in measurement.rows:
        if chapter and row.chapter != chapter:
            table.add_section()
        table.add_row(*cells(row, repeated=row.chapter == chapter)[: len(table.columns)])
        chapter = row.chapter
    return table


def cells(row: Row, *, repeated: bool) -> tuple[Text, ...]:
    """One row's cells, as people read them; a repeated chapter is left blank."""
    return (
        Text("" if repeated else row.chapter, style="bold"),
        Text(row.arm),
        Text("yes") if row.in_sync else Text("NO", style="bold red"),
        Text("yes") if row.health == "Healthy" else Text(row.health, style="bold red"),
        Text(seconds(row.applied_after)),
        Text(seconds(row.healthy_after)),
        Text(seconds(row.drift_seconds), style="bold red" if row.drift_seconds else ""),
        Text(str(len(row.orphans)), style="bold red" if row.orphans else ""),
        Text(row.why, overflow="ellipsis"),
    )


def seconds(value: float | None) -> str:
    """A span of time, in whole seconds; a dash for what did not come about."""
    return "–" if value is None else f"{value:.0f} s"
