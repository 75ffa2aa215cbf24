"""Sources by URL and ref: the Git port (`gitops_lab.ports.Git`) over a forge of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from gitops_lab.errors import ForgeError, SourceError
from gitops_lab.forge.command import git
from gitops_lab.forge.repository import NAME, Repository
from gitops_lab.forge.source import GitSource
from gitops_lab.model import Artifact, Revision
from gitops_lab.ports import Source


class ForgeGit:
    """The repositories of a forge, by the URLs under which clusters know them.

    Args:
        url: the address of the world's own repository.
        hosts: the hosts, with their ports, that lead to this forge beside the one in `url`.
        repository: opens a repository by its name.
    """

    def __init__(
        self, url: str, *, repository: Callable[[str], Repository], hosts: Sequence[str] = ()
    ) -> None:
        self.url, self._repository = url, repository
        self._hosts = {_host(url), *hosts}
        self._opened: dict[str, Repository] = {}

    def open(
        self, url: str, *, branch: str = "", tag: str = "", commit: str = "", path: str = "."
    ) -> Source:
        """A source by its address and one ref; the default branch if none is named.

        Raises:
            SourceError: the path leads out of the repository.
        """
        try:
            repository = self._find(url)
        except SourceError as error:
            return MissingSource(error)
        source = GitSource(repository, branch or repository.branch, path)
        if commit:
            return FixedSource(source, branch, commit)
        return FixedSource(source, tag, f"refs/tags/{tag}") if tag else source

    def refs(self, url: str) -> Mapping[str, str]:
        """The commit of each branch and tag, by full name.

        Raises:
            SourceError: the repository does not exist or does not answer.
        """
        repository = self._find(url)
        if not repository.reachable:
            raise SourceError("the repository does not answer", where=url)
        text = git(
            "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)",
            "refs/heads", "refs/tags", cwd=repository.path,
        )  # fmt: skip
        found = (line.split() for line in text.splitlines())
        return {name: (peeled or [commit])[0] for name, commit, *peeled in found}

    def _find(self, url: str) -> Repository:
        """The repository at an address.

        Raises:
            SourceError: it is not here.
        """
        name = urlsplit(url).path.strip("/").removesuffix(".git")
        if _host(url) not in self._hosts:
            raise SourceError(
                "this world has no network; it reaches only its own Git server",
                where=url,
                fix=f"use {self.url}",
            )
        if name not in self._opened:
            try:
                if not NAME.fullmatch(name):
                    raise ForgeError(f"{name!r} is no name of a repository")
                self._opened[name] = self._repository(name)
            except ForgeError as error:
                raise SourceError("repository not found", where=url) from error
        return self._opened[name]


class FixedSource:
    """A source that stays at one commit, or at the commit that a tag points to.

    Args:
        source: of the same repository and folder.
        ref: how the revision is written, for example the tag's name; empty for a bare commit.
        name: the commit, or the full name of the tag.
    """

    def __init__(self, source: GitSource, ref: str, name: str) -> None:
        self._source, self._ref, self._name = source, ref, name

    def head(self) -> Revision:
        """The commit.

        Raises:
            SourceError: there is none of that name, or the repository does not answer.
        """
        repository = self._source.repository
        if not repository.reachable:
            raise SourceError("the repository does not answer", where=repository.name)
        try:
            return Revision(self._ref, repository.resolve(self._name))
        except ForgeError as error:
            raise SourceError(error.what, where=repository.name, fix=error.fix) from error

    def fetch(self, revision: Revision) -> Artifact:
        """The files of a revision below the source's path.

        Raises:
            SourceError: the repository does not answer, or has no such commit or folder.
        """
        return self._source.fetch(revision)


class MissingSource:
    """A source at an address that leads nowhere.

    Args:
        error: says why; every question is answered with it.
    """

    def __init__(self, error: SourceError) -> None:
        self._error = error

    def head(self) -> Revision:
        """Raises SourceError."""
        raise self._error

    def fetch(self, revision: Revision) -> Artifact:
        """Raises SourceError."""
        raise self._error


def _host(url: str) -> str:
    """Host and port of a URL, without the account."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()
