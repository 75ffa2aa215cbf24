"""The folders and files of an artifact, reached through its symbolic links but never past its root.

An artifact comes from people who can write to a repository, and is read by a deployer that can
read much more: a link that leads out of the repository must not be followed.
"""

from __future__ import annotations

from collections import defaultdict
from posixpath import normpath

from gitops_lab.errors import RenderError
from gitops_lab.model import Artifact

MAX_LINKS = 40
"""Links that one path may pass through; the limit of Linux (`MAXSYMLINKS`)."""


class Tree:
    """An artifact, seen as folders. A path has no slash at its ends; the root is the empty path."""

    def __init__(self, artifact: Artifact) -> None:
        self._files, self._links = artifact.files, artifact.links
        self._submodules = frozenset(artifact.submodules)
        folders: defaultdict[str, set[str]] = defaultdict(set, {"": set()})
        for path in (*self._files, *self._links):
            while path:
                folder, _, name = path.rpartition("/")
                folders[folder].add(name)
                path = folder
        self._folders = {folder: tuple(sorted(names)) for folder, names in folders.items()}

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted."""
        return self._folders[folder]

    def is_folder(self, path: str) -> bool:
        """Whether a folder is there; a link to a folder is none."""
        return path in self._folders

    def is_link(self, path: str) -> bool:
        """Whether a symbolic link is there."""
        return path in self._links

    def content(self, path: str) -> bytes:
        """The content of the regular file that is there."""
        return self._files[path]

    def submodule(self, path: str, *, base: str = "") -> str:
        """The submodule that a path leads into; empty if into none."""
        place = normpath(f"{base}/{path}").lstrip("/")
        return next((m for m in self._submodules if f"{place}/".startswith(f"{m}/")), "")

    def resolve(self, path: str, *, base: str = "") -> str:
        """The file or folder that a path leads to, through every link on the way.

        Args:
            path: as it is written; it may hold `.` and `..`.
            base: the folder that it starts from.

        Raises:
            RenderError: it leads out of the artifact, or nowhere, or round in circles.
        """
        shown = f"{base}/{path}" if base else path
        place, ahead, links = base, path.split("/")[::-1], 0
        if path.startswith("/"):
            raise _leads_out(shown, "it is absolute")
        while ahead:
            name = ahead.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if not place:
                    raise _leads_out(shown)
                place = place.rpartition("/")[0]
                continue
            step = f"{place}/{name}" if place else name
            if step in self._links:
                links += 1
                text = self._links[step]
                if links > MAX_LINKS:
                    raise RenderError(
                        "this symbolic link leads round in circles",
                        where=shown,
                        fix="let it point at a file",
                    )
                if text.startswith("/"):
                    raise _leads_out(shown, f"the link says {text}")
                ahead += text.split("/")[::-1]
            elif step in self._folders or (step in self._files and not any(ahead)):
                place = step
            else:
                missing = "/".join([step, *filter(None, ahead[::-1])])
                raise RenderError(
                    f"there is no {missing}", where=shown, fix="add it, or remove what points at it"
                )
        return place


def _leads_out(path: str, why: str = "") -> RenderError:
    return RenderError(
        "this leads out of the folder that is deployed" + (f": {why}" if why else ""),
        where=path,
        fix="copy what it points at into the folder, or deploy a folder that holds both",
    )
