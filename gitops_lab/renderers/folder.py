"""A folder on this machine as an artifact, as if it had been committed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from gitops_lab.errors import UsageError
from gitops_lab.model import Artifact, Revision

MAX_FILE = 4 * 2**20
"""Bytes of one file; a larger one is certainly no manifest, and is left out."""

MAX_FILES = 20_000
"""Files that a folder may have."""


def artifact_of(root: Path) -> Artifact:
    """The files and links below a folder; `.git` is left out.

    Raises:
        UsageError: there is no such folder, or it cannot be read, or has too many files.
    """
    if not root.is_dir():
        raise UsageError("there is no such folder", where=str(root), fix="name a folder")
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted((*names, *folders)):
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            try:
                if path.is_symlink():
                    links[relative] = os.readlink(path)
                elif path.is_file() and path.stat().st_size <= MAX_FILE:
                    files[relative] = path.read_bytes()
            except OSError as error:
                raise UsageError(
                    f"cannot read: {error.strerror}", where=str(path), fix="see its permissions"
                ) from None
        if len(files) > MAX_FILES:
            raise UsageError(
                f"this folder has more than {MAX_FILES:,} files", where=str(root),
                fix="name a smaller folder",
            )  # fmt: skip
    digest = hashlib.sha256(repr((sorted(files.items()), sorted(links.items()))).encode())
    return Artifact(Revision("", ""), files, f"sha256:{digest.hexdigest()}", links)


def root_of(folder: Path) -> Path:
    """The root of the Git repository that a folder is in; the folder itself if it is in none."""
    place = folder.resolve()
    return next((up for up in (place, *place.parents) if (up / ".git").exists()), place)
