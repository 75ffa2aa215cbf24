"""What is in a repository, read without starting a process for each question.

This is the only module that imports GitPython, and GitPython will not be imported where there is
no git command: import this module only after `require_git`.
"""

from __future__ import annotations

import configparser
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from traceback import clear_frames
from typing import NamedTuple

from git import Git, Repo, SymbolicReference
from git.exc import InvalidGitRepositoryError, NoSuchPathError, ODBError
from git.objects.fun import tree_entries_from_data

from gitops_lab.errors import ForgeError
from gitops_lab.forge.command import environment, without_surroundings
from gitops_lab.forge.kept import Kept

CACHED, ROOM = 2048, 16 << 20
"""Trees, and bytes of files, that are remembered. Git never changes them: none ever gets stale."""


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


class Database:
    """The objects and branches of one repository.

    Args:
        path: the bare repository.

    Raises:
        ForgeError: there is none, or it is damaged; so does each question that hits on damage.
    """

    def __init__(self, path: Path) -> None:
        try:
            with without_surroundings():
                self._repo = Repo(path, expand_vars=False)
        except (InvalidGitRepositoryError, NoSuchPathError) as error:
            raise ForgeError(
                "this is no Git repository",
                where=str(path),
                fix="restore the folder from a copy, or remove it and begin anew",
            ) from error
        except (configparser.Error, ValueError) as error:
            raise damaged(path) from error
        self._path = path
        self._repo.git.update_environment(
            **environment(), GIT_DIR=str(path), GIT_OBJECT_DIRECTORY=str(path / "objects")
        )
        # Closures that do not know `self`: a cycle would keep Git's reader process alive.
        objects, git = self._repo.odb, self._repo.git

        def folder(sha: bytes) -> Folder:
            with _undamaged(path, git):
                entries = tree_entries_from_data(objects.stream(sha).read())
            return {_printable(name): Entry(mode, id) for id, mode, name in entries}

        self._contents: Kept[bytes, bytes] = Kept(ROOM, len)
        self._folder = lru_cache(CACHED)(folder)

    def content(self, sha: bytes) -> bytes:
        """The content of a file, by the hash of its blob."""
        return self._contents.get(sha, self._content)

    def close(self) -> None:
        """Let go of Git's reader process; the next question starts another."""
        self._repo.close()

    def tip(self, branch: str) -> str:
        """The newest commit of a branch; empty if there is no such branch."""
        name = f"refs/heads/{branch}"
        was_there = (self._path / name).exists()
        try:
            tip: str = SymbolicReference.dereference_recursive(self._repo, name)
        except (ValueError, IndexError, AssertionError) as error:  # the last: an empty file
            if was_there and (self._path / name).exists():
                raise damaged(self._path) from error
            return ""
        return tip

    def branches(self) -> tuple[str, ...]:
        """The names of the branches, sorted."""
        return tuple(sorted(head.name for head in self._repo.heads))

    def find(self, commit: str, path: str) -> Entry | None:
        """What a path stands for in a commit; the empty path is the root folder.

        Raises:
            LookupError: the commit does not exist.
        """
        try:
            tree = self._repo.commit(commit).tree.binsha
        except (ValueError, LookupError, ODBError, OSError) as error:
            _restart(self._repo.git, error)
            if isinstance(error, OSError):
                raise damaged(self._path) from error
            raise LookupError(commit) from error
        entry: Entry | None = Entry(stat.S_IFDIR, tree)
        for name in path.split("/") if path else ():
            if entry is None or not entry.is_folder:
                return None
            entry = self._folder(entry.sha).get(name)
        return entry

    def walk(self, folder: Entry, prefix: str = "") -> Iterator[tuple[str, Entry]]:
        """Everything below a folder that is no folder itself, sorted by path in each folder.

        A submodule appears with its own mode: its files are in another repository.
        """
        for name, entry in self._folder(folder.sha).items():
            if entry.is_folder:
                yield from self.walk(entry, f"{prefix}{name}/")
            else:
                yield prefix + name, entry

    def _content(self, sha: bytes) -> bytes:
        with _undamaged(self._path, self._repo.git):
            data: bytes = self._repo.odb.stream(sha).read()
        return data


def damaged(path: Path) -> ForgeError:
    """The error that says that a repository is damaged."""
    return ForgeError(
        "the repository is damaged",
        where=str(path),
        fix=f"`git -C {path} fsck` says what is; restore that from a copy, or from a clone",
    )


@contextmanager
def _undamaged(path: Path, git: Git) -> Iterator[None]:
    """Say in words that an object is damaged that must be there.

    Args:
        path: the repository.
        git: what reads it.
    """
    try:
        yield
    except (OSError, ValueError, LookupError, ODBError) as error:
        _restart(git, error)
        raise damaged(path) from error


def _restart(git: Git, error: Exception) -> None:
    """Let go of a reader process that may have died; the next question starts another."""
    clear_frames(error.__traceback__)  # they hold what was not read to its end
    git.clear_cache()


def _printable(name: str) -> str:
    """A name that is not UTF-8 with its strange bytes spelled out."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
