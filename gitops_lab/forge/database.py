"""What is in a repository, read without starting a process for each question.

This is the only module that imports GitPython, and GitPython will not be imported where there is
no git command: import this module only after `require_git`.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from traceback import clear_frames

from git import Git, Repo, SymbolicReference
from git.exc import InvalidGitRepositoryError, NoSuchPathError, ODBError
from git.objects.fun import tree_entries_from_data

from gitops_lab.errors import ForgeError, SourceError
from gitops_lab.forge.command import environment, without_surroundings
from gitops_lab.forge.kept import Kept
from gitops_lab.forge.objects import CommitObject, Entry, Folder
from kubesim.files import write_private

CACHED, ROOM = 2048, 16 << 20
"""Trees, and bytes of files, that are remembered. Git never changes them: none ever gets stale."""

DEPTH, ENTRIES = 64, 50_000
"""How deep folders may be nested, and how many entries are walked, in one revision. Equal folders
are stored once, so that a push of a few kilobytes can stand for a billion files."""

FILE = 50 << 20
"""The bytes of one file that is read into memory."""


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
                fix="restore the folder from a copy, or remove it and create the repository again",
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
            return {name: Entry(mode, id) for id, mode, name in entries}

        self._contents: Kept[bytes, bytes] = Kept(ROOM, len)
        self.folder = lru_cache(CACHED)(folder)
        """The entries of a folder by name; bytes that are not UTF-8 are surrogates."""

    def content(self, sha: bytes) -> bytes:
        """The content of a file, by the hash of its blob."""
        return self._contents.get(sha, self._content)

    def close(self) -> None:
        """Let go of Git's reader process; the next question starts another."""
        self._repo.close()

    def tip(self, branch: str) -> str:
        """The newest commit of a branch; empty if there is no such branch."""
        return self.reference(f"refs/heads/{branch}")

    def reference(self, name: str) -> str:
        """What a full reference such as `refs/pull/1/head` points to; empty if it is not there."""
        was_there = (self._path / name).is_file()
        try:
            tip: str = SymbolicReference.dereference_recursive(self._repo, name)
        except (ValueError, IndexError, AssertionError, IsADirectoryError) as error:
            if was_there and (self._path / name).exists():  # an empty file, for instance
                raise damaged(self._path) from error
            return ""
        return tip

    def set_reference(self, name: str, commit: str) -> None:
        """Point a reference of the forge's own to a commit. Hold the lock of `Records`."""
        file = self._path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write_private(file, f"{commit}\n")

    def store(self, kind: str, data: bytes) -> bytes:
        """Write an object as `git hash-object -w` does; its hash.

        Args:
            kind: `blob`, `tree` or `commit`.
            data: its content, without the header.
        """
        whole = b"%s %d\0%s" % (kind.encode(), len(data), data)
        digest = hashlib.sha1(whole, usedforsecurity=False)
        name = digest.hexdigest()
        file = self._path / "objects" / name[:2] / name[2:]
        if not file.exists():
            draft = file.with_name(f"tmp_obj_{os.getpid()}_{name[2:]}")  # Git sweeps this name
            try:
                draft.write_bytes(zlib.compress(whole, 1))
            except FileNotFoundError:
                file.parent.mkdir(exist_ok=True)
                draft.write_bytes(zlib.compress(whole, 1))
            draft.chmod(0o444)
            draft.rename(file)
        return digest.digest()

    def store_commit(self, commit: CommitObject) -> str:
        """Write a commit that belongs to no branch yet; its hash."""
        return self.store("commit", commit.data()).hex()

    def tree(self, commit: str) -> bytes:
        """The root folder of a commit.

        Raises:
            LookupError: the commit does not exist.
        """
        entry = self.find(commit, "")
        assert entry is not None
        return entry.sha

    def branches(self) -> tuple[str, ...]:
        """The names of the branches, sorted."""
        return tuple(sorted(head.name for head in self._repo.heads))

    def message(self, commit: str) -> str:
        """The message of a commit that is there."""
        return str(self._repo.commit(commit).message)

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
            entry = self.folder(entry.sha).get(name)
        return entry

    def commit(self, commit: str) -> CommitObject:
        """The parts of a commit.

        Raises:
            ForgeError: there is no such commit.
        """
        with _undamaged(self._path, self._repo.git):
            data: bytes = self._repo.odb.stream(bytes.fromhex(commit)).read()
        return CommitObject.of(data)

    def walk(self, folder: Entry) -> Iterator[tuple[str, Entry]]:
        """Everything below a folder that is no folder itself, sorted by path in each folder.

        A submodule appears with its own mode: its files are in another repository.

        Raises:
            SourceError: there are more than `ENTRIES`, or they lie deeper than `DEPTH`.
        """
        pending, count = [("", folder)], 0
        while pending:
            path, entry = pending.pop()
            if not entry.is_folder:
                yield path, entry
                continue
            inside = self.folder(entry.sha)
            count += len(inside)
            if count > ENTRIES:
                raise self._too_large(f"there are more than {ENTRIES:,} files and folders", path)
            if path.count("/") >= DEPTH:
                raise self._too_large(f"folders are nested more than {DEPTH} deep", path[:60])
            prefix = f"{path}/" if path else ""
            pending += [(prefix + _printable(n), e) for n, e in reversed(inside.items())]

    def _too_large(self, what: str, path: str) -> SourceError:
        return SourceError(
            f"the revision is too large: {what}", where=path, fix="commit less, or name a folder"
        )

    def _content(self, sha: bytes) -> bytes:
        with _undamaged(self._path, self._repo.git):
            stream = self._repo.odb.stream(sha)
            if stream.size <= FILE:
                data: bytes = stream.read()
                return data
        size = stream.size >> 20
        del stream
        self._repo.git.clear_cache()  # leaves the rest unread
        raise self._too_large(f"a file has {size} MiB, and {FILE >> 20} are read at most", "")


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
