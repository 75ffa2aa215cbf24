"""A branch and a folder of a repository, as a deployer sees them."""

from __future__ import annotations

from posixpath import normpath

from gitops_lab.errors import NoCommits, SourceError
from gitops_lab.forge.repository import Repository
from gitops_lab.model import Artifact, Revision


class GitSource:
    """Implements the Source port.

    Args:
        repository: where the files are.
        branch: the branch to follow.
        path: the folder below which files count; `.` is all of them.

    Raises:
        SourceError: the path leads out of the repository.
    """

    def __init__(self, repository: Repository, branch: str = "main", path: str = ".") -> None:
        folder = normpath(path or ".")
        if folder.startswith(("/", "..")):
            raise SourceError(
                f"the path {path!r} leads out of the repository",
                where=repository.name,
                fix="write it from the repository's root, like clusters/east",
            )
        self.repository, self.branch = repository, branch
        self.path = "" if folder == "." else folder

    def head(self) -> Revision:
        """The branch's newest commit. Cheap, for a fleet asks often.

        Raises:
            SourceError: the repository does not answer, or the branch does not exist.
        """
        self._reach()
        commit = self.repository.tip(self.branch)
        if not commit:
            raise self._no_branch()
        return Revision(self.branch, commit)

    def fetch(self, revision: Revision) -> Artifact:
        """The files of a revision below the source's path.

        Raises:
            SourceError: the repository does not answer, or the commit does not exist (any more),
                or has no such folder.
        """
        self._reach()
        return self.repository.artifact(revision, self.path)

    def _reach(self) -> None:
        if not self.repository.reachable:
            raise SourceError("the repository does not answer", where=self.repository.name)

    def _no_branch(self) -> SourceError:
        branches = self.repository.branches
        if not branches:
            return NoCommits(
                "the repository has no commits yet, or its last branch was deleted",
                where=self.repository.name,
                fix=f"commit something to {self.branch}",
            )
        return SourceError(
            f"there is no branch {self.branch!r}",
            where=self.repository.name,
            fix=f"use one that exists ({', '.join(branches)}), or push the branch (again)",
        )
