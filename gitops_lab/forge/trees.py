"""Folders as values: change some paths, or merge two sets of changes, without a working tree."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_lab.forge.command import GitFailed, git
from gitops_lab.forge.objects import Entry, Folder, tree_data

if TYPE_CHECKING:
    from gitops_lab.forge.database import Database

FOLDER = stat.S_IFDIR
FILE = 0o100644

DEPTH = 64
"""How deep folders are merged; deeper ones that both sides changed are a conflict."""


def edit(database: Database, tree: bytes | None, changes: Mapping[str, bytes | None]) -> bytes:
    """The folder with some files changed; folders that become empty go.

    Args:
        database: where the objects are.
        tree: the hash of the folder; None is an empty one.
        changes: new content by path; None removes the file.

    Returns:
        The hash of the new folder.
    """
    folder: Folder = dict(database.folder(tree)) if tree else {}
    below: dict[str, dict[str, bytes | None]] = {}
    for path, content in changes.items():
        name, _, rest = path.partition("/")
        if rest:
            below.setdefault(name, {})[rest] = content
        elif content is None:
            folder.pop(name, None)
        else:
            folder[name] = Entry(FILE, database.store("blob", content))
    for name, inner in below.items():
        old = folder.get(name)
        sha = edit(database, old.sha if old and old.is_folder else None, inner)
        if database.folder(sha):
            folder[name] = Entry(FOLDER, sha)
        else:
            folder.pop(name, None)
    return database.store("tree", tree_data(folder.items()))


def merge(
    database: Database, base: bytes | None, ours: bytes, theirs: bytes
) -> tuple[bytes, tuple[str, ...]]:
    """A three-way merge: what changed from `base` to `theirs`, applied to `ours`.

    With the parent of a commit as `base` it picks that commit; with the commit as `base` and its
    parent as `theirs` it reverts it. A renamed file counts as one deleted and one added.

    Args:
        database: where the objects are.
        base: the hash of the folder that both sides started from; None if they share nothing.
        ours: the hash of the folder that receives the changes.
        theirs: the hash of the folder that brings them.

    Returns:
        The hash of the merged folder, and the paths that both sides changed in different ways.
        With conflicts, the folder keeps our side of them.
    """
    conflicts: list[str] = []
    sha = _merged(database, base, ours, theirs, "", conflicts)
    return sha, tuple(sorted(conflicts))


def _merged(
    database: Database,
    base: bytes | None,
    ours: bytes | None,
    theirs: bytes | None,
    prefix: str,
    conflicts: list[str],
) -> bytes:
    sides = [dict(database.folder(sha)) if sha else {} for sha in (base, ours, theirs)]
    folder: Folder = {}
    for name in sorted(set().union(*sides)):
        old, mine, other = (side.get(name) for side in sides)
        entry = _entry(database, old, mine, other, prefix + name, conflicts)
        if entry is not None:
            folder[name] = entry
    return database.store("tree", tree_data(folder.items()))


def _entry(
    database: Database,
    old: Entry | None,
    mine: Entry | None,
    other: Entry | None,
    path: str,
    conflicts: list[str],
) -> Entry | None:
    """What one name holds after the merge."""
    if mine == other or other == old:
        return mine
    if mine == old:
        return other
    if _is_folder(mine) and _is_folder(other) and path.count("/") < DEPTH:
        shas = [each.sha if each and each.is_folder else None for each in (old, mine, other)]
        sha = _merged(database, shas[0], shas[1], shas[2], f"{path}/", conflicts)
        return Entry(FOLDER, sha) if database.folder(sha) else None
    if old and mine and other and old.is_file and mine.is_file and other.is_file:
        content = _merged_file(*(database.content(each.sha) for each in (mine, old, other)))
        if content is not None:
            mode = other.mode if mine.mode == old.mode else mine.mode
            return Entry(mode, database.store("blob", content))
    conflicts.append(path)
    return mine


def _is_folder(entry: Entry | None) -> bool:
    """Whether it can be merged as a folder: what is not there is an empty one."""
    return entry is None or entry.is_folder


def _merged_file(ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """The lines of both sides, by `git merge-file`; None if they changed the same lines."""
    with tempfile.TemporaryDirectory(prefix="merge-") as name:
        folder = Path(name)
        for side, content in (("ours", ours), ("base", base), ("theirs", theirs)):
            (folder / side).write_bytes(content)
        try:
            git("merge-file", "--quiet", "ours", "base", "theirs", cwd=folder)
        except GitFailed:  # conflicts, or a binary file
            return None
        return (folder / "ours").read_bytes()
