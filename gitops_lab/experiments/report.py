"""The report: one HTML file that holds everything, to be mailed, projected or printed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gitops_lab.experiments.measure import Measurement
from gitops_lab.experiments.table import seconds
from gitops_lab.journal import Entry


def render(
    results: Mapping[str, Any], measurement: Measurement, entries: Iterable[Entry], picture: bytes
) -> str:
    """The report of a story.

    Args:
        results: what `results.json` holds.
        measurement: the story in numbers.
        entries: the journal, for the why-traces.
        picture: the timeline, as PNG.
    """
    environment = Environment(
        loader=PackageLoader("gitops_lab.experiments", "."),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = seconds
    told = [entry for entry in entries if entry.event != "observed"]
    return environment.get_template("report.html").render(
        results=results,
        rows=measurement.rows,
        picture=base64.b64encode(picture).decode(),
        traces={arm: [e for e in told if e.arm == arm] for arm in results["arms"]},
    )
