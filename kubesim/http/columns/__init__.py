"""The columns of tables, kind by kind, as `kubectl get` shows them."""

from __future__ import annotations

from collections.abc import Mapping

from kubesim.http.columns import cluster, metrics, networking, storage, workloads
from kubesim.http.columns.column import PLAIN, Column
from kubesim.http.columns.custom import custom_columns
from kubesim.http.columns.pods import PODS
from kubesim.resources import Resource

__all__ = ["Column", "columns"]

_COLUMNS: Mapping[str, Mapping[str, tuple[Column, ...]]] = {
    "": {
        "ComponentStatus": cluster.COMPONENT_STATUSES,
        "ConfigMap": cluster.CONFIG_MAPS,
        "Endpoints": networking.ENDPOINTS,
        "Event": cluster.EVENTS,
        "Namespace": cluster.NAMESPACES,
        "Node": cluster.NODES,
        "PersistentVolume": storage.PERSISTENT_VOLUMES,
        "PersistentVolumeClaim": storage.PERSISTENT_VOLUME_CLAIMS,
        "Pod": PODS,
        "PodTemplate": workloads.POD_TEMPLATES,
        "ReplicationController": workloads.REPLICAS,
        "ResourceQuota": cluster.RESOURCE_QUOTAS,
        "Secret": cluster.SECRETS,
        "Service": networking.SERVICES,
        "ServiceAccount": cluster.SERVICE_ACCOUNTS,
    },
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy": cluster.MUTATING_POLICIES,
        "MutatingAdmissionPolicyBinding": cluster.POLICY_BINDINGS,
        "MutatingWebhookConfiguration": cluster.WEBHOOKS,
        "ValidatingAdmissionPolicy": cluster.VALIDATING_POLICIES,
        "ValidatingAdmissionPolicyBinding": cluster.POLICY_BINDINGS,
        "ValidatingWebhookConfiguration": cluster.WEBHOOKS,
    },
    "apiregistration.k8s.io": {"APIService": cluster.API_SERVICES},
    "apps": {
        "ControllerRevision": workloads.CONTROLLER_REVISIONS,
        "DaemonSet": workloads.DAEMON_SETS,
        "Deployment": workloads.DEPLOYMENTS,
        "ReplicaSet": workloads.REPLICAS,
        "StatefulSet": workloads.STATEFUL_SETS,
    },
    "autoscaling": {
        "HorizontalPodAutoscaler": workloads.AUTOSCALERS,
        "Scale": workloads.SCALES,
    },
    "batch": {"CronJob": workloads.CRON_JOBS, "Job": workloads.JOBS},
    "certificates.k8s.io": {
        "CertificateSigningRequest": cluster.CERTIFICATE_SIGNING_REQUESTS,
        "ClusterTrustBundle": cluster.CLUSTER_TRUST_BUNDLES,
    },
    "coordination.k8s.io": {"Lease": cluster.LEASES},
    "discovery.k8s.io": {"EndpointSlice": networking.ENDPOINT_SLICES},
    "events.k8s.io": {"Event": cluster.EVENTS},
    "flowcontrol.apiserver.k8s.io": {
        "FlowSchema": cluster.FLOW_SCHEMAS,
        "PriorityLevelConfiguration": cluster.PRIORITY_LEVELS,
    },
    "metrics.k8s.io": {"NodeMetrics": metrics.METRICS, "PodMetrics": metrics.METRICS},
    "networking.k8s.io": {
        "IPAddress": networking.IP_ADDRESSES,
        "Ingress": networking.INGRESSES,
        "IngressClass": networking.INGRESS_CLASSES,
        "NetworkPolicy": networking.NETWORK_POLICIES,
        "ServiceCIDR": networking.SERVICE_CIDRS,
    },
    "node.k8s.io": {"RuntimeClass": cluster.RUNTIME_CLASSES},
    "policy": {"PodDisruptionBudget": workloads.POD_DISRUPTION_BUDGETS},
    "rbac.authorization.k8s.io": {
        "ClusterRoleBinding": cluster.ROLE_BINDINGS,
        "RoleBinding": cluster.ROLE_BINDINGS,
    },
    "resource.k8s.io": {
        "DeviceClass": cluster.NAME_AND_AGE,
        "ResourceClaim": workloads.RESOURCE_CLAIMS,
        "ResourceClaimTemplate": cluster.NAME_AND_AGE,
        "ResourceSlice": cluster.RESOURCE_SLICES,
    },
    "scheduling.k8s.io": {"PriorityClass": cluster.PRIORITY_CLASSES},
    "storage.k8s.io": {
        "CSIDriver": storage.CSI_DRIVERS,
        "CSINode": storage.CSI_NODES,
        "CSIStorageCapacity": storage.CSI_STORAGE_CAPACITIES,
        "StorageClass": storage.STORAGE_CLASSES,
        "VolumeAttachment": storage.VOLUME_ATTACHMENTS,
        "VolumeAttributesClass": storage.VOLUME_ATTRIBUTES_CLASSES,
    },
}


def columns(resource: Resource) -> tuple[Column, ...]:
    """The columns of a resource; those of a custom one are in its definition."""
    known = _COLUMNS.get(resource.group, {}).get(resource.kind)
    if known is None and resource.schema is not None:
        return custom_columns(resource.columns)
    return known or PLAIN
