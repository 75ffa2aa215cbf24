"""What `flux install` and `flux create` leave in a cluster, as far as it is simulated.

Source: flux2 v2.9.4, manifests/ and the objects that `flux bootstrap` writes.
"""

from __future__ import annotations

from gitops_lab.cluster.rights import cluster_admin, deployer_rights
from gitops_lab.deployers.deployer import Site
from gitops_lab.frontends.flux.api import NAMESPACE
from gitops_lab.frontends.flux.definitions import api_version, definitions
from gitops_lab.frontends.flux.durations import duration
from gitops_lab.model import Object, named

VERSION = "v2.9.4"
"""The version of Flux that is simulated."""

CONTROLLERS = {
    "source-controller": "v1.9.1",
    "kustomize-controller": "v1.9.4",
    "notification-controller": "v1.9.3",
    "helm-controller": "v1.6.3",
    "source-watcher": "v2.2.0",
}
"""The controllers of Flux 2.9.4 and the versions of their images."""

ADMINISTRATORS = ("kustomize-controller", "helm-controller")
"""Those that apply what Git says, and so may do everything."""

LABELS = {"app.kubernetes.io/part-of": "flux", "app.kubernetes.io/version": VERSION}

TOOLKIT = (
    "source.toolkit.fluxcd.io", "source.extensions.fluxcd.io", "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io", "notification.toolkit.fluxcd.io",
)  # fmt: skip


def account(controller: str) -> str:
    """The user that a controller is to the API server."""
    return f"system:serviceaccount:{NAMESPACE}:{controller}"


def set_up(site: Site) -> tuple[Object, ...]:
    """The namespace, accounts, rights and definitions that the controllers need."""
    namespace = named("v1", "Namespace", NAMESPACE)
    namespace["metadata"]["labels"] = dict(LABELS)
    accounts = [named("v1", "ServiceAccount", name, NAMESPACE) for name in CONTROLLERS]
    return (namespace, *accounts, *_rights(site), *definitions())


def workload() -> tuple[Object, ...]:
    """The Deployments of the controllers."""
    return tuple(_deployment(name, version) for name, version in CONTROLLERS.items())


def sync_objects(name: str, url: str, *, branch: str, path: str, interval: float) -> list[Object]:
    """A GitRepository and a Kustomization that deploys a folder of it, and waits for health.

    Args:
        name: of both.
        url: the repository's address.
        branch: the branch to follow.
        path: the folder to deploy.
        interval: seconds between two looks at the repository; the Kustomization has ten times it.
    """
    source = named(
        api_version("GitRepository"), "GitRepository", name, NAMESPACE,
        spec={"interval": duration(interval), "url": url, "ref": {"branch": branch}},
    )  # fmt: skip
    kustomization = named(
        api_version("Kustomization"), "Kustomization", name, NAMESPACE,
        spec={
            "interval": duration(10 * interval),
            "path": path if path.startswith("./") else f"./{path.removeprefix('.')}",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": name},
            "targetNamespace": "default",
            "timeout": duration(max(2 * interval, 30)),
            "wait": True,
        },
    )  # fmt: skip
    return [source, kustomization]


def webhook(name: str, *, token: str) -> list[Object]:
    """A Receiver that has the GitRepository of that name looked at after each push.

    Args:
        name: of the Receiver and the GitRepository.
        token: what the forge and the Receiver share.
    """
    secret = named(
        "v1", "Secret", "receiver-token", NAMESPACE, type="Opaque", stringData={"token": token}
    )
    receiver = named(
        api_version("Receiver"), "Receiver", name, NAMESPACE,
        spec={
            "type": "generic-hmac",
            "secretRef": {"name": "receiver-token"},
            "resources": [{"kind": "GitRepository", "name": name}],
        },
    )  # fmt: skip
    return [secret, receiver]


def _rights(site: Site) -> list[Object]:
    """The roles of the controllers, as `flux install` makes them."""
    group = "rbac.authorization.k8s.io"
    everything = ["*"]
    own = [{"apiGroups": [each], "resources": everything, "verbs": everything} for each in TOOLKIT]
    reads = {
        "apiGroups": [""],
        "resources": ["namespaces", "secrets", "configmaps", "serviceaccounts"],
        "verbs": ["get", "list", "watch"],
    }
    events = {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "get", "patch"]}
    role = named(f"{group}/v1", "ClusterRole", f"crd-controller-{NAMESPACE}")
    role["rules"] = [*own, reads, events]
    binding = named(f"{group}/v1", "ClusterRoleBinding", f"crd-controller-{NAMESPACE}")
    binding["roleRef"] = {
        "apiGroup": group,
        "kind": "ClusterRole",
        "name": role["metadata"]["name"],
    }
    binding["subjects"] = [
        {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE} for name in CONTROLLERS
    ]
    found = [role, binding]
    for name in ADMINISTRATORS:
        if site.rights == "cluster-admin":
            found.append(cluster_admin(account(name), name=name))
        else:
            found += deployer_rights(
                account(name), name=name, namespaces=None, creates_namespaces=True
            )
    if site.rights != "cluster-admin":
        found += _impersonation(group)
    return found


def _impersonation(group: str) -> list[Object]:
    """The controllers share one connection here: the first acts as the others."""
    role = named(f"{group}/v1", "ClusterRole", f"impersonate-{NAMESPACE}")
    role["rules"] = [
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}
    ]
    binding = named(f"{group}/v1", "ClusterRoleBinding", f"impersonate-{NAMESPACE}")
    binding["roleRef"] = {
        "apiGroup": group,
        "kind": "ClusterRole",
        "name": role["metadata"]["name"],
    }
    binding["subjects"] = [
        {"kind": "ServiceAccount", "name": "kustomize-controller", "namespace": NAMESPACE}
    ]
    return [role, binding]


def _deployment(name: str, version: str) -> Object:
    labels = {"app": name}
    container = {
        "name": "manager",
        "image": f"ghcr.io/fluxcd/{name}:{version}",
        "args": ["--watch-all-namespaces=true", "--log-level=info", "--log-encoding=json"],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
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
    made["metadata"]["labels"] = {**LABELS, "app.kubernetes.io/component": name}
    return made
