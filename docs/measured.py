"""Tables of the site that are experiments: each is measured again when the site is built."""

from __future__ import annotations

from gitops_lab.experiments import catalogue
from gitops_lab.experiments import principles as four
from gitops_lab.experiments.measure import Measurement
from gitops_lab.lesson import deleting, fields
from gitops_lab.sandbox import ARMS

Table = tuple[list[str], list[list[str]]]
"""Heads and rows."""

YES = {True: "✓ yes", False: "✗ **no**"}


def axes() -> Table:
    """How each standard arm answers the three questions, from its settings and its code."""
    heads = ["arm", "discovery", "connection", "loop"]
    rows = []
    for name, arm in ARMS.items():
        policy = arm.policy
        ways = ["is told"] if policy.on_event else []
        if policy.interval is not None:
            ways.append(f"looks every {policy.interval:g} s")
        inside = arm.deployer.credentials.inside
        connection = "reaches out, from inside" if inside else "reaches in, from outside"
        loop = "undoes drift" if policy.self_heal else "compares, and leaves drift"
        if policy.interval is None:
            loop = "once per event"
        rows.append([f"`{name}`", " and ".join(ways), connection, loop])
    return heads, rows


def principles() -> Table:
    """Which arm meets which principle."""
    heads = ["arm", "declarative", "versioned", "pulled", "reconciled"]
    rows = [
        [f"`{v.arm}`", YES[v.declarative], YES[v.versioned], YES[v.pulled], YES[v.reconciled]]
        for v in four.measure()
    ]
    return heads, rows


def drift_grid() -> Table:
    """What becomes of four edits by hand in each arm."""
    grid = fields.drift_grid(*ARMS)
    rows = [[edit, *(grid.word(edit, arm) for arm in grid.arms)] for edit in grid.undone]
    return ["edit", *(f"`{arm}`" for arm in grid.arms)], rows


def orphans(measurement: Measurement) -> Table:
    """What is left of a deleted file in each arm of the demo."""
    rows = [
        [f"`{row.arm}`", str(len(row.orphans)), ", ".join(row.orphans) or "none"]
        for row in measurement.rows
        if row.chapter == "file deleted"
    ]
    return ["arm", "orphans", "which"], rows


def experiments() -> str:
    """Each experiment with its question, what was expected, its table and its verdict."""
    parts = []
    for name, each in catalogue.EXPERIMENTS.items():
        shown = deleting.experiment(name)
        parts.append(
            f"## {name}\n\n**{each.question}**\n\nExpected: {each.hypothesis}\n\n"
            f"```text\n{shown}\n```\n\nLeft out: {each.leaves_out}"
        )
    return "\n\n".join(parts)
