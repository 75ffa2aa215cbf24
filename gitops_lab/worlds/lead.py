"""How far a live world's clock is ahead of the wall, kept from one process to the next."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from pathlib import Path

from kubesim.files import write_private


class Lead:
    """How far the sandbox's clock is ahead of the wall, and how far it has come, in a file.

    A sandbox that ran fast goes on where it was. Time in it never goes back, even if the clock on
    the wall does. A process that is killed cannot say when that happened, so what is kept is what
    will be reached soon.

    Args:
        path: the file; it need not exist.
        note: called with a sentence if the file is damaged.
    """

    def __init__(self, path: Path, *, note: Callable[[str], None] = lambda text: None) -> None:
        self._path, self._note = path, note

    def read(self, wall: float) -> float:
        """The lead in seconds; none if nothing is kept, or nothing that makes sense.

        Args:
            wall: the time on the wall, in seconds since the Unix epoch.
        """
        try:
            lead, *more = map(float, self._path.read_text().split())
        except FileNotFoundError:
            return 0.0
        except ValueError:
            lead, more = inf, []
        reached = more[0] if more else -inf
        if 0 <= lead < inf and (not more or isfinite(reached)):
            return max(lead, reached - wall)
        self._note(
            f"{self._path} is damaged: how far the sandbox's clock was ahead is not known, "
            "and time in it may have gone back"
        )
        return 0.0

    def write(self, lead: float, reached: float) -> None:
        """Keep both.

        Args:
            lead: how far the clock will be ahead of the wall, in seconds.
            reached: the instant that it will have reached, in seconds since the Unix epoch.
        """
        write_private(self._path, f"{max(lead, 0.0)!r} {reached!r}")
