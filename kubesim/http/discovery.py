"""Discovery: which groups, versions and resources a cluster serves, as its clients ask for it.

There are two forms. The aggregated one tells everything in two documents, for `/api` and `/apis`;
the older one takes a document for each group version. Sources: apidiscovery.k8s.io/v2 and meta/v1
of Kubernetes 1.37.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubesim.api import scale
from kubesim.errors import ApiError
from kubesim.model import Object, join_api_version, split_api_version
from kubesim.resources import Registry, Resource, priority
from kubesim.schema import KUBERNETES_VERSION

# Which group comes first decides which resource a short name means: the Events of the core group
# before those of events.k8s.io. Source: the priorities of the built-in APIServices in
# pkg/controlplane/apiserver; groups of custom resources follow by name.
_GROUPS = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "resource.k8s.io",
    "storagemigration.k8s.io",
)


@dataclass(frozen=True, slots=True)
class Subresource:
    """What a subresource holds, and what can be done with it.

    Args:
        api_version: of what is read and written there; empty for that of the resource.
        kind: likewise.
        verbs: in the order of the discovery documents.
    """

    api_version: str
    kind: str
    verbs: tuple[str, ...]


_READ_WRITE = ("get", "patch", "update")
_PROXY = ("create", "delete", "get", "patch", "update")
_CONNECT = ("create", "get")
_CREATE = ("create",)

_SUBRESOURCES = {
    "approval": Subresource("", "", _READ_WRITE),
    "attach": Subresource("v1", "PodAttachOptions", _CONNECT),
    "binding": Subresource("v1", "Binding", _CREATE),
    "ephemeralcontainers": Subresource("", "", _READ_WRITE),
    "eviction": Subresource("policy/v1", "Eviction", _CREATE),
    "exec": Subresource("v1", "PodExecOptions", _CONNECT),
    "finalize": Subresource("", "", ("update",)),
    "log": Subresource("", "", ("get",)),
    "portforward": Subresource("v1", "PodPortForwardOptions", _CONNECT),
    "resize": Subresource("", "", _READ_WRITE),
    "scale": Subresource(scale.API_VERSION, scale.KIND, _READ_WRITE),
    "status": Subresource("", "", _READ_WRITE),
    "token": Subresource("authentication.k8s.io/v1", "TokenRequest", _CREATE),
}


def subresource(resource: Resource, name: str) -> Subresource:
    """What one of a resource's subresources is."""
    if name == "proxy":
        return Subresource("v1", f"{resource.kind}ProxyOptions", _PROXY)
    found = _SUBRESOURCES[name]
    if found.kind:
        return found
    return Subresource(resource.api_version, resource.kind, found.verbs)


def version_info() -> Object:
    """What `/version` answers (apimachinery `version.Info`); there is no build to describe."""
    major, minor = KUBERNETES_VERSION.split(".")
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"v{KUBERNETES_VERSION}.0",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "linux/amd64",
    }


def groups(registry: Registry) -> dict[str, tuple[str, ...]]:
    """The groups that are served, in their order, each with its versions, the best one first."""
    found: dict[str, set[str]] = {}
    for each in registry.all():
        found.setdefault(each.group, set()).add(each.version)
    ranks = {group: rank for rank, group in enumerate(_GROUPS)}
    ordered = sorted(found, key=lambda group: (ranks.get(group, len(ranks)), group))
    return {
        group: tuple(
            sorted(sorted(found[group]), key=lambda version: priority(version), reverse=True)
        )
        for group in ordered
    }


# The older form


def legacy_versions(server_address: str = "") -> Object:
    """What `/api` answers (meta/v1 APIVersions).

    Args:
        server_address: host and port under which clients reach the server.
    """
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address},
        ],
    }


def group_list(registry: Registry) -> Object:
    """What `/apis` answers (meta/v1 APIGroupList)."""
    named = [_group(group, versions) for group, versions in groups(registry).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}


def group(registry: Registry, name: str) -> Object:
    """What `/apis/<group>` answers (meta/v1 APIGroup).

    Raises:
        ApiError: 404 NotFound: there is no such group.
    """
    versions = groups(registry).get(name)
    if not name or versions is None:
        raise _not_found()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def resource_list(registry: Registry, group: str, version: str) -> Object:
    """What `/api/v1` and `/apis/<group>/<version>` answer (meta/v1 APIResourceList).

    Raises:
        ApiError: 404 NotFound: there is no such group version.
    """
    served = _served(registry, group, version)
    if not served:
        raise _not_found()
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": join_api_version(group, version),
        "resources": [entry for each in served for entry in _entries(each)],
    }


def _group(name: str, versions: Iterable[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _served(registry: Registry, group: str, version: str) -> list[Resource]:
    """The resources of a group version by name."""
    found = [each for each in registry.all() if (each.group, each.version) == (group, version)]
    return sorted(found, key=lambda each: each.plural)


def _storage_hash(resource: Resource) -> str:
    """The hash by which clients see that objects are stored in another version from now on.

    Source: apiserver `pkg/endpoints/discovery/storageversionhash.go`.
    """
    stored = resource.stored_as or resource
    text = f"{stored.group}/{stored.version}/{stored.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def _entries(resource: Resource) -> Iterable[dict[str, Any]]:
    """A resource and its subresources, as APIResource objects."""
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.is_custom:
        entry["storageVersionHash"] = _storage_hash(resource)
    yield entry
    names = resource.subresources
    for name in names if resource.is_custom else sorted(names):
        below = subresource(resource, name)
        entry = {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": below.kind,
            "verbs": list(below.verbs),
        }
        if below.api_version != resource.api_version:
            group, version = split_api_version(below.api_version)
            entry |= {"group": group, "version": version}
        yield entry


# The aggregated form


def aggregated(registry: Registry, path: str, *, version: str = "v2") -> Object:
    """All that is served below a path (apidiscovery.k8s.io APIGroupDiscoveryList).

    Args:
        registry: what is served.
        path: `/api` for the core group, `/apis` for all others.
        version: of the document: v2, or v2beta1 for clients before 1.30. They do not differ.
    """
    core = path.strip("/") == "api"
    items = [
        {
            "metadata": {**({"name": group} if group else {}), "creationTimestamp": None},
            "versions": [_aggregated_version(registry, group, each) for each in versions],
        }
        for group, versions in groups(registry).items()
        if core == (group == "")
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated_version(registry: Registry, group: str, version: str) -> dict[str, Any]:
    return {
        "version": version,
        "resources": [_aggregated(each) for each in _served(registry, group, version)],
        "freshness": "Current",
    }


def _aggregated(resource: Resource) -> dict[str, Any]:
    """A resource and its subresources, as an APIResourceDiscovery."""
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": _kind(resource.api_version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _kind(below.api_version, below.kind),
                "verbs": list(below.verbs),
            }
            for name in sorted(resource.subresources)
            for below in [subresource(resource, name)]
        ]
    return entry


def _kind(api_version: str, kind: str) -> dict[str, str]:
    group, version = split_api_version(api_version)
    return {"group": group, "version": version, "kind": kind}


def _not_found() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")
