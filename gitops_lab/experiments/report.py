"""The report: one HTML file that holds everything, to be mailed, projected or printed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gitops_lab.experiments.table import seconds

if TYPE_CHECKING:
    from gitops_lab.experiments.demo import Demo


def render(demo: Demo, picture: bytes) -> str:
    """The report of a demo, with its picture inside."""
    environment = Environment(
        loader=PackageLoader("gitops_lab.experiments", "."),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = seconds
    arms = {
        arm: [e for e in demo.journal if e.actor == arm and e.event != "observed"]
        for arm in demo.arms
    }
    return environment.get_template("report.html").render(
        demo=demo,
        results=demo.results,
        rows=demo.measurement.rows,
        picture=base64.b64encode(picture).decode(),
        traces=arms,
    )
