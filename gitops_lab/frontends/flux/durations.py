"""Durations as Go writes and reads them, such as `1m30s`.

Source: Go's time package, ParseDuration and Duration.String.
"""

from __future__ import annotations

import re

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")


def seconds(text: str) -> float:
    """A duration in seconds; the text matches the pattern of the CustomResourceDefinitions."""
    return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))


def duration(span: float) -> str:
    """A span in seconds as Go prints it, to the millisecond: `10m0s`, `1.2s`, `40ms`, `0s`."""
    milliseconds = round(span * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    whole, rest = divmod(milliseconds, 1000)
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    text = f"{left}.{rest:03d}".rstrip("0").rstrip(".") if rest else str(left)
    if hours:
        return f"{hours}h{minutes}m{text}s"
    return f"{minutes}m{text}s" if minutes else f"{text}s"
