"""The agent as Kubernetes sees it: a Secret with its access to Git, and a Deployment of one pod.

Its Namespace, its ServiceAccount and its roles are those that a pull deployer needs anywhere.
"""

from __future__ import annotations

import gitops_lab
from gitops_lab.deployers.deployer import Site
from gitops_lab.model import Object, named

NAMESPACE = "gitops-lab"
"""Where an agent lives and keeps its memory, if it may use the whole cluster."""

ACCOUNT = "agent"
"""The ServiceAccount that it runs as."""

IMAGE = f"gitops-lab-agent:{gitops_lab.__version__}"
"""What the image is called. No registry has it: it is built here, and loaded onto the nodes."""

GIT = "/etc/git"
"""Where it finds its access to Git."""

WORK = "/work"
"""Where it may write."""

USER = 65_532
"""The user that it runs as: not root."""


def agent(site: Site) -> tuple[Object, Object]:
    """The Secret and the Deployment of an agent."""
    name, git = site.name, site.git
    home = site.namespace or NAMESPACE
    labels = {"app.kubernetes.io/name": "gitops-lab-agent", "app.kubernetes.io/instance": name}
    secret = named(
        "v1", "Secret", f"{name}-git", home, type="Opaque",
        stringData={"username": git.username, "password": git.token, "ca.crt": git.authority},
    )  # fmt: skip
    container = {
        "name": "agent",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments(site),
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
        "apps/v1", "Deployment", name, home,
        spec={
            "replicas": 1,
            # Never two at once: the old one ends before the new one begins.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    )  # fmt: skip
    return secret, deployment


def arguments(site: Site) -> list[str]:
    """The command line of an agent."""
    policy = site.policy
    return [
        "agent",
        f"--name={site.name}",
        f"--url={site.git.url}",
        f"--branch={site.branch}",
        f"--path={site.path}",
        f"--credentials={GIT}",
        f"--work={WORK}",
        f"--interval={policy.interval:g}",
        f"--namespace={policy.namespace}",
        *(["--self-heal"] if policy.self_heal else []),
        *([] if policy.prune else ["--no-prune"]),
    ]
