"""Commands in messages, so that they run when they are typed as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "gitops-lab"

_CALL = re.compile(rf"(?<![\w/.-]){PROGRAM}(?= (?:[a-z]|-h))")


def missing_from_path() -> Path | None:
    """The folder that PATH lacks for this program to be found by its name; None if it is found."""
    folder = Path(sys.executable).parent
    is_missing = shutil.which(PROGRAM) is None and (folder / PROGRAM).exists()
    return folder if is_missing else None


def program() -> str:
    """How to call this program from any folder: by its name if it is on PATH, else by its path."""
    folder = missing_from_path()
    return PROGRAM if folder is None else shlex.quote(str(folder / PROGRAM))


def runnable(text: str) -> str:
    """A message whose `gitops-lab …` commands run when they are typed as they stand."""
    call = program()
    return text if call == PROGRAM else _CALL.sub(lambda _: call, text)
