"""What installing Argo CD leaves in a cluster, as far as it is simulated.

Source: Argo CD 3.5, `manifests/`. The application controller is a StatefulSet there, and here a
Deployment like the others.
"""

from __future__ import annotations

from typing import Any

from gitops_lab.cluster.rights import cluster_admin, deployer_rights
from gitops_lab.deployers.deployer import Site
from gitops_lab.frontends.argocd.crds import DEFINITIONS
from gitops_lab.frontends.argocd.names import (
    API_SERVER,
    API_VERSION,
    APPLICATION_SET_CONTROLLER,
    CONTROLLER,
    IN_CLUSTER,
    NAMESPACE,
    REPO_SERVER,
    SECRET_TYPE,
)
from gitops_lab.model import Object, named

VERSION = "v3.5.1"
"""The version of Argo CD that is simulated."""

PROGRAMS = (CONTROLLER, REPO_SERVER, API_SERVER, APPLICATION_SET_CONTROLLER)
"""The programs, each in a pod of its own where deployers run in pods."""

APPLICATION = "app"
"""The name of an arm's own Application."""


def set_up(site: Site) -> tuple[Object, ...]:
    """The namespace, accounts, rights, kinds and settings, and the arm's own Application."""
    labels = {"app.kubernetes.io/part-of": "argocd"}
    accounts = [named("v1", "ServiceAccount", name, NAMESPACE) for name in PROGRAMS]
    settings = named("v1", "ConfigMap", "argocd-cm", NAMESPACE, data={})
    settings["metadata"]["labels"] = labels
    return (
        named("v1", "Namespace", NAMESPACE),
        *accounts,
        *_rights(site),
        *DEFINITIONS,
        settings,
        *_repository(site),
        application(site),
    )


def _rights(site: Site) -> tuple[Object, ...]:
    if site.rights == "cluster-admin":
        return (cluster_admin(site.user, name=CONTROLLER),)
    everything = ["*"]
    own = named("rbac.authorization.k8s.io/v1", "ClusterRole", "argocd-own-kinds")
    own["rules"] = [
        {"apiGroups": ["argoproj.io"], "resources": everything, "verbs": everything},
        {"apiGroups": [""], "resources": ["events", "secrets"], "verbs": everything},
        {"apiGroups": everything, "resources": everything, "verbs": ["get", "list", "watch"]},
    ]
    binding = named("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "argocd-own-kinds")
    binding["roleRef"] = {
        "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "argocd-own-kinds",
    }  # fmt: skip
    binding["subjects"] = [{"kind": "ServiceAccount", "name": CONTROLLER, "namespace": NAMESPACE}]
    rights = deployer_rights(site.user, name=CONTROLLER, namespaces=None, creates_namespaces=True)
    return (own, binding, *rights)


def _repository(site: Site) -> tuple[Object, ...]:
    """The key to the repository: to read Argo CD's Secrets is to hold it."""
    if not site.git.token:
        return ()
    secret = named(
        "v1", "Secret", "repo-app", NAMESPACE, type="Opaque",
        stringData={
            "type": "git", "url": site.git.url, "username": site.git.username,
            "password": site.git.token,
        },
    )  # fmt: skip
    secret["metadata"]["labels"] = {SECRET_TYPE: "repository"}
    return (secret,)


def application(site: Site) -> Object:
    """The Application that deploys an arm's repository."""
    policy = site.policy
    automated: dict[str, Any] = {"prune": policy.prune, "selfHeal": policy.self_heal}
    if policy.allow_empty:
        automated["allowEmpty"] = True
    return named(
        API_VERSION,
        "Application",
        APPLICATION,
        NAMESPACE,
        spec={
            "project": "default",
            "source": {
                "repoURL": site.git.url,
                "targetRevision": site.branch,
                "path": site.path,
                "directory": {"recurse": True},
            },
            "destination": {"server": IN_CLUSTER, "namespace": policy.namespace},
            "syncPolicy": {"automated": automated},
        },
    )


def served(site: Site) -> tuple[Object, ...]:
    """What `argocd cluster add` leaves in a cluster: an account that may do everything there."""
    return (
        named("v1", "Namespace", NAMESPACE),
        named("v1", "ServiceAccount", CONTROLLER, NAMESPACE),
        cluster_admin(site.user, name=CONTROLLER),
    )


def registration(name: str, server: str) -> Object:
    """The Secret by which Argo CD knows a cluster, and which opens that cluster.

    Args:
        name: of the cluster.
        server: its address.
    """
    secret = named(
        "v1", "Secret", f"cluster-{name}", NAMESPACE, type="Opaque",
        stringData={
            "name": name, "server": server, "config": '{"tlsClientConfig": {"insecure": false}}',
        },
    )  # fmt: skip
    secret["metadata"]["labels"] = {SECRET_TYPE: "cluster", "gitops-lab/arm": name}
    return secret


def workload() -> tuple[Object, ...]:
    """The Deployments of the programs."""
    return tuple(_deployment(name) for name in PROGRAMS)


def _deployment(name: str) -> Object:
    labels = {"app.kubernetes.io/name": name}
    container = {
        "name": name,
        "image": f"quay.io/argoproj/argocd:{VERSION}",
        "args": [f"/usr/local/bin/{name}"],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    made = named(
        "apps/v1", "Deployment", name, NAMESPACE,
        spec={
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": name,
                    "terminationGracePeriodSeconds": 10,
                    "containers": [container],
                },
            },
        },
    )  # fmt: skip
    made["metadata"]["labels"] = {**labels, "app.kubernetes.io/part-of": "argocd"}
    return made
