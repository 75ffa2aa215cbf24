"""A branch and a folder of a repository on another machine, as an agent in a cluster sees them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_lab.errors import NoCommits, SourceError
from gitops_lab.forge.command import GitFailed, git, require_git
from gitops_lab.forge.repository import Repository
from gitops_lab.forge.source import GitSource
from gitops_lab.model import Artifact, Revision

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST = "main"
"""The branch to follow if none is named."""

STALLED = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "20"}
"""A server that sends less than so many bytes a second, for so many seconds, does not answer."""


class RemoteSource:
    """Implements the Source port: asks the server for the branch, and fetches into a copy here.

    Args:
        url: the repository's address.
        copy: the folder for the copy; it is made if it does not exist.
        branch: the branch to follow.
        path: the folder below which files count; `.` is all of them.
        configuration: the only file that Git reads its configuration from; none if None.

    Raises:
        SourceError: the path leads out of the repository.
        ForgeError: git is missing or too old, or the copy cannot be made.
    """

    def __init__(
        self,
        url: str,
        copy: Path,
        *,
        branch: str = "main",
        path: str = ".",
        configuration: Path | None = None,
    ) -> None:
        require_git()
        self.url, self.branch = url, branch
        self._variables: Mapping[str, str] = {
            **STALLED,
            **({"GIT_CONFIG_GLOBAL": str(configuration)} if configuration else {}),
        }
        if not (copy / "HEAD").exists():
            git("init", "--quiet", "--bare", "--template=", str(copy))
        self._copy = copy
        self._source = GitSource(Repository(copy, now=lambda: 0.0, branch=branch), branch, path)

    def head(self) -> Revision:
        """The branch's newest commit, without its files.

        Raises:
            SourceError: the repository does not answer, or the branch does not exist.
        """
        lines = self._ask("ls-remote", "--", self.url, f"refs/heads/{self.branch}").split()
        if not lines:
            raise NoCommits(
                f"there is no branch {self.branch!r}, or no commit on it yet",
                where=self.url,
                fix=f"push something to {self.branch}",
            )
        return Revision(self.branch, lines[0])

    def fetch(self, revision: Revision) -> Artifact:
        """The files of a revision below the source's path.

        Raises:
            SourceError: the repository does not answer, or the commit does not exist (any more),
                or has no such folder.
        """
        ref = f"refs/heads/{self.branch}"
        self._ask("fetch", "--quiet", "--no-tags", "--force", "--", self.url, f"{ref}:{ref}")
        return self._source.fetch(revision)

    def _ask(self, *arguments: str) -> str:
        try:
            return git(*arguments, cwd=self._copy, variables=self._variables)
        except GitFailed as error:
            raise SourceError(
                f"the repository does not answer: {error.output.strip() or error}",
                where=self.url,
                fix="see that the address is right, and that the token may read it",
            ) from error


class RemoteGit:
    """The Git port (`gitops_lab.ports.Git`) over Git servers elsewhere.

    Args:
        url: the address of the repository that the configuration is for.
        work: a folder for copies of repositories.
        configuration: the only file that Git reads its configuration from.
    """

    def __init__(self, url: str, work: Path, configuration: Path) -> None:
        self.url, self._work, self._configuration = url, work, configuration

    def open(
        self, url: str, *, branch: str = "", tag: str = "", commit: str = "", path: str = "."
    ) -> RemoteSource:
        """A source by its address and a branch.

        Raises:
            SourceError: the path leads out of the repository, or a tag or a commit is named.
        """
        if tag or commit:
            raise SourceError("only branches can be followed here", where=url, fix="name a branch")
        copy = self._work / ("git" if url == self.url else sha256(url.encode()).hexdigest()[:16])
        return RemoteSource(
            url, copy, branch=branch or FIRST, path=path, configuration=self._configuration
        )

    def refs(self, url: str) -> Mapping[str, str]:
        """The commit of each branch and tag, by full name.

        Raises:
            SourceError: the repository does not exist or does not answer.
        """
        try:
            text = git(
                "ls-remote", "--heads", "--tags", "--", url,
                cwd=self._work,
                variables={**STALLED, "GIT_CONFIG_GLOBAL": str(self._configuration)},
            )  # fmt: skip
        except GitFailed as error:
            raise SourceError(
                f"the repository does not answer: {error.output.strip() or error}", where=url
            ) from error
        found = [line.split("\t", 1) for line in text.splitlines()]
        return {name.removesuffix("^{}"): commit for commit, name in found}
