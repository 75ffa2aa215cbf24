"""How `gitops-lab status` shows what is true of each arm, and what its deployer does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gitops_lab.cli.escape import on_one_line
from gitops_lab.state import StateFolder

CLEAR = "\x1b[H\x1b[J"
"""What has a terminal begin again at its top (ECMA-48, CUP and ED)."""


def lines(status: Mapping[str, Any]) -> Iterator[str]:
    """The status of a sandbox, line by line.

    Args:
        status: what its process answers.
    """
    for arm in status["arms"]:
        yield on_one_line(arm["line"])
        if arm["commit"]:
            yield f"    commit   {on_one_line(arm['commit'])}"
        wait = "" if arm["next_look"] is None else max(arm["next_look"] - status["now"], 0.0)
        countdown = f" (in {wait:.0f} s)" if wait != "" and "looks at Git" in arm["doing"] else ""
        yield f"    now      {on_one_line(arm['doing'])}{countdown}"
        if arm.get("orphans"):
            yield f"    orphans  {on_one_line(', '.join(arm['orphans']))}"


def watch(folder: StateFolder) -> None:
    """Show the status whenever it changes, until the sandbox ends.

    Raises:
        LabError: the sandbox does not run.
    """
    for event, status in folder.events(since=sys.maxsize):
        if event == "status":
            shown = "\n".join([*lines(status), *(f"Note: {each}" for each in status["troubles"])])
            print(f"{CLEAR}{shown}" if sys.stdout.isatty() else f"{shown}\n", flush=True)
