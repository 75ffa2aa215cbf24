"""How far a live world's clock is ahead of the wall, kept from one process to the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kubesim.files import write_private


class Lead:
    """How far the sandbox's clock is ahead of the wall, in a file.

    A sandbox that ran fast goes on where it was, and time in it never goes back, though a process
    that is killed cannot say when that happened: what is kept is the lead that will be reached.

    Args:
        path: the file; it need not exist.
        note: is told, in a sentence, if the file is damaged.
    """

    def __init__(self, path: Path, *, note: Callable[[str], None] = lambda text: None) -> None:
        self._path, self._note = path, note

    def read(self) -> float:
        """The lead in seconds; none if nothing is kept, or nothing that makes sense."""
        try:
            lead = float(self._path.read_text())
        except FileNotFoundError:
            return 0.0
        except ValueError:
            lead = float("nan")
        if 0 <= lead < float("inf"):
            return lead
        self._note(
            f"{self._path} is damaged: how far the sandbox's clock was ahead is not known, "
            "and time in it may have gone back"
        )
        return 0.0

    def write(self, lead: float) -> None:
        """Keep it."""
        write_private(self._path, repr(max(lead, 0.0)))
