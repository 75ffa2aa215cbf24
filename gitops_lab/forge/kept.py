"""What was used last, kept in memory as far as there is room: anybody may push 50 MB any minute."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """A cache that counts bytes.

    Args:
        room: how many bytes it may hold; what is larger is not kept at all.
        size: how large something is, in bytes.
    """

    def __init__(self, room: int, size: Callable[[V], int]) -> None:
        self._room, self._size = room, size
        self._values: OrderedDict[K, V] = OrderedDict()
        self.bytes = 0
        """How many it holds."""

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """What belongs to a key, made if need be."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = make(key)
        self._values[key] = value
        self.bytes += self._size(value)
        while self.bytes > self._room:
            _, oldest = self._values.popitem(last=False)
            self.bytes -= self._size(oldest)
        return value
