"""The agent as Kubernetes sees it: a Secret with its access to Git, and a Deployment of one pod.

Its Namespace, its ServiceAccount and its roles are those that a pull deployer needs anywhere.
"""

from __future__ import annotations

import gitops_lab
from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.pull import NAMESPACE
from gitops_lab.model import Object, named

ACCOUNT = "agent"
"""The ServiceAccount that it runs as."""

IMAGE = f"gitops-lab-agent:{gitops_lab.__version__}"
"""What the image is called. No registry has it: it is built here, and loaded onto the nodes."""

GIT = "/etc/git"
"""Where it finds its access to Git."""

WORK = "/work"
"""Where it may write."""

USER = 65_532
"""As whom it runs: nobody in particular, but not as root."""


def agent(
    name: str, url: str, policy: Policy, *, username: str, token: str, authority: str
) -> tuple[Object, Object]:
    """The Secret and the Deployment of an agent.

    Args:
        name: its name in the cluster: field manager and owner label.
        url: the repository's address, as seen from the cluster.
        policy: what it may do, and when.
        username: its account at the Git server.
        token: proves that.
        authority: the certificate that the Git server's own is signed by, in PEM.
    """
    labels = {"app.kubernetes.io/name": "gitops-lab-agent", "app.kubernetes.io/instance": name}
    secret = named(
        "v1", "Secret", f"{name}-git", NAMESPACE, type="Opaque",
        stringData={"username": username, "password": token, "ca.crt": authority},
    )  # fmt: skip
    container = {
        "name": "agent",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments(name, url, policy),
        "resources": {
            "requests": {"cpu": "50m", "memory": "96Mi"},
            "limits": {"memory": "256Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "git", "mountPath": GIT, "readOnly": True},
            {"name": "work", "mountPath": WORK},
        ],
    }
    pod = {
        "serviceAccountName": ACCOUNT,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 10,
        "containers": [container],
        "volumes": [
            {"name": "git", "secret": {"secretName": f"{name}-git"}},
            {"name": "work", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }
    deployment = named(
        "apps/v1", "Deployment", name, NAMESPACE,
        spec={
            "replicas": 1,
            # Never two at once: the old one ends before the new one begins.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    )  # fmt: skip
    return secret, deployment


def arguments(name: str, url: str, policy: Policy) -> list[str]:
    """The command line of an agent with this policy."""
    return [
        "agent",
        f"--name={name}",
        f"--url={url}",
        f"--credentials={GIT}",
        f"--work={WORK}",
        f"--interval={policy.interval:g}",
        f"--namespace={policy.namespace}",
        *(["--self-heal"] if policy.self_heal else []),
        *([] if policy.prune else ["--no-prune"]),
    ]
