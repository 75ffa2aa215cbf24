"""Sync waves: which objects are applied together, and in which order within a wave.

Source: Argo CD 3.5, gitops-engine `pkg/sync/{sync_tasks,syncwaves/waves}.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from gitops_lab.model import Object

WAVE = "argocd.argoproj.io/sync-wave"
HELM_WEIGHT = "helm.sh/hook-weight"

KIND_ORDER = (
    "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy",
    "PodDisruptionBudget", "ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass",
    "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition", "ClusterRole",
    "ClusterRoleList", "ClusterRoleBinding", "ClusterRoleBindingList", "Role", "RoleList",
    "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod", "ReplicationController",
    "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob",
    "IngressClass", "Ingress", "APIService",
)  # fmt: skip
_PLACES = {kind: place for place, kind in enumerate(KIND_ORDER)}


def wave(obj: Object) -> int:
    """The wave of an object: its annotation, else the weight of a Helm hook, else 0."""
    annotations = obj["metadata"].get("annotations") or {}
    for name in (WAVE, HELM_WEIGHT):
        try:
            return int(annotations[name])
        except (KeyError, ValueError, TypeError):  # what is no number counts as absent
            continue
    return 0


def kind_order(kind: str) -> int:
    """The place of a kind within its wave; a kind that is not in the list comes last."""
    return _PLACES.get(kind, len(KIND_ORDER))


def mirrored(waves: Iterable[int]) -> dict[int, int]:
    """For each wave of the objects to prune, the wave in which they are pruned.

    The highest takes the place of the lowest and so on, so that objects go in the reverse order
    of their creation.
    """
    distinct = sorted(set(waves))
    return dict(zip(distinct, reversed(distinct), strict=True))
