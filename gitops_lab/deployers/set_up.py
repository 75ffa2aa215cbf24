"""What push and pull both need in a cluster: an account, and rights."""

from __future__ import annotations

from gitops_lab.cluster.rights import account_objects, cluster_admin, deployer_rights
from gitops_lab.deployers.deployer import Site
from gitops_lab.model import Object


def granted(site: Site, *, memory: str = "") -> tuple[Object, ...]:
    """The account of a deployer, if its user is one, and its roles and bindings.

    Args:
        site: where it is going to work.
        memory: the namespace that it keeps its memory in; empty if it keeps none in the cluster.
    """
    account = account_objects(site.user, namespace_exists=bool(site.namespace))
    if site.rights == "cluster-admin" and not site.namespace:
        return (*account, cluster_admin(site.user, name=site.name))
    rights = deployer_rights(
        site.user,
        name=site.name,
        namespaces=[site.namespace] if site.namespace else None,
        prunes=site.policy.prune,
        memory=memory,
        creates_namespaces=not site.namespace,
    )
    return (*account, *rights)
