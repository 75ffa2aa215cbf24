"""Listening on loopback where one listened before, so that addresses stay what they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Listener(Protocol):
    """A server that can listen at a port of its own, or at a given one."""

    async def start(self, host: str = ..., port: int = ...) -> int:
        """Listen; the port. Raises OSError if it is taken."""

    async def stop(self) -> None:
        """Listen no more."""


async def listen(
    listener: Listener,
    port: int,
    *,
    host: str = "127.0.0.1",
    what: str,
    note: Callable[[str], None],
) -> int:
    """Listen at a port, or at any other if another program has taken it since.

    Args:
        listener: the server.
        port: where it listened before; 0 if it never did.
        host: the address.
        what: what is at this address, for the note that it moved.
        note: called with that note.

    Returns:
        The port.
    """
    try:
        return await listener.start(host, port)
    except OSError:
        if not port:
            raise
        await listener.stop()
    found = await listener.start(host, 0)
    note(f"{what} has moved: another program listens at its port {port}; it is at {found} now")
    return found
