"""Commits, and how one is written so that its hash follows from what is handed in alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_lab.errors import ForgeError
from gitops_lab.forge.command import git
from gitops_lab.forge.spool import NOTHING
from gitops_lab.model import Revision

LEARNER = "Lena Learner <lena@example.org>"
"""The author of commits that name no other."""

_AUTHOR = re.compile(r"(?P<name>[^<>\n]+) <(?P<address>[^<>\s]*)>")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Commit:
    """One commit, as `git log` shows it.

    Args:
        revision: the commit, and the branch that it was found on.
        author: the name and address of who wrote it.
        at: when it was committed, in seconds since the Unix epoch.
        message: the whole message.
    """

    revision: Revision
    author: str
    at: float
    message: str

    def __str__(self) -> str:
        return f"{self.revision.short} {self.message.partition(chr(10))[0]}"


@dataclass(frozen=True)
class Edit:
    """What a commit does to one path.

    Args:
        path: from the repository's root.
        content: the file's new content; None deletes it.
        mode: the file's mode, as Git counts it.
    """

    path: str
    content: bytes | None
    mode: int = 0o100644


def write(
    repository: Path, message: str, author: str, at: float, parent: str, edits: Sequence[Edit]
) -> str:
    """Write a commit that belongs to no branch yet, in one run of `git fast-import`.

    Args:
        repository: the bare repository.
        message: says why.
        author: `Name <address>`; the committer too.
        at: when, in seconds since the Unix epoch.
        parent: the commit it stands on; empty for a first commit.
        edits: what it changes.

    Returns:
        The commit's hash.

    Raises:
        ForgeError: the message is empty, or the author is not written as Name <address>.
    """
    if not message.strip():
        raise ForgeError("a commit needs a message", fix="say why you change it")
    _person(author)
    who = f"{author} {int(at)} +0000"
    stream = [
        f"commit refs/forge/draft\nmark :1\nauthor {who}\ncommitter {who}\n".encode(),
        _data(f"{message.strip()}\n".encode()),
        f"from {parent}\n".encode() if parent else b"",
        *map(_line, edits),
        # Prints the hash, and takes the ref back before it is ever written.
        f"get-mark :1\nreset refs/forge/draft\nfrom {NOTHING}\n\ndone\n".encode(),
    ]
    options = ("--quiet", "--done", "--date-format=raw")
    return git("fast-import", *options, cwd=repository, stdin=b"".join(stream)).strip()


def identity(author: str, at: float) -> dict[str, str]:
    """The variables that say who commits, and when, in seconds since the Unix epoch."""
    name, address = _person(author)
    return {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", name), ("EMAIL", address), ("DATE", f"{int(at)} +0000"))
    }


def checked_path(path: str) -> str:
    """The path, if a repository can have a file there.

    Raises:
        ForgeError: it leads out of the repository, or into Git's own folder.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or _CONTROL.search(path):
        raise ForgeError(
            f"{path!r} is no path within the repository",
            fix="write it from the repository's root, like deploy/web.yaml",
        )
    # Names that some file system takes for `.git`, as git's own check lists them.
    if any(part.rstrip(" .").lower() in (".git", "git~1") for part in parts):
        raise ForgeError("this is Git's own folder", where=path, fix="choose another path")
    return path


def _person(author: str) -> tuple[str, str]:
    match = _AUTHOR.fullmatch(author)
    if match is None:
        raise ForgeError(f"{author!r} is no author", fix="write it as Name <address>")
    return match["name"], match["address"]


def _line(edit: Edit) -> bytes:
    path = ('"' + edit.path.replace("\\", "\\\\").replace('"', '\\"') + '"').encode()
    if edit.content is None:
        return b"D %s\n" % path
    return b"M %o inline %s\n%s" % (edit.mode, path, _data(edit.content))


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)
