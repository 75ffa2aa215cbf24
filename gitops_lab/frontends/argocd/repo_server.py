"""The repo server: resolves revisions, renders folders, and remembers both.

It is the only one of the three programs that reads Git. While it is away, live objects are still
watched, but there is nothing to compare them with.

Source: Argo CD 3.5, `reposerver/{repository,cache}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from gitops_lab.errors import LabError
from gitops_lab.frontends.argocd import tracking
from gitops_lab.frontends.argocd.git import resolve
from gitops_lab.frontends.argocd.manifests import GenerationError, Rendered, generate
from gitops_lab.frontends.argocd.names import Settings
from gitops_lab.model import Artifact, Revision
from gitops_lab.ports import Git

FAILURES = 3
"""After so many failures in a row, a commit is not rendered again for a while."""

REMEMBERED = 2_000


class RepoServer:
    """Answers the controller and the API server.

    Args:
        git: opens repositories.
        now: the time, in seconds since the Unix epoch.
        settings: how long answers are remembered.
    """

    def __init__(self, git: Git, now: Callable[[], float], settings: Settings) -> None:
        self.git, self.now, self.settings = git, now, settings
        self.running = True
        self._revisions: dict[tuple[str, str], tuple[float, str]] = {}
        self._manifests: dict[str, Rendered] = {}
        self._failures: dict[str, tuple[int, float, str]] = {}

    def resolve(self, source: Mapping[str, Any], revision: str, *, fresh: bool = False) -> str:
        """The commit that a source's revision is at, from memory for up to three minutes.

        Args:
            source: says the repository.
            revision: a branch, a tag, a commit or a range of versions.
            fresh: ask Git and do not use the cache.

        Raises:
            GenerationError: Git does not answer, or has no such revision.
        """
        self._answer()
        place, now = (source["repoURL"], revision), self.now()
        if place in self._revisions and not fresh:
            at, commit = self._revisions[place]
            if now - at < self.settings.revision_cache:
                return commit
        try:
            commit = resolve(self.git, source["repoURL"], revision, source.get("tagPrefix") or "")
        except LabError as error:
            raise GenerationError(error.what) from None
        self._revisions[place] = (now, commit)
        return commit

    def render(
        self,
        source: Mapping[str, Any],
        commit: str,
        *,
        instance: str,
        namespace: str,
        fresh: bool = False,
    ) -> Rendered:
        """The objects of a source at a commit, each with its tracking annotation.

        Args:
            source: the Application's source.
            commit: the full hash.
            instance: the Application's tracking name.
            namespace: the destination's.
            fresh: drop what is remembered, as a hard refresh does.

        Raises:
            GenerationError: it cannot be rendered.
        """
        self._answer()
        place = json.dumps([commit, source, instance, namespace], sort_keys=True)
        if fresh:
            self._manifests.pop(place, None)
            self._failures.pop(place, None)
        if place in self._manifests:
            return self._manifests[place]
        self._check_paused(place)
        try:
            found = generate(
                source,
                lambda path: self.files(source, commit, path),
                instance.rpartition("_")[2],
            )
        except GenerationError as error:
            count = self._failures.get(place, (0, 0.0, ""))[0] + 1
            self._failures[place] = (count, self.now(), error.what)
            raise
        self._failures.pop(place, None)
        if len(self._manifests) >= REMEMBERED:
            self._manifests.pop(next(iter(self._manifests)))
        objects = tuple(tracking.tracked(obj, instance, namespace) for obj in found.objects)
        self._manifests[place] = Rendered(objects, found.type, found.origins)
        return self._manifests[place]

    def files(self, source: Mapping[str, Any], commit: str, path: str) -> Artifact:
        """The files of a commit below a folder, for rendering and for the git generators.

        Raises:
            GenerationError, SourceError: Git does not answer, or there is no such folder.
        """
        self._answer()
        found = self.git.open(source["repoURL"], commit=commit, path=path or ".")
        return found.fetch(Revision("", commit))

    def forget(self) -> None:
        """Start with empty memory, as a new pod does (the manifest cache is Redis' and stays)."""
        self._revisions.clear()

    def _answer(self) -> None:
        if not self.running:
            raise GenerationError(
                'connection error: desc = "transport: Error while dialing: dial tcp: lookup '
                'argocd-repo-server: connect: connection refused"',
                "Unavailable",
            )

    def _check_paused(self, place: str) -> None:
        count, at, what = self._failures.get(place, (0, 0.0, ""))
        if count < FAILURES:
            return
        if self.now() - at >= self.settings.error_pause:
            del self._failures[place]
            return
        message = what.partition("desc = ")[2] or what
        raise GenerationError(f"Manifest generation error (cached): {message}")
