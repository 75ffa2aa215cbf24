"""Validation: what the API server refuses, and in which words.

Rules are pure functions in a table from kind to rule (`RULES`); a rule yields one `FieldError` for
each fault. They say what the real server says, so that a reader of a refusal here has read the
one they will meet at work.

Source: `ValidateXxx` in pkg/apis/*/validation and the registry strategies of Kubernetes 1.37, with
its default feature gates.
"""

from __future__ import annotations

from dataclasses import replace

from kubesim import refusals
from kubesim.admission.validation import (
    access,
    admission_policies,
    autoscaling,
    certificates,
    cluster,
    configuration,
    custom,
    definitions,
    jobs,
    names,
    networking,
    pod_parts,
    pods,
    services,
    small,
    statuses,
    storage,
    workloads,
)
from kubesim.admission.validation.field import FieldError, Rule
from kubesim.admission.validation.metadata import (
    check_changes,
    check_content,
    check_names,
)
from kubesim.model import Object
from kubesim.resources import Resource

RULES: dict[tuple[str, str], Rule] = {
    ("", "ConfigMap"): configuration.config_map,
    ("", "Endpoints"): services.endpoints,
    ("", "LimitRange"): cluster.limit_range,
    ("", "Namespace"): cluster.namespace,
    ("", "Node"): cluster.node,
    ("", "PersistentVolume"): storage.volume,
    ("", "PersistentVolumeClaim"): storage.claim,
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): pods.pod_template,
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "ResourceQuota"): cluster.resource_quota,
    ("", "Secret"): configuration.secret,
    ("", "Service"): services.service,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): admission_policies.policy,
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
    ): admission_policies.binding,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definitions.custom_resource,
    ("apps", "ControllerRevision"): workloads.controller_revision,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaling.autoscaler,
    ("autoscaling", "Scale"): autoscaling.scale,
    ("batch", "CronJob"): jobs.cron_job,
    ("batch", "Job"): jobs.job,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificates.signing_request,
    ("discovery.k8s.io", "EndpointSlice"): services.endpoint_slice,
    ("networking.k8s.io", "Ingress"): networking.ingress,
    ("networking.k8s.io", "IngressClass"): networking.ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): networking.network_policy,
    ("policy", "PodDisruptionBudget"): cluster.disruption_budget,
    ("rbac.authorization.k8s.io", "ClusterRole"): access.cluster_role,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): access.cluster_role_binding,
    ("rbac.authorization.k8s.io", "Role"): access.role,
    ("rbac.authorization.k8s.io", "RoleBinding"): access.role_binding,
    ("scheduling.k8s.io", "PriorityClass"): cluster.priority_class,
    ("", "Event"): small.event,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): small.webhooks,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): small.webhooks,
    ("coordination.k8s.io", "Lease"): small.lease,
    ("node.k8s.io", "RuntimeClass"): small.runtime_class,
    ("storage.k8s.io", "StorageClass"): storage.storage_class,
}
"""The rule for a kind, by group and kind; a kind without one has only its metadata checked."""

PARTS: dict[tuple[str, str, str], Rule] = {
    ("", "Pod", "ephemeralcontainers"): pod_parts.ephemeral_containers,
    ("", "Pod", "resize"): pod_parts.resize,
    ("", "ReplicationController", "status"): statuses.replica_set,
    ("apps", "DaemonSet", "status"): statuses.daemon_set,
    ("apps", "Deployment", "status"): statuses.deployment,
    ("apps", "ReplicaSet", "status"): statuses.replica_set,
    ("apps", "StatefulSet", "status"): statuses.stateful_set,
    (
        "certificates.k8s.io",
        "CertificateSigningRequest",
        "approval",
    ): certificates.verdict,
}
"""The rule for what a subresource changes of a kind, in place of the rule for the whole."""

_NAME_FORMATS: dict[tuple[str, str], names.Format] = {
    ("", "Namespace"): names.dns_label,
    ("", "Service"): names.dns_label,
    ("apps", "StatefulSet"): names.dns_label,
    ("rbac.authorization.k8s.io", "ClusterRole"): names.path_segment,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): names.path_segment,
    ("rbac.authorization.k8s.io", "Role"): names.path_segment,
    ("rbac.authorization.k8s.io", "RoleBinding"): names.path_segment,
}


_TWICE = frozenset((("", "Node"), ("batch", "Job")))
"""Kinds whose updates are held to the rules of a new object and to those of a change."""


def validate(
    obj: Object, resource: Resource, *, old: Object | None = None, subresource: str = ""
) -> None:
    """Refuse an object that the real server would refuse.

    What was stored has been valid, so on an update everything outside metadata and status is
    checked only if some of it has changed. (Of a custom object, everything that has changed.)

    Args:
        obj: the object as it would be stored: decoded and with its defaults.
        resource: what it is stored as.
        old: the object as stored; None on create.
        subresource: what of it is written.

    Raises:
        ApiError: 422 Invalid, with one cause for each fault.
    """
    if old is obj:
        return
    kind = (resource.group, resource.kind)
    meta = obj.get("metadata", {})
    extension = resource.is_custom or resource.group == "apiextensions.k8s.io"
    content = list(check_content(meta, extension=extension))
    if old is None:
        name_format = _NAME_FORMATS.get(kind, names.dns_subdomain)
        errors = [*check_names(meta, namespaced=resource.namespaced, name_format=name_format)]
    else:
        errors = [*check_changes(meta, old.get("metadata", {}))]
    again = [] if old is None else [*errors, *content, *content]  # it looks more than once
    errors += content
    part = PARTS.get((*kind, subresource))
    rule = part or RULES.get(kind)
    if resource.schema is not None:
        faults = custom.custom_object(obj, old, resource.schema, resource.scale)
        errors += [_of_status(fault) for fault in faults] if subresource == "status" else faults
    elif rule is not None and (part or old is None or not _same_body(obj, old)):
        errors += rule(obj, old)
        if old is not None and not part and kind in _TWICE:
            errors += rule(obj, None)
    errors += again
    if errors:
        name = meta.get("name") or meta.get("generateName", "")
        causes = [(error.reason, error.message, error.field) for error in errors]
        raise refusals.invalid(resource.group, resource.kind, name, causes)


def _of_status(fault: FieldError) -> FieldError:
    """A fault of a custom object's status, which is told by its place in the status."""
    message = fault.message.replace(f"{fault.field} in body", f"{fault.field[7:]} in body")
    return replace(fault, message=message)


def _same_body(obj: Object, old: Object) -> bool:
    """Whether two objects are equal outside their metadata and status."""
    for field in {**obj, **old}:
        if field in ("metadata", "status"):
            continue
        value, before = obj.get(field), old.get(field)
        if value is not before and value != before:
            return False
    return True
