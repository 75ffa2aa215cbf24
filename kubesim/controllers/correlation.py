"""What keeps Events readable: the same again is counted, many that resemble each other become one,
and too many become none.

Source: client-go `tools/record/events_cache.go` (v0.37). What a correlator knows goes with its
process, there as here.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

Value = TypeVar("Value")

MOST_SIMILAR = 10
"""How many sentences about one matter are told one by one; from this one on they are combined."""

SIMILAR_WITHIN = 600.0
"""Seconds after which a matter without events counts as a new one."""

BURST, REFILL = 25, 300.0
"""How many Events a source may tell of an object at once, and after how many seconds one more."""

MOST_REMEMBERED = 4_096
"""How many matters and objects are remembered, the last ones."""

COMBINED = "(combined from similar events): "
"""The beginning of a sentence that stands for many."""

Matter = tuple[str, ...]
"""What Events have in common: their source, the object, and perhaps type and reason."""


class Correlator:
    """The memory of those who tell Events."""

    def __init__(self) -> None:
        self._similar: dict[Matter, tuple[float, dict[str, None]]] = {}
        self._tokens: dict[Matter, tuple[float, float]] = {}
        self._withheld: Counter[Matter] = Counter()
        self._names: dict[Matter, str] = {}

    def combines(self, matter: Matter, message: str, now: float) -> bool:
        """Whether a sentence is one of so many that they are told as one.

        Args:
            matter: source, object, type and reason.
            message: the sentence.
            now: in seconds since the Unix epoch.
        """
        last, messages = self._similar.pop(matter, (now, {}))
        if now - last > SIMILAR_WITHIN:
            messages = {}
        messages[message] = None
        _remember(self._similar, matter, (now, messages))
        if len(messages) < MOST_SIMILAR:
            return False
        del messages[next(iter(messages))]
        return True

    def withholds(self, about: Matter, told: Matter, now: float) -> bool:
        """Whether an Event is one too many. It is not told then, but it is counted.

        Args:
            about: source and object.
            told: all that the Event says.
            now: in seconds since the Unix epoch.
        """
        tokens, at = self._tokens.pop(about, (float(BURST), now))
        tokens = min(tokens + (now - at) / REFILL, BURST)
        is_spam = tokens < 1
        _remember(self._tokens, about, (tokens if is_spam else tokens - 1, now))
        if is_spam:
            self._withheld[told] += 1
        return is_spam

    def withheld(self, told: Matter) -> int:
        """How often an Event was not told since it was told last; with that, it is."""
        return self._withheld.pop(told, 0)

    def name(self, told: Matter) -> str:
        """The name of the Event that said all this last; empty if none is remembered."""
        return self._names.get(told, "")

    def remember(self, told: Matter, name: str) -> None:
        """Know the name of the Event that says this from now on."""
        self._names.pop(told, None)
        _remember(self._names, told, name)


def _remember(memory: dict[Matter, Value], matter: Matter, value: Value) -> None:
    memory[matter] = value
    if len(memory) > MOST_REMEMBERED:
        del memory[next(iter(memory))]
