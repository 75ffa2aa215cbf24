"""Measure cases, and say under which conditions."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

PACKAGES = ("gitops-lab", "GitPython", "kubernetes-validate", "matplotlib", "PyYAML", "rich")


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Args:
        what: what was measured.
        values: seconds, or another unit, one each time.
        unit: how the number is written: `s`, `ms`, `per s`, or `×` for a ratio.
        limit: the most (`per s`: the least) that we want to see; None if nothing is promised.
    """

    what: str
    values: tuple[float, ...]
    unit: str
    limit: float | None = None

    @property
    def median(self) -> float:
        """The middle one of the values: what usually happens."""
        return statistics.median(self.values)

    @property
    def is_kept(self) -> bool:
        """Whether the median keeps the limit."""
        if self.limit is None:
            return True
        return self.median >= self.limit if self.unit == "per s" else self.median <= self.limit

    def row(self) -> tuple[str, ...]:
        """The cells of the table: what, median, worst and best, limit, kept."""
        spread = f"{self._text(min(self.values))} to {self._text(max(self.values))}"
        bound = "at least" if self.unit == "per s" else "at most"
        limit = "" if self.limit is None else f"{bound} {self._text(self.limit)} {self.unit}"
        verdict = "" if self.limit is None else "yes" if self.is_kept else "**no**"
        return (self.what, f"{self._text(self.median)} {self.unit}", spread, limit, verdict)

    def _text(self, value: float) -> str:
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def seconds(work: Callable[[], object]) -> float:
    """Wall time that one call takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def each(work: Callable[[], object], *, times: int, rounds: int) -> tuple[float, ...]:
    """Seconds per call, averaged over `times` calls, once a round; a first round is thrown away."""

    def one_round() -> float:
        began = perf_counter()
        for _ in range(times):
            work()
        return (perf_counter() - began) / times

    one_round()
    return tuple(one_round() for _ in range(rounds))


def conditions() -> str:
    """The machine and the versions that the figures belong to."""
    lines = [
        f"- {_processor()}, {os.cpu_count()} logical processors",
        f"- {platform.system()} {platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}",
        "- " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    ]
    return "\n".join(lines)


def as_markdown(figures: Iterable[Figure]) -> str:
    """The figures as a table."""
    heads = ("what", "median", "from … to", "limit", "kept")
    lines = (heads, ("---", "--:", "--:", "---", "---"), *(figure.row() for figure in figures))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
