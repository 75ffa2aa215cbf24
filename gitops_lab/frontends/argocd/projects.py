"""AppProjects: what an Application may deploy, from where, to where, and when.

Source: Argo CD 3.5, `pkg/apis/application/v1alpha1/{app_project_types,appproject_types}.go` and
`util/argo/argo.go` ValidatePermissions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gitops_lab.frontends.argocd.app import Source, project, sources
from gitops_lab.frontends.argocd.globs import matches
from gitops_lab.frontends.argocd.names import API_VERSION, NAMESPACE
from gitops_lab.model import Object, ObjectKey, named

DEFAULT = named(
    API_VERSION,
    "AppProject",
    "default",
    NAMESPACE,
    spec={
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        "destinations": [{"namespace": "*", "server": "*"}],
        "sourceRepos": ["*"],
    },
)
"""The project that allows everything. The API server creates it when it starts."""

Spec = Mapping[str, Any]


def permits_repository(spec: Spec, url: str) -> bool:
    """Whether a project's sourceRepos hold a repository; `!` denies."""
    allowed = False
    for pattern in spec.get("sourceRepos") or ():
        if pattern.startswith("!"):
            if matches(_normalised(pattern[1:]), _normalised(url), separator="/"):
                return False
        elif pattern == "*" or matches(_normalised(pattern), _normalised(url), separator="/"):
            allowed = True
    return allowed


def _normalised(url: str) -> str:
    return url.strip().removesuffix("/").removesuffix(".git")


def permits_destination(spec: Spec, server: str, name: str, namespace: str) -> bool:
    """Whether a project's destinations hold a cluster and namespace; `!` denies."""
    allowed = False
    for entry in spec.get("destinations") or ():
        wanted = [(entry.get("namespace") or "", namespace)]
        if entry.get("server"):
            wanted.append((entry["server"], server))
        elif entry.get("name"):
            wanted.append((entry["name"], name))
        denied = any(pattern.startswith("!") for pattern, _ in wanted)
        if all(matches(pattern.removeprefix("!"), text) for pattern, text in wanted):
            if denied:
                return False
            allowed = True
        elif denied and all(
            pattern.startswith("!") != matches(pattern.removeprefix("!"), text)
            for pattern, text in wanted
        ):
            return False
    return allowed


def permits_kind(spec: Spec, key: ObjectKey, *, namespaced: bool) -> bool:
    """Whether a project permits a kind: an empty list allows no cluster-scoped kind at all."""
    if namespaced:
        white = spec.get("namespaceResourceWhitelist")
        black = spec.get("namespaceResourceBlacklist") or ()
        return (white is None or _listed(white, key)) and not _listed(black, key)
    white = spec.get("clusterResourceWhitelist") or ()
    return _listed(white, key) and not _listed(spec.get("clusterResourceBlacklist") or (), key)


def _listed(entries: Sequence[Mapping[str, str]], key: ObjectKey) -> bool:
    return any(
        matches(entry["group"], key.group)
        and matches(entry["kind"], key.kind)
        and (not entry.get("name") or matches(entry["name"], key.name))
        for entry in entries
    )


def spec_faults(app: Object) -> Iterator[str]:
    """What is missing in an Application's own fields."""
    spec = app["spec"]
    found = sources(spec)
    if not found:
        yield "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
    for source in found:
        if not source.get("repoURL") or not (
            source.get("path") or source.get("chart") or source.get("ref")
        ):
            yield (
                "spec.source.repoURL and either spec.source.path or spec.source.chart are required"
            )
        elif source.get("chart") and not source.get("targetRevision"):
            yield "spec.source.targetRevision is required if the manifest source is a helm chart"


def refusals(app: Object, found: Spec | None, server: str, cluster_name: str) -> Iterator[str]:
    """Why a project does not let an Application be, in the words of its InvalidSpecError.

    Args:
        app: the Application.
        found: the project's spec; None if there is no such project.
        server: the address of the destination's cluster.
        cluster_name: its name.
    """
    spec, name = app["spec"], project(app["spec"])
    if found is None:
        yield f"Application referencing project {name} which does not exist"
        return
    metadata = app["metadata"]
    if metadata.get("namespace") != NAMESPACE and not any(
        matches(pattern, metadata["namespace"]) for pattern in found.get("sourceNamespaces") or ()
    ):
        yield (
            f"application '{metadata['name']}' in namespace '{metadata['namespace']}' is not "
            f"permitted to use project '{name}'"
        )
    yield from _repositories(sources(spec), found, name)
    namespace = spec["destination"].get("namespace") or ""
    if server and not permits_destination(found, server, cluster_name, namespace):
        yield (
            f"application destination server '{server}' and namespace '{namespace}' do not match "
            f"any of the allowed destinations in project '{name}'"
        )


def _repositories(found: Sequence[Source], spec: Spec, name: str) -> Iterator[str]:
    for source in found:
        if not permits_repository(spec, source.get("repoURL", "")):
            url = source.get("repoURL", "")
            yield f"application repo {url} is not permitted in project '{name}'"
