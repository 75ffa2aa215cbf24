"""What a new cluster has before anyone has asked for anything.

Source: the controllers that the real server runs itself (pkg/controlplane), and the PriorityClasses
of scheduling (pkg/apis/scheduling/v1/helpers.go). The StorageClass is the one that kind installs.
"""

from __future__ import annotations

from kubesim.api.options import Options
from kubesim.api.plugins import DEFAULT_CLASS
from kubesim.api.verbs import Api
from kubesim.model import Object

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
"""The namespaces of every cluster."""

PROVISIONER = "rancher.io/local-path"
"""Who makes the volumes of the default StorageClass `standard`."""

ADDRESS, PORT = "172.18.0.1", 6443
"""Where the API server itself is, in the network of the nodes: behind the Service `kubernetes`."""

_COMPONENTS = ("controller-manager", "etcd-0", "scheduler")

_OPTIONS = Options(field_manager="kube-apiserver")

_CLASSES = (
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another "
        "node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
)


def bootstrap(api: Api) -> None:
    """Create the namespaces, the Service and the classes of every cluster, unless they are there.

    From then on the statuses of the cluster's components are told as well.

    Nodes come with the kubelet, the ServiceAccount of each namespace with its controller.
    """
    for name in NAMESPACES:
        _create(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for name, value, description in _CLASSES:
        _create(
            api,
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name},
                "value": value,
                "description": description,
            },
        )
    _create(
        api,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"component": "apiserver", "provider": "kubernetes"},
            },
            "spec": {
                "clusterIP": "10.96.0.1",
                "ports": [{"name": "https", "port": 443, "targetPort": PORT}],
            },
        },
    )
    ports = [{"name": "https", "port": PORT, "protocol": "TCP"}]
    _create(
        api,
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
            },
            "subsets": [{"addresses": [{"ip": ADDRESS}], "ports": ports}],
        },
    )
    _create(
        api,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
            "ports": ports,
        },
    )
    _create(
        api,
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}},
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
    )
    api.computed["", "componentstatuses"] = lambda namespace: list(map(_healthy, _COMPONENTS))


def _healthy(component: str) -> Object:
    """The ComponentStatus of a part of the cluster: all parts are healthy while the API answers."""
    return {
        "apiVersion": "v1",
        "kind": "ComponentStatus",
        "metadata": {"name": component},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}],
    }


def _create(api: Api, body: Object) -> None:
    resource, metadata = api.registry.by_kind(body["apiVersion"], body["kind"]), body["metadata"]
    key = (resource.group, resource.plural, metadata.get("namespace", ""), metadata["name"])
    if api.store.get(key) is None:
        api.create(resource, body, options=_OPTIONS)
