"""kubeconfig files: how a client finds a cluster, recognises it, and says who it is.

Source: client-go `tools/clientcmd/api/v1` (Kubernetes 1.37).
"""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from kubesim.errors import UsageError
from kubesim.files import write_private
from kubesim.model import Object


def kubeconfig(
    server: str,
    ca_pem: str,
    *,
    certificate: tuple[str, str] | None = None,
    token: str = "",
    namespace: str = "",
    cluster: str = "gitops-lab",
    user: str = "admin",
) -> Object:
    """A kubeconfig with one cluster, one user and one context, which is the current one.

    Args:
        server: the URL of the API server.
        ca_pem: the certificate of the authority that the server's own is signed by.
        certificate: the user's certificate and its key, in PEM.
        token: the user's bearer token; either this or the certificate.
        namespace: where commands work that name none; `default` if empty.
        cluster: what people call the cluster.
        user: what people call the user.

    Raises:
        UsageError: not exactly one kind of credentials is given.
    """
    if (certificate is None) == (not token):
        raise UsageError(
            "a kubeconfig proves who one is in one way",
            where=f"user {user!r}",
            fix="give either a certificate or a token",
        )
    if certificate is None:
        proof = {"token": token}
    else:
        names = ("client-certificate-data", "client-key-data")
        proof = {name: _encoded(pem) for name, pem in zip(names, certificate, strict=True)}
    context = {"cluster": cluster, "user": user, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster,
                "cluster": {"server": server, "certificate-authority-data": _encoded(ca_pem)},
            }
        ],
        "users": [{"name": user, "user": proof}],
        "contexts": [{"name": cluster, "context": context}],
        "current-context": cluster,
        "preferences": {},
    }


def write(config: Object, path: Path) -> None:
    """Write a kubeconfig that only its owner can read: it lets its reader act as that user."""
    write_private(path, yaml.safe_dump(config, sort_keys=False))


def _encoded(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
