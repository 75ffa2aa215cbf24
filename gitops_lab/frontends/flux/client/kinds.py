"""The kinds as the `flux` CLI calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_lab.errors import UsageError
from gitops_lab.frontends.flux.api import key_of
from gitops_lab.frontends.flux.definitions import api_version, group_resource
from gitops_lab.model import ObjectKey, split_api_version


@dataclass(frozen=True)
class Kind:
    """One kind.

    Args:
        kind: its name.
        human: what messages call it, such as `kustomization`.
        names: what one may write on the command line.
        source: whether it stands behind `source` or `sources`.
        static: the message of those that no controller gives a status.
    """

    kind: str
    human: str
    names: tuple[str, ...]
    source: bool = False
    static: str = ""

    @property
    def api_version(self) -> str:
        """Group and version."""
        return api_version(self.kind)

    @property
    def group(self) -> str:
        """The API group."""
        return split_api_version(self.api_version)[0]

    @property
    def resource(self) -> str:
        """The name that the API server uses in errors."""
        return group_resource(self.kind)

    def key(self, namespace: str, name: str) -> ObjectKey:
        """The key of an object of this kind."""
        return key_of(self.kind, namespace, name)

    def revision(self, status: Mapping[str, Any]) -> str:
        """The revision that a table shows."""
        if self.kind == "Kustomization":
            return str(status.get("lastAppliedRevision") or "")
        if self.kind == "HelmRelease":
            history = status.get("history") or [{}]
            return str(history[0].get("chartVersion") or "")
        return str((status.get("artifact") or {}).get("revision") or "")


KINDS = (
    Kind("GitRepository", "source git", ("git", "gitrepository"), source=True),
    Kind("OCIRepository", "source oci", ("oci", "ocirepository"), source=True),
    Kind("Bucket", "source bucket", ("bucket",), source=True),
    Kind("HelmRepository", "source helm", ("helm", "helmrepository"), source=True),
    Kind("HelmChart", "source chart", ("chart", "helmchart"), source=True),
    Kind("ExternalArtifact", "source external", ("external", "externalartifact"), source=True),
    Kind("Kustomization", "kustomization", ("kustomization", "kustomizations", "ks")),
    Kind("HelmRelease", "helmrelease", ("helmrelease", "helmreleases", "hr")),
    Kind("Receiver", "receiver", ("receiver", "receivers")),
    Kind("Alert", "alert", ("alert", "alerts"), static="Alert is Ready"),
    Kind("Provider", "alert-provider", ("alert-provider", "alert-providers"),
         static="Provider is Ready"),
    Kind("ArtifactGenerator", "artifact generator", ("artifactgenerator", "generator")),
)  # fmt: skip
"""The kinds, in the order in which `get all` lists them."""

BY_KIND = {kind.kind: kind for kind in KINDS}


def kind_named(*words: str) -> Kind:
    """The kind that the words of a command mean, such as `ks` or `source git`.

    Raises:
        UsageError: there is no such kind.
    """
    is_source = words[0] in ("source", "sources", "artifacts")
    name = words[-1].lower()
    for kind in KINDS:
        if name in kind.names and kind.source == is_source:
            return kind
    known = ", ".join(f"source {k.names[0]}" if k.source else k.names[-1] for k in KINDS)
    raise UsageError(f"there is no kind {' '.join(words)!r}", fix=f"choose from {known}")
