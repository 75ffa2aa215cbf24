"""The picture: one timeline for all arms, to be read from the back row and without colour sight.

Each state has a colour of the Okabe-Ito palette and a hatch of its own, so it survives greyscale.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gitops_lab.experiments.measure import Measurement, Span


class Look(NamedTuple):
    """How a state is drawn."""

    label: str
    colour: str
    hatch: str


FINE = Look("as Git says, healthy", "#009E73", "")
ROLLING = Look("as Git says, not healthy (yet)", "#56B4E9", "")
BEHIND = Look("Git moved, cluster did not", "#E69F00", "//")
DRIFTED = Look("drifted: cluster moved, Git did not", "#D55E00", "xx")
LOOKS = (FINE, ROLLING, BEHIND, DRIFTED)


def look(span: Span) -> Look:
    """How a span of an arm's life is drawn."""
    if span.drifted:
        return DRIFTED
    if not span.in_sync:
        return BEHIND
    return FINE if span.health == "Healthy" else ROLLING


TITLE = "The same commits, deployed by push and by pull"


def timeline(measurement: Measurement, *, time: str = "virtual time", title: str = TITLE) -> Figure:
    """The timeline of a whole story.

    Args:
        measurement: the story in numbers.
        time: whose minutes these are.
        title: stands above it.
    """
    arms = list(measurement.spans)
    with_extra = any(span.extra for spans in measurement.spans.values() for span in spans)
    figure = Figure(figsize=(16, 3.6 + 1.15 * len(arms)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for row, arm in enumerate(arms):
        _draw_arm(axes, measurement, arm, row)
    _draw_chapters(axes, measurement, len(arms))
    axes.set_ylim(len(arms) - 0.4, -1.25)
    axes.set_xlim(0, measurement.end / 60)
    axes.set_yticks(range(len(arms)), arms, fontsize=20, fontweight="bold")
    axes.set_xticks([start / 60 for _, start, _ in measurement.chapters] + [measurement.end / 60])
    axes.tick_params(axis="x", labelsize=16)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"minutes of {time}", fontsize=16)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(title, fontsize=26 if len(title) < 60 else 19, loc="left", pad=14)
    figure.legend(
        handles=_legend(with_extra=with_extra),
        loc="outside lower center",
        ncols=4,
        fontsize=16,
        frameon=False,
    )
    return figure


def save(figure: Figure, path: Path | BinaryIO, *, source: str = "") -> None:
    """Write a picture as PNG; the same figure gives the same bytes.

    Args:
        figure: what to write.
        path: where to.
        source: what it was drawn from, to be kept in the file.
    """
    figure.savefig(path, format="png", metadata={"Software": None, "Source": source})


ORPHANS = "#CC79A7"
EXTRA = "#0072B2"
INK = "#222222"
BAR = 0.52
PAPER = {"boxstyle": "round,pad=0.2", "facecolor": "white", "linewidth": 0}


def _draw_arm(axes: Axes, measurement: Measurement, arm: str, row: int) -> None:
    for span in measurement.spans[arm]:
        style = look(span)
        axes.barh(
            row, span.seconds / 60, left=span.start / 60, height=BAR,
            color=style.colour, hatch=style.hatch, edgecolor="white", linewidth=0,
        )  # fmt: skip
        if span.orphans:
            axes.barh(
                row + BAR / 2 + 0.07, span.seconds / 60, left=span.start / 60, height=0.1,
                color=ORPHANS, linewidth=0,
            )  # fmt: skip
        if span.extra:
            axes.barh(
                row - BAR / 2 - 0.07, span.seconds / 60, left=span.start / 60, height=0.1,
                color=EXTRA, linewidth=0,
            )  # fmt: skip
    down = None
    for mark in measurement.marks.get(arm, ()):
        if mark.what == "edited":
            axes.plot(mark.at / 60, row, marker="X", markersize=17, color=INK, mec="white", mew=1.5)
        elif mark.what == "missed":
            axes.annotate(
                "event missed", (mark.at / 60, row), (6, 0), textcoords="offset points",
                fontsize=15, va="center", color=INK, bbox=PAPER,
            )  # fmt: skip
        elif mark.what == "outage":
            down = mark.at
        elif mark.what == "restored" and down is not None:
            axes.plot(
                [down / 60, mark.at / 60], [row - BAR / 2 - 0.06] * 2,
                color=INK, linewidth=5, solid_capstyle="butt",
            )  # fmt: skip
            down = None


def _draw_chapters(axes: Axes, measurement: Measurement, arms: int) -> None:
    for number, (title, start, end) in enumerate(measurement.chapters):
        if number % 2 == 0:
            axes.axvspan(start / 60, end / 60, color="#F2F2F2", zorder=0, linewidth=0)
        axes.text(
            (start + end) / 120, -1.2, title.replace(" ", "\n", 1),
            ha="center", va="top", fontsize=17, color=INK,
        )  # fmt: skip
    for mark in measurement.marks.get("forge", ()):
        axes.plot([mark.at / 60] * 2, [-0.5, arms - 0.4], color=INK, linewidth=1.5, zorder=3)
        axes.plot(mark.at / 60, -0.5, marker="v", markersize=13, color=INK, clip_on=False)


def _legend(*, with_extra: bool) -> list[Patch | Line2D]:
    states = [
        Patch(facecolor=s.colour, hatch=s.hatch, edgecolor="white", label=s.label) for s in LOOKS
    ]
    return [
        *states,
        Line2D([], [], marker="v", color=INK, linewidth=1.5, markersize=12, label="commit"),
        Line2D([], [], marker="X", color="none", mfc=INK, markersize=14, label="edit by hand"),
        Line2D([], [], color=INK, linewidth=5, label="deployer down"),
        Patch(facecolor=ORPHANS, label="orphans: not in Git any more"),
        *([Patch(facecolor=EXTRA, label="fields that Git does not declare")] if with_extra else []),
    ]
