"""The registry: which resources the API server serves, and how they are called.

Source: the discovery documents of Kubernetes 1.37. Served by default means generally available:
since Kubernetes 1.24 new beta APIs are off until an administrator turns them on, and alpha APIs
always were. Both are left out here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from kubesim.errors import ApiError
from kubesim.model import join_api_version, split_api_version
from kubesim.schema import Node, builtin

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
"""What can be done with an ordinary resource, in the order of the discovery documents."""


@dataclass(frozen=True)
class ScalePaths:
    """Where a custom resource keeps what its Scale shows, as JSON paths such as `.spec.replicas`.

    Args:
        spec_replicas: how many replicas there should be.
        status_replicas: how many there are.
        selector: their label selector as a text; empty if that is nowhere.
    """

    spec_replicas: str
    status_replicas: str
    selector: str = ""


@dataclass(frozen=True)
class Resource:
    """One endpoint of the API, such as `deployments` in `apps/v1`.

    Args:
        group: the API group; empty for the core group.
        version: the version in which objects are served here.
        kind: the kind of the objects.
        plural: the name in URLs, which is also the resource's name.
        singular: what `kubectl` calls a single one.
        namespaced: whether objects live in namespaces.
        short_names: abbreviations for `kubectl`.
        categories: groupings for `kubectl get all` and the like.
        verbs: what can be done with it.
        subresources: status, scale, log and so on.
        generation: whether a change outside metadata and status moves metadata.generation.
        schema: the type of the objects, if it is not one of Kubernetes' own.
        columns: what `kubectl get` shows of them then (CustomResourceColumnDefinition objects).
        scale: where their Scale comes from then, if they have one.
        selectable: fields by which lists can be narrowed down, as paths such as `spec.color`, if a
            CustomResourceDefinition has brought it.
        deprecation: what is said in a warning with every answer, if its version is deprecated.
        stored_as: the resource in whose version they are stored, of a custom kind with several.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    generation: bool = False
    schema: Node | None = field(default=None, repr=False, compare=False)
    columns: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, compare=False)
    scale: ScalePaths | None = None
    stored_as: Resource | None = field(default=None, repr=False)
    selectable: tuple[str, ...] = field(default=(), compare=False)
    deprecation: str = field(default="", compare=False)

    @property
    def is_custom(self) -> bool:
        """Whether a CustomResourceDefinition has brought it."""
        return self.schema is not None

    @cached_property
    def api_version(self) -> str:
        """The `apiVersion` of the objects."""
        return join_api_version(self.group, self.version)

    @cached_property
    def group_resource(self) -> str:
        """The name that error messages use, such as `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def node(self) -> Node:
        """The type of the objects."""
        node = self.schema or builtin().node(self.api_version, self.kind)
        if node is None:
            raise LookupError(f"{self.api_version} {self.kind} has no schema")
        return node


def _row(
    plural: str,
    kind: str,
    short: str = "",
    *,
    categories: str = "",
    subresources: str = "",
    generation: bool = False,
    verbs: str = "",
) -> Resource:
    """A line of the table, without the things that the lines of a block have in common."""
    return Resource(
        group="",
        version="",
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        namespaced=False,
        short_names=tuple(short.split()),
        categories=tuple(categories.split()),
        verbs=tuple(verbs.split()) or ALL_VERBS,
        subresources=tuple(subresources.split()),
        generation=generation,
    )


# fmt: off
# The first block of each group version is namespaced, the second is not.
_TABLE: dict[str, tuple[tuple[Resource, ...], tuple[Resource, ...]]] = {
    "v1": ((
        _row("bindings", "Binding", verbs="create"),
        _row("configmaps", "ConfigMap", "cm"),
        _row("endpoints", "Endpoints", "ep"),
        _row("events", "Event", "ev"),
        _row("limitranges", "LimitRange", "limits"),
        _row("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", subresources="status"),
        _row("pods", "Pod", "po", categories="all", generation=True,
             subresources="attach binding ephemeralcontainers eviction exec log portforward proxy "
                          "resize status"),
        _row("podtemplates", "PodTemplate", generation=True),
        _row("replicationcontrollers", "ReplicationController", "rc", categories="all",
             subresources="scale status", generation=True),
        _row("resourcequotas", "ResourceQuota", "quota", subresources="status"),
        _row("secrets", "Secret"),
        _row("serviceaccounts", "ServiceAccount", "sa", subresources="token"),
        _row("services", "Service", "svc", categories="all", subresources="proxy status"),
    ), (
        _row("componentstatuses", "ComponentStatus", "cs", verbs="get list"),
        _row("namespaces", "Namespace", "ns", subresources="finalize status",
             verbs="create delete get list patch update watch"),
        _row("nodes", "Node", "no", subresources="proxy status"),
        _row("persistentvolumes", "PersistentVolume", "pv", subresources="status"),
    )),
    "admissionregistration.k8s.io/v1": ((), (
        _row("mutatingadmissionpolicies", "MutatingAdmissionPolicy",
             categories="api-extensions", generation=True),
        _row("mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding",
             categories="api-extensions", generation=True),
        _row("mutatingwebhookconfigurations", "MutatingWebhookConfiguration",
             categories="api-extensions", generation=True),
        _row("validatingadmissionpolicies", "ValidatingAdmissionPolicy",
             categories="api-extensions", subresources="status", generation=True),
        _row("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding",
             categories="api-extensions", generation=True),
        _row("validatingwebhookconfigurations", "ValidatingWebhookConfiguration",
             categories="api-extensions", generation=True),
    )),
    "apiextensions.k8s.io/v1": ((), (
        _row("customresourcedefinitions", "CustomResourceDefinition", "crd crds",
             categories="api-extensions", subresources="status", generation=True),
    )),
    "apiregistration.k8s.io/v1": ((), (
        _row("apiservices", "APIService", categories="api-extensions", subresources="status"),
    )),
    "apps/v1": ((
        _row("controllerrevisions", "ControllerRevision"),
        _row("daemonsets", "DaemonSet", "ds", categories="all", subresources="status",
             generation=True),
        _row("deployments", "Deployment", "deploy", categories="all",
             subresources="scale status", generation=True),
        _row("replicasets", "ReplicaSet", "rs", categories="all",
             subresources="scale status", generation=True),
        _row("statefulsets", "StatefulSet", "sts", categories="all",
             subresources="scale status", generation=True),
    ), ()),
    "authentication.k8s.io/v1": ((), (
        _row("selfsubjectreviews", "SelfSubjectReview", verbs="create"),
        _row("tokenreviews", "TokenReview", verbs="create"),
    )),
    "authorization.k8s.io/v1": ((
        _row("localsubjectaccessreviews", "LocalSubjectAccessReview", verbs="create"),
    ), (
        _row("selfsubjectaccessreviews", "SelfSubjectAccessReview", verbs="create"),
        _row("selfsubjectrulesreviews", "SelfSubjectRulesReview", verbs="create"),
        _row("subjectaccessreviews", "SubjectAccessReview", verbs="create"),
    )),
    "autoscaling/v1": ((
        _row("horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", categories="all",
             subresources="status", generation=True),
    ), ()),
    "autoscaling/v2": ((
        _row("horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", categories="all",
             subresources="status", generation=True),
    ), ()),
    "batch/v1": ((
        _row("cronjobs", "CronJob", "cj", categories="all", subresources="status",
             generation=True),
        _row("jobs", "Job", categories="all", subresources="status", generation=True),
    ), ()),
    "certificates.k8s.io/v1": ((
        _row("podcertificaterequests", "PodCertificateRequest", subresources="status"),
    ), (
        _row("certificatesigningrequests", "CertificateSigningRequest", "csr",
             subresources="approval status"),
        _row("clustertrustbundles", "ClusterTrustBundle"),
    )),
    "coordination.k8s.io/v1": ((
        _row("leases", "Lease"),
    ), ()),
    "discovery.k8s.io/v1": ((
        _row("endpointslices", "EndpointSlice", generation=True),
    ), ()),
    "events.k8s.io/v1": ((
        _row("events", "Event", "ev"),
    ), ()),
    "flowcontrol.apiserver.k8s.io/v1": ((), (
        _row("flowschemas", "FlowSchema", subresources="status", generation=True),
        _row("prioritylevelconfigurations", "PriorityLevelConfiguration",
             subresources="status", generation=True),
    )),
    "networking.k8s.io/v1": ((
        _row("ingresses", "Ingress", "ing", subresources="status", generation=True),
        _row("networkpolicies", "NetworkPolicy", "netpol", generation=True),
    ), (
        _row("ingressclasses", "IngressClass", generation=True),
        _row("ipaddresses", "IPAddress", "ip"),
        _row("servicecidrs", "ServiceCIDR", subresources="status"),
    )),
    "node.k8s.io/v1": ((), (
        _row("runtimeclasses", "RuntimeClass"),
    )),
    "policy/v1": ((
        _row("poddisruptionbudgets", "PodDisruptionBudget", "pdb", subresources="status",
             generation=True),
    ), ()),
    "rbac.authorization.k8s.io/v1": ((
        _row("rolebindings", "RoleBinding"),
        _row("roles", "Role"),
    ), (
        _row("clusterrolebindings", "ClusterRoleBinding"),
        _row("clusterroles", "ClusterRole"),
    )),
    "resource.k8s.io/v1": ((
        _row("resourceclaims", "ResourceClaim", subresources="status"),
        _row("resourceclaimtemplates", "ResourceClaimTemplate"),
    ), (
        _row("deviceclasses", "DeviceClass", generation=True),
        _row("devicetaintrules", "DeviceTaintRule", subresources="status", generation=True),
        _row("resourceslices", "ResourceSlice", generation=True),
    )),
    "scheduling.k8s.io/v1": ((), (
        _row("priorityclasses", "PriorityClass", "pc", generation=True),
    )),
    "storage.k8s.io/v1": ((
        _row("csistoragecapacities", "CSIStorageCapacity"),
    ), (
        _row("csidrivers", "CSIDriver"),
        _row("csinodes", "CSINode", subresources="status"),
        _row("storageclasses", "StorageClass", "sc"),
        _row("volumeattachments", "VolumeAttachment", subresources="status"),
        _row("volumeattributesclasses", "VolumeAttributesClass", "vac"),
    )),
    "storagemigration.k8s.io/v1": ((), (
        _row("storageversionmigrations", "StorageVersionMigration", subresources="status"),
    )),
}
# fmt: on


@cache
def _builtin_resources() -> tuple[Resource, ...]:
    """Every line of the table, complete."""
    found = []
    for api_version, blocks in _TABLE.items():
        group, version = split_api_version(api_version)
        for namespaced, rows in zip((True, False), blocks, strict=True):
            for row in rows:
                place = {"group": group, "version": version, "namespaced": namespaced}
                found.append(Resource(**{**row.__dict__, **place}))
    return tuple(found)


class Registry:
    """The resources that one cluster serves."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._by_plural: dict[tuple[str, str, str], Resource] = {}
        self._preferred: dict[tuple[str, str], Resource] = {}
        for resource in resources:
            self.add(resource)

    @classmethod
    def builtin(cls) -> Registry:
        """A registry of Kubernetes' own resources, to which custom ones can be added."""
        return _builtin_registry().copy()

    def copy(self) -> Registry:
        """A registry of the same resources that changes on its own."""
        copy = Registry()
        copy._by_kind = self._by_kind.copy()
        copy._by_plural = self._by_plural.copy()
        copy._preferred = self._preferred.copy()
        return copy

    def add(self, resource: Resource) -> None:
        """Serve a resource, in place of what was served there before."""
        self._by_kind[resource.api_version, resource.kind] = resource
        self._by_plural[resource.group, resource.version, resource.plural] = resource
        self._prefer(resource.group, resource.kind)

    def remove(self, resource: Resource) -> None:
        """Serve a resource no more; one that is not served is no error."""
        if self._by_kind.get((resource.api_version, resource.kind)) == resource:
            del self._by_kind[resource.api_version, resource.kind]
        self._by_plural.pop((resource.group, resource.version, resource.plural), None)
        self._prefer(resource.group, resource.kind)

    def _prefer(self, group: str, kind: str) -> None:
        """Find the version of a kind that clients should use among those that are served."""
        served = [each for each in self.all() if (each.group, each.kind) == (group, kind)]
        if served:
            self._preferred[group, kind] = max(served, key=lambda each: priority(each.version))
        else:
            self._preferred.pop((group, kind), None)

    def by_kind(self, api_version: str, kind: str) -> Resource:
        """The resource that serves a kind.

        Raises:
            ApiError: 404 NotFound, in the words of the clients' REST mapper.
        """
        resource = self._by_kind.get((api_version, kind))
        if resource is None:
            raise _not_found(f'no matches for kind "{kind}" in version "{api_version}"')
        return resource

    def by_plural(self, group: str, version: str, plural: str) -> Resource:
        """The resource at a URL.

        Raises:
            ApiError: 404 NotFound.
        """
        resource = self._by_plural.get((group, version, plural))
        if resource is None:
            message = "the server could not find the requested resource"
            raise ApiError(404, "NotFound", message, details={})
        return resource

    def has_group(self, group: str) -> bool:
        """Whether anything of an API group is served."""
        return any(each == group for each, _, _ in self._by_plural)

    def preferred(self, group: str, kind: str) -> Resource:
        """The resource that serves a kind in the version that clients should use.

        Raises:
            ApiError: 404 NotFound, in the words of the clients' REST mapper.
        """
        resource = self._preferred.get((group, kind))
        if resource is None:
            raise _not_found(f'no matches for kind "{kind}" in group "{group}"')
        return resource

    def all(self) -> list[Resource]:
        """Every resource that is served."""
        return list(self._by_plural.values())


@cache
def _builtin_registry() -> Registry:
    return Registry(_builtin_resources())


_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?", re.ASCII)


def priority(version: str) -> tuple[int, int, int]:
    """How an API version ranks: v2 before v1 before v1beta1 before v1alpha1 before all others.

    Source: apimachinery `version.CompareKubeAwareVersionStrings` (names that are no versions are
    not told apart here).
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        return (0, 0, 0)
    major, stage, minor = match.groups()
    return ({"alpha": 1, "beta": 2}.get(stage, 3), int(major), int(minor or 0))


def _not_found(message: str) -> ApiError:
    return ApiError(404, "NotFound", message)
