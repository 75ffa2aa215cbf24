"""The journal of a live world, in a file that outlives its process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gitops_lab.journal import Entry, Journal

REMEMBERED = 1000
"""How many entries of the journal stay in memory once they are in its file."""


class JournalFile:
    """Appends what is new in a journal to a file, one JSON object a line.

    Args:
        path: the file; it need not exist.
        journal: the journal.
    """

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path, self._journal, self._written = path, journal, 0
        self.remembered = REMEMBERED

    def read_pushes(self) -> dict[str, str]:
        """The newest commit of each branch that is in the file; cuts off an entry in part."""
        found: dict[str, str] = {}
        try:
            file = self._path.open("rb+")
        except FileNotFoundError:
            return found
        with file:
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                if b'"pushed"' in line:
                    with suppress(ValueError, KeyError, TypeError):  # `logs` reports damaged lines
                        entry = Entry.from_json(line.decode())
                        found[entry.data["branch"]] = entry.subject
            file.truncate(whole)
        return found

    def write(self) -> None:
        """Append what is new, all of it or nothing.

        Raises:
            OSError: it cannot be written.
        """
        entries = self._journal.since(self._written)
        if not entries:
            return
        lines = "".join(entry.to_json() + "\n" for entry in entries).encode()
        with self._path.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                while lines:
                    lines = lines[file.write(lines) or 0 :]
            except OSError:
                file.truncate(size)
                raise
        self._written += len(entries)
        self._journal.forget(self._written - self.remembered)
