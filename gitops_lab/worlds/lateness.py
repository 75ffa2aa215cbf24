"""Whether this machine keeps up with a world's speed and pace: if not, what people see is old."""

from __future__ import annotations

LATE = 2.0
"""How late a step may be, in seconds on the wall, before people should know."""

SHOWN = 10.0
"""For how long they are told afterwards, in seconds on the wall."""


class Lateness:
    """Remembers the last step that was late."""

    def __init__(self) -> None:
        self._late, self._until = 0.0, float("-inf")

    def note(self, late: float, wall: float) -> str:
        """A step ran; what people should know, empty if the machine keeps up.

        Args:
            late: how late it was, in seconds on the wall.
            wall: the time on the wall, in seconds since the Unix epoch.
        """
        if late > LATE:
            self._late, self._until = late, wall + SHOWN
        if wall >= self._until:
            return ""
        return (
            f"this machine is too slow: things happen {self._late:.0f} s late. End other "
            "programs, or choose a lower --speed or --pace"
        )
