"""Cron schedules as CronJobs write them: five fields or a macro, in a time zone.

The calendar arithmetic is cronsim's. Kubernetes parses with robfig/cron's standard parser, so
what cronsim knows beyond that (seconds, `L`, `#`) is refused here as it is there.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

FIELDS = re.compile(r"[0-9A-Z*?/,-]+( [0-9A-Z*?/,-]+){4}")
LAST = re.compile(r"\bL|[0-9]L|#")


class Schedule:
    """The instants at which a cron expression fires.

    Args:
        expression: five fields, or a macro such as `@hourly`.
        time_zone: an IANA name; empty for UTC, the time zone of kube-controller-manager.

    Raises:
        ValueError: the expression is not a schedule.
        KeyError: there is no such time zone (`zoneinfo.ZoneInfoNotFoundError`).
    """

    def __init__(self, expression: str, time_zone: str = "") -> None:
        fields = " ".join(MACROS.get(expression, expression).upper().split())
        if not FIELDS.fullmatch(fields) or LAST.search(fields):
            raise ValueError(f"not a cron schedule of five fields: {expression}")
        self._fields = fields.replace("?", "*")
        self._zone: tzinfo = ZoneInfo(time_zone) if time_zone else UTC
        try:
            self.next(0.0)
        except CronSimError as error:
            raise ValueError(str(error)) from error

    def next(self, after: float) -> float | None:
        """The first firing later than an instant; None if there is none within decades."""
        found = next(CronSim(self._fields, self._local(after)), None)
        return None if found is None else found.timestamp()

    def last(self, upto: float) -> float | None:
        """The newest firing at or before an instant; None if there was none within decades."""
        later = self._local(upto + 1)  # cronsim looks strictly before
        found = next(CronSim(self._fields, later, reverse=True), None)
        return None if found is None else found.timestamp()

    def local(self, instant: float) -> str:
        """An instant in the schedule's time zone, in RFC 3339."""
        return self._local(instant).isoformat().replace("+00:00", "Z")

    def _local(self, instant: float) -> datetime:
        return datetime.fromtimestamp(int(instant), self._zone)
