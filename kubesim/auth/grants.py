"""A deployer's rights: what it needs to sync, and nothing else.

Push and pull need the same rights in the cluster, apart from two things that follow from what
they are. A pipeline that keeps no inventory never deletes, so it need not be able to. An agent
keeps its memory in the cluster, so it must write two ConfigMaps of its own. What differs more is
where the credentials lie: an agent's never leave the cluster, a pipeline's are in CI, where whoever
takes them gets everything that is granted here.

Neither may list what others deployed, read logs, exec, or write roles: nobody who syncs needs to.
So a manifest with a Role in it is refused until somebody with more rights grants the deployer more.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.auth.authorization import GROUP
from kubesim.auth.users import split_account
from kubesim.model import Object

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


def deployer_rights(
    user: str,
    *,
    name: str,
    namespaces: Sequence[str] | None = ("default",),
    prunes: bool = True,
    memory: str = "",
    creates_namespaces: bool = False,
) -> tuple[Object, ...]:
    """The roles and bindings with which a deployer can work.

    Somebody who may grant all of it has to apply them; the namespaces must exist by then.

    Args:
        user: as whom the API server knows the deployer, such as `ci` or
            `system:serviceaccount:gitops-lab:agent`.
        name: the deployer's name in the cluster, from which those of its roles are made.
        namespaces: where it deploys; None for everywhere, which is what one grants if Git decides
            which namespaces there are.
        prunes: whether it deletes what Git dropped.
        memory: the namespace in which it keeps its own ConfigMaps; empty if it keeps none.
        creates_namespaces: whether Git holds Namespaces, too. They belong to the whole cluster,
            and so the right to write them does.
    """
    # A server-side apply is a patch, and a create if there is nothing yet; a plan needs both, too,
    # since a dry run is allowed to whoever may do it in earnest.
    verbs = ["create", "get", "patch", *(["delete"] if prunes else [])]
    applied = [_rule(group, resources.split(), verbs) for group, resources in APPLIED.items()]
    role = f"gitops-lab:{name}"
    objects: list[Object] = []
    for namespace in ("",) if namespaces is None else namespaces:
        objects += _granted(user, role, namespace, applied)
    if memory:
        own = [f"{name}-{each}" for each in MEMORY]
        kept = [
            _rule("", ["configmaps"], ["create"]),  # nobody can be allowed to create by name
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
    account = split_account(user)
    if account is None:
        return {"apiGroup": GROUP, "kind": "User", "name": user}
    return {"kind": "ServiceAccount", "namespace": account[0], "name": account[1]}
