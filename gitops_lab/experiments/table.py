"""What a person reads on the terminal: progress while the story runs, and the table after it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Self

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
        self._status = self._console.status("making two worlds")

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


def show(measurement: Measurement) -> None:
    """Print the table of a story."""
    Console(width=None if sys.stdout.isatty() else 150).print(build(measurement))


def build(measurement: Measurement) -> Table:
    """The table of a story: for each chapter and arm, how it ended and how long that took."""
    table = Table(title="One stream of commits, told by arm", title_justify="left", expand=True)
    for name in ("step", "arm"):
        table.add_column(name, no_wrap=True)
    for name in ("in sync", "healthy"):
        table.add_column(name)
    for name in ("applied", "healthy", "drift", "orphans"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", ratio=1, no_wrap=True)
    chapter = ""
    for row in measurement.rows:
        if chapter and row.chapter != chapter:
            table.add_section()
        table.add_row(*cells(row, repeated=row.chapter == chapter))
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
