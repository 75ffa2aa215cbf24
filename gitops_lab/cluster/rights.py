"""What a deployer may do in its cluster.

There is one dial, `rights`, with two positions:

- `cluster-admin`: everything. Flux and Argo CD are installed like this, and repositories that hold
  custom resource definitions, roles and bindings need it.
- `application`: what applications consist of, and nothing else. Push and pull then need the same
  rights, apart from two things: a pipeline without an inventory never deletes, so it need not be
  able to; an agent keeps its memory in the cluster, so it writes two ConfigMaps of its own. Neither
  may read logs, exec, or write roles, so a manifest with a Role in it is refused.

Push and pull may do the same. Where the credentials lie differs: an agent's never leave the
cluster; a pipeline's are in CI, and a thief of them can do all that is granted here.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_lab.model import Object, named
from gitops_lab.ports import account_of

GROUP = "rbac.authorization.k8s.io"
"""The API group of roles and bindings."""

APPLIED = {
    "": "configmaps persistentvolumeclaims pods secrets serviceaccounts services",
    "apps": "daemonsets deployments statefulsets",
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "networking.k8s.io": "ingresses networkpolicies",
    "policy": "poddisruptionbudgets",
}
"""The resources of applications, by API group."""

MEMORY = ("inventory", "status")
"""What an agent keeps in the cluster: one ConfigMap each, with its name in front."""


def cluster_admin(user: str, *, name: str) -> Object:
    """The binding that allows a user everything.

    Args:
        user: as whom the API server knows it.
        name: from which the binding's name is made, for example a deployer's.
    """
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"gitops-lab:{name}:cluster-admin"},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [_subject(user)],
    }


def account_objects(user: str, *, namespace_exists: bool = False) -> tuple[Object, ...]:
    """The Namespace and the ServiceAccount of a user; none if it is no ServiceAccount."""
    account = account_of(user)
    if account is None:
        return ()
    namespace, name = account
    serviceaccount = named("v1", "ServiceAccount", name, namespace)
    if namespace_exists:
        return (serviceaccount,)
    return (named("v1", "Namespace", namespace), serviceaccount)


def deployer_rights(
    user: str,
    *,
    name: str,
    namespaces: Sequence[str] | None = ("default",),
    prunes: bool = True,
    memory: str = "",
    creates_namespaces: bool = False,
) -> tuple[Object, ...]:
    """The roles and bindings with which a deployer can deploy applications.

    An administrator has to apply them; the namespaces must exist by then.

    Args:
        user: as whom the API server knows the deployer, such as `ci` or
            `system:serviceaccount:gitops-lab:agent`.
        name: the deployer's name in the cluster, from which those of its roles are made.
        namespaces: where it deploys; None for everywhere, as is usual if Git decides which
            namespaces there are.
        prunes: whether it deletes what Git dropped.
        memory: the namespace in which it keeps its own ConfigMaps; empty if it keeps none.
        creates_namespaces: whether Git holds Namespaces, too. They belong to the whole cluster,
            and so the right to write them does.
    """
    # A server-side apply is a patch, and a create if there is nothing yet; a plan needs both, too,
    # since a dry run needs the same rights as the real request.
    verbs = ["create", "get", "patch", *(["delete"] if prunes else [])]
    applied = [_rule(group, resources.split(), verbs) for group, resources in APPLIED.items()]
    role = f"gitops-lab:{name}"
    objects: list[Object] = []
    for namespace in ("",) if namespaces is None else namespaces:
        objects += _granted(user, role, namespace, applied)
    if memory:
        own = [f"{name}-{each}" for each in MEMORY]
        kept = [
            _rule("", ["configmaps"], ["create"]),  # RBAC cannot restrict `create` by name
            {**_rule("", ["configmaps"], ["get", "patch"]), "resourceNames": own},
        ]
        objects += _granted(user, f"{role}:memory", memory, kept)
    if creates_namespaces:
        objects += _granted(user, f"{role}:namespaces", "", [_rule("", ["namespaces"], verbs)])
    return tuple(objects)


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


def _granted(user: str, name: str, namespace: str, rules: list[Object]) -> tuple[Object, Object]:
    """A role with rules, and its binding to a user; without a namespace, for the whole cluster."""
    place = {"namespace": namespace} if namespace else {}
    scope = "" if namespace else "Cluster"
    header = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": name, **place}}
    role = {**header, "kind": f"{scope}Role", "rules": rules}
    binding = {
        **header,
        "kind": f"{scope}RoleBinding",
        "roleRef": {"apiGroup": GROUP, "kind": f"{scope}Role", "name": name},
        "subjects": [_subject(user)],
    }
    return role, binding


def _subject(user: str) -> Object:
    account = account_of(user)
    if account is None:
        return {"apiGroup": GROUP, "kind": "User", "name": user}
    return {"kind": "ServiceAccount", "namespace": account[0], "name": account[1]}
