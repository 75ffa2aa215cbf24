"""What a person reads on the terminal after an experiment: a table with the arms as columns."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gitops_lab.experiments.experiment import Result, Value


def show(result: Result) -> None:
    """Print the question, the table and the verdict."""
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    experiment = result.experiment
    for text in (f"{experiment.name}: {experiment.question}", f"Expected: {experiment.hypothesis}"):
        console.print(Text(text))
    console.print(build(result))
    console.print(Text(f"Verdict: {result.verdict}", style="bold"))
    console.print(Text(f"Left out: {experiment.leaves_out}"))
    if len(result.seeds) > 1:
        console.print(Text(f"{len(result.seeds)} runs: median (least … most), or how many of them"))


def build(result: Result) -> Table:
    """A row for each measure, a column for each arm."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for arm in result.arms:
        table.add_column(Text(arm), justify="right")
    for measure in result.measures:
        values = (Text(in_words(result.values(arm, measure))) for arm in result.arms)
        table.add_row(Text(measure), *values)
    return table


def in_words(values: Sequence[Value]) -> str:
    """What was measured in all runs, for a person."""
    if len(set(values)) == 1:
        return _word(values[0])
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        return f"{median(numbers):g} ({min(numbers):g} … {max(numbers):g})"
    counts = {value: values.count(value) for value in values}
    return ", ".join(f"{_word(value)}: {count}" for value, count in counts.items())


def _word(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"
