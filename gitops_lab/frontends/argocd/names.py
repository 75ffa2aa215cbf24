"""The names and the timings of Argo CD 3.5."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

GROUP = "argoproj.io"
API_VERSION = "argoproj.io/v1alpha1"
NAMESPACE = "argocd"
"""The control plane's namespace: Applications live here."""

IN_CLUSTER = "https://kubernetes.default.svc"
IN_CLUSTER_NAME = "in-cluster"

REFRESH = "argocd.argoproj.io/refresh"
SKIP_RECONCILE = "argocd.argoproj.io/skip-reconcile"
TRACKING_ID = "argocd.argoproj.io/tracking-id"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
COMPARE_OPTIONS = "argocd.argoproj.io/compare-options"
IGNORE_HEALTHCHECK = "argocd.argoproj.io/ignore-healthcheck"
DELETION_APPROVED = "argocd.argoproj.io/deletion-approved"
GENERATE_PATHS = "argocd.argoproj.io/manifest-generate-paths"
APPLICATION_SET_REFRESH = "argocd.argoproj.io/application-set-refresh"
SECRET_TYPE = "argocd.argoproj.io/secret-type"
HELM_RESOURCE_POLICY = "helm.sh/resource-policy"

RESOURCES_FINALIZER = "resources-finalizer.argocd.argoproj.io"
FOREGROUND_FINALIZER = f"{RESOURCES_FINALIZER}/foreground"
BACKGROUND_FINALIZER = f"{RESOURCES_FINALIZER}/background"
CASCADE_FINALIZERS = (RESOURCES_FINALIZER, FOREGROUND_FINALIZER, BACKGROUND_FINALIZER)
PRE_DELETE_FINALIZER = "pre-delete-finalizer.argocd.argoproj.io"
POST_DELETE_FINALIZER = "post-delete-finalizer.argocd.argoproj.io"
CLEANUP = "/cleanup"

CONTROLLER = "argocd-application-controller"
APPLICATION_SET_CONTROLLER = "argocd-applicationset-controller"
REPO_SERVER = "argocd-repo-server"
API_SERVER = "argocd-server"
FIELD_MANAGER = "argocd-controller"
"""The field manager of what a sync applies."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How long things take, in seconds; the defaults of Argo CD 3.5.

    Args:
        resync: age of a comparison at which the next one is due (`timeout.reconciliation`).
        jitter: the next comparison comes up to so much later.
        revision_cache: how long the repo server remembers which commit a branch is at.
        error_grace: how long a failure to load the desired state leaves the status as it was.
        error_pause: how long a commit that failed to render three times is not tried again.
        wave_delay: pause after each wave but the last (`ARGOCD_SYNC_WAVE_DELAY`).
        heal_timeout: wait before the second self-heal in a row.
        heal_factor: each later wait is so many times as long.
        heal_cap: and no longer than this.
        remote: pause between two looks at a cluster other than Argo CD's own (which it watches).
        batch: changes of live objects within this time count as one.
        requeue: how often an ApplicationSet looks at Git.
        policy: the ApplicationSet controller's `--policy`; empty leaves it to each set.
    """

    resync: float = 120.0
    jitter: float = 60.0
    revision_cache: float = 180.0
    error_grace: float = 180.0
    error_pause: float = 3600.0
    wave_delay: float = 2.0
    heal_timeout: float = 2.0
    heal_factor: float = 3.0
    heal_cap: float = 300.0
    remote: float = 5.0
    batch: float = 0.1
    requeue: float = 180.0
    policy: str = ""

    def faster(self, pace: float) -> Self:
        """These settings with every span so many times as short; the pace is above zero."""
        spans = (
            "resync", "jitter", "revision_cache", "error_grace", "error_pause", "wave_delay",
            "heal_timeout", "heal_cap", "requeue",
        )  # fmt: skip
        return replace(self, **{name: getattr(self, name) / pace for name in spans})
