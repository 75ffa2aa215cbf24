"""The skeleton of a new lab: complete enough to be read, and `lab verify` says what is missing."""

from __future__ import annotations

import re
from pathlib import Path

from gitops_lab.errors import UsageError

FILES = {
    "lab.yaml": """\
title: TITLE
minutes: 10
arms: [push-on-commit, pull]
needs: []
introduces: []
objectives:
  T4: say what the learner can do afterwards
""",
    "start/repository/settings.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  colour: blue
""",
    "steps/10-change.md": """\
---
checks:
  - pushed
  - live: {object: ConfigMap/settings, path: data.colour, equals: green}
hints:
  - A nudge, which makes them think.
  - A pointer, which says where.
  - "The command: `git push origin HEAD:main`"
---
# Change the colour

Say what to do, in short sentences, and show the commands.
Here: make the colour green, by a commit.
""",
    "after.md": """\
## What the simulation leaves out

Say it.

## On your own

A task without guidance, if you like.
""",
    "checks.py": '''\
"""What this lab checks, measures and asks."""
''',
    "solution.py": '''\
"""How this lab is done: one function a step, named like its file."""

from __future__ import annotations

from gitops_lab.labs.checks import Attempt
from gitops_lab.labs.world import replace


def change(attempt: Attempt) -> None:
    """Make the colour green, in Git."""
    replace(attempt.world, "Make it green", "settings.yaml", "blue", "green")
''',
}
"""The files of a skeleton. `design.md` and a bypass are missing: `lab verify` asks for them."""


def make(folder: Path) -> None:
    """Write the skeleton of a lab.

    Args:
        folder: the lab's; named like `30-mine`, and not there yet.

    Raises:
        UsageError: the name is of another form, or the folder exists.
    """
    named = re.fullmatch(r"\d+-([a-z0-9][a-z0-9-]*)", folder.name)
    if named is None:
        raise UsageError(f"{folder.name!r} is no name of a lab", fix="use one like 30-mine")
    if folder.exists():
        raise UsageError("this exists already", where=str(folder), fix="choose another name")
    title = named[1].replace("-", " ").capitalize()
    for path, text in FILES.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.replace("TITLE", title), encoding="utf-8")
