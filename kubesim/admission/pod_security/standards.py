"""A pod against a level of the standards: which checks, in which order, and what they find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from kubesim.admission.pod_security.baseline import BASELINE
from kubesim.admission.pod_security.check import Check, Violation
from kubesim.admission.pod_security.levels import Level
from kubesim.admission.pod_security.restricted import RESTRICTED
from kubesim.model import Object

__all__ = ["Violation", "described", "violations"]


def violations(pod: Object, level: Level) -> list[Violation]:
    """What of a pod, or of a pod template, a level does not allow."""
    found = []
    for check in _checks(level):
        violation = check.run(pod, level.minor)
        if violation is not None:
            found.append(violation)
    return found


def described(found: Iterable[Violation]) -> str:
    """What was found, as messages tell it."""
    return ", ".join(f"{each.reason} ({each.detail})" for each in found)


@lru_cache(maxsize=64)
def _checks(level: Level) -> Sequence[Check]:
    """The checks of a level, baseline first; a restricted one may say all that a baseline one
    would, and more.
    """
    if level.is_free:
        return ()
    stricter = [
        check
        for check in (RESTRICTED if level.name == "restricted" else ())
        if check.since <= level.minor
    ]
    replaced = {check.replaces for check in stricter}
    kept = (c for c in BASELINE if c.since <= level.minor and c.name not in replaced)
    return (*kept, *stricter)
