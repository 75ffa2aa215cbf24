"""Git's objects as values: entries of a folder, and commits."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from typing import NamedTuple


class Entry(NamedTuple):
    """A name in a folder: its mode says what it is, its hash where the content is."""

    mode: int
    sha: bytes

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder (Git: a tree)."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether this is a regular file, executable or not."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether this is a symbolic link; its content is the text of the link."""
        return stat.S_ISLNK(self.mode)


Folder = dict[str, Entry]


class CommitObject(NamedTuple):
    """A commit as Git stores it: `author` and `committer` hold a name, an address and a time."""

    tree: bytes
    parents: tuple[str, ...]
    author: bytes
    committer: bytes
    message: str

    @classmethod
    def of(cls, data: bytes) -> CommitObject:
        """The commit that an object's content says."""
        head, _, message = data.partition(b"\n\n")
        parents: list[str] = []
        found: dict[bytes, bytes] = {}
        for line in head.split(b"\n"):
            word, _, value = line.partition(b" ")
            if word == b"parent":
                parents.append(value.decode())
            else:
                found.setdefault(word, value)
        return cls(
            bytes.fromhex(found[b"tree"].decode()),
            tuple(parents),
            found[b"author"],
            found[b"committer"],
            message.decode(errors="replace"),
        )

    def data(self) -> bytes:
        """The content of the object."""
        return b"\n".join(
            (
                b"tree " + self.tree.hex().encode(),
                *(b"parent " + parent.encode() for parent in self.parents),
                b"author " + self.author,
                b"committer " + self.committer,
                b"",
                self.message.encode(),
            )
        )

    @property
    def at(self) -> float:
        """When it was committed, in seconds since the Unix epoch."""
        return float(self.committer.split()[-2])


def tree_data(entries: Iterable[tuple[str, Entry]]) -> bytes:
    """A folder as Git stores it: sorted as if folders' names ended in a slash."""
    ordered = sorted(entries, key=lambda each: _raw(each[0]) + b"/" * each[1].is_folder)
    return b"".join(b"%o %s\0%s" % (e.mode, _raw(name), e.sha) for name, e in ordered)


def _raw(name: str) -> bytes:
    return name.encode(errors="surrogateescape")
