"""Desired and live state of an Application together: render its sources, and compare.

Source: Argo CD 3.5, `controller/state.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitops_lab.errors import ApiError, ClusterUnreachable, LabError
from gitops_lab.frontends.argocd.app import (
    Source,
    has_many_sources,
    instance,
    sources,
    target_revision,
)
from gitops_lab.frontends.argocd.compare import UNKNOWN, Comparison, compare
from gitops_lab.frontends.argocd.destinations import Destinations
from gitops_lab.frontends.argocd.manifests import GenerationError, not_simulated
from gitops_lab.frontends.argocd.repo_server import RepoServer
from gitops_lab.model import Object


@dataclass(frozen=True)
class Loaded:
    """The desired state of an Application.

    Args:
        objects: the rendered objects; None if they could not be loaded.
        revisions: the commit of each source, as far as it is known.
        types: how each source was rendered.
        error: the message of a ComparisonError; empty if there is none.
        extra: a warning about each field that is not simulated.
    """

    objects: tuple[Object, ...] | None
    revisions: tuple[str, ...]
    types: tuple[str, ...] = ()
    error: str = ""
    extra: tuple[str, ...] = ()


def load(
    repo: RepoServer,
    app: Object,
    found: Sequence[Source],
    revisions: Sequence[str],
    *,
    fresh_revision: bool,
    fresh_manifests: bool = False,
) -> Loaded:
    """Render an Application's sources.

    Args:
        repo: the repo server.
        app: the Application.
        found: its sources, or those of an operation.
        revisions: what to resolve for each source; a full hash is taken as it is.
        fresh_revision: bypass the repo server's memory of where branches are.
        fresh_manifests: render even what is remembered.
    """
    commits: list[str] = []
    objects: list[Object] = []
    types: list[str] = []
    for number, (source, revision) in enumerate(zip(found, revisions, strict=True), 1):
        try:
            commits.append(repo.resolve(source, revision, fresh=fresh_revision))
            if source.get("ref") and not source.get("path"):
                continue  # only names its files for others
            rendered = repo.render(
                source,
                commits[-1],
                instance=instance(app),
                namespace=app["spec"]["destination"].get("namespace") or "",
                fresh=fresh_manifests,
            )
        except GenerationError as error:
            text = (
                "Failed to load target state: failed to generate manifest for source "
                f"{number} of {len(found)}: {error.what}"
            )
            return Loaded(None, tuple(commits), tuple(types), text)
        objects += rendered.objects
        types.append(rendered.type)
    extra = tuple(path for source in found for path in not_simulated(source))
    return Loaded(tuple(objects), tuple(commits), tuple(types), extra=extra)


@dataclass(frozen=True)
class State:
    """What is known of an Application after one comparison.

    Args:
        comparison: its objects, and its sync status.
        loaded: its desired state.
    """

    comparison: Comparison
    loaded: Loaded

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        """Type and message of each condition that the comparison gives."""
        errors = (("ComparisonError", self.loaded.error),) if self.loaded.error else ()
        unknown = (
            ("UnknownError", f"not simulated: spec.source.{path}") for path in self.loaded.extra
        )
        return (*errors, *self.comparison.conditions, *unknown)


def compare_state(
    repo: RepoServer,
    destinations: Destinations,
    app: Object,
    project: Mapping[str, Any],
    *,
    found: Sequence[Source] | None = None,
    revisions: Sequence[str] | None = None,
    fresh_revision: bool,
    fresh_manifests: bool = False,
) -> State:
    """Load both sides of an Application and compare them.

    Args:
        repo: the repo server.
        destinations: the clusters.
        app: the Application.
        project: its project's spec.
        found: the sources to compare with; the Application's own if None.
        revisions: the revisions; what the sources follow if None.
        fresh_revision: bypass the repo server's memory of where branches are.
        fresh_manifests: render even what is remembered.

    Raises:
        DestinationError: the destination is not known.
    """
    own = list(sources(app["spec"])) if found is None else list(found)
    wanted = [target_revision(s) for s in own] if revisions is None else list(revisions)
    target = destinations.find(app["spec"]["destination"])
    loaded = load(
        repo, app, own, wanted,
        fresh_revision=fresh_revision, fresh_manifests=fresh_manifests,
    )  # fmt: skip
    try:
        cache = destinations.cache(target)
        if not cache.is_notified:
            cache.list_again()
        return State(compare(app, instance(app), project, loaded.objects, cache), loaded)
    except (ApiError, ClusterUnreachable) as error:
        text = loaded.error or f"Failed to load live state: {_why(error)}"
    except ValueError as error:
        text = f"Failed to compare desired state to live state: {error}"
    return State(Comparison(UNKNOWN), replace(loaded, error=text))


def _why(error: LabError) -> str:
    return error.message if isinstance(error, ApiError) else str(error)


def compared_to(app: Object) -> dict[str, Any]:
    """What an Application's status says it was compared with."""
    spec = app["spec"]
    result: dict[str, Any] = {"destination": dict(spec["destination"])}
    if has_many_sources(spec):
        result["sources"] = [dict(source) for source in spec["sources"]]
    elif spec.get("source"):
        result["source"] = dict(spec["source"])
    if spec.get("ignoreDifferences"):
        result["ignoreDifferences"] = list(spec["ignoreDifferences"])
    return result
