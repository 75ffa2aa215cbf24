"""The clusters that Applications go to: Argo CD's own, and those that are registered as Secrets.

A registered cluster is a Secret in Argo CD's namespace with the label
`argocd.argoproj.io/secret-type: cluster`; in it are the cluster's address and a key to it. To
read these Secrets is to hold the keys of all clusters.

Source: Argo CD 3.5, `util/argo/argo.go` GetDestinationCluster, `util/db/cluster.go`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_lab.errors import LabError
from gitops_lab.frontends.argocd.cluster_cache import ClusterCache
from gitops_lab.frontends.argocd.names import (
    IN_CLUSTER,
    IN_CLUSTER_NAME,
    NAMESPACE,
    SECRET_TYPE,
)
from gitops_lab.model import Object, ObjectKey
from gitops_lab.ports import Cluster

Connect = Callable[["Registered"], Cluster]
"""Opens a connection to a registered cluster, with the key in its Secret."""


class DestinationError(LabError):
    """A destination that cannot be used, in the words of the condition InvalidSpecError."""


@dataclass(frozen=True)
class Registered:
    """A cluster that Applications can go to.

    Args:
        name: what people call it.
        server: its address.
        project: the only project that may use it; empty for all.
        config: the credentials, as in the Secret.
        labels: of the Secret; generators select clusters by them.
        annotations: of the Secret.
        secret: the Secret's name; empty for Argo CD's own cluster.
    """

    name: str
    server: str
    project: str
    config: Mapping[str, Any]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    secret: str = ""


OWN = Registered(IN_CLUSTER_NAME, IN_CLUSTER, "", {}, {}, {})


class Destinations:
    """The clusters, and what is known of the live objects of each.

    Args:
        own: the cluster that Argo CD runs in, reached with the controller's credentials.
        connect: opens connections to others.
    """

    def __init__(self, own: Cluster, connect: Connect) -> None:
        self.own, self._connect = own, connect
        self._caches: dict[str, tuple[Mapping[str, Any], ClusterCache]] = {}
        self._registered: list[Registered] | None = None

    @property
    def registered(self) -> list[Registered]:
        """All clusters; Argo CD's own is among them even if no Secret names it."""
        if self._registered is None:
            labels = {SECRET_TYPE: "cluster"}
            secrets = self.own.list("", "Secret", namespace=NAMESPACE, labels=labels)
            found = [registered(secret) for secret in secrets]
            if not any(each.server == IN_CLUSTER for each in found):
                found.insert(0, OWN)
            self._registered = found
        return self._registered

    def secret_changed(self, key: ObjectKey) -> bool:
        """A Secret changed; whether it may be that of a cluster."""
        if key.kind == "Secret" and key.namespace == NAMESPACE and not key.group:
            self._registered = None
            return True
        return False

    def find(self, destination: Mapping[str, Any]) -> Registered:
        """The cluster that a destination means.

        Raises:
            DestinationError: none, or it is not clear which.
        """
        name, server = destination.get("name") or "", destination.get("server") or ""
        if name and server:
            raise DestinationError(
                f"application destination can't have both name and server defined: {name} {server}"
            )
        if server:
            for each in self.registered:
                if each.server == server:
                    return each
            raise DestinationError(
                f'error getting cluster by server "{server}": rpc error: code = NotFound desc = '
                f'cluster "{server}" not found'
            )
        if not name:
            raise DestinationError("Destination server missing from app spec")
        found = [each for each in self.registered if each.name == name]
        if not found:
            raise DestinationError(f"there are no clusters with this name: {name}")
        if len(found) > 1:
            raise DestinationError(f"there are {len(found)} clusters with the same name: {name}")
        return found[0]

    def cache(self, cluster: Registered) -> ClusterCache:
        """What is known of a cluster's live objects.

        Raises:
            ClusterUnreachable: it does not answer.
        """
        known = self._caches.get(cluster.server)
        if known is not None and known[0] == cluster.config:
            return known[1]
        is_own = cluster.server == IN_CLUSTER
        connection = self.own if is_own else self._connect(cluster)
        cache = ClusterCache(connection, is_notified=is_own)
        self._caches[cluster.server] = (cluster.config, cache)
        return self._caches[cluster.server][1]

    def forget(self) -> None:
        """Know nothing any more, as a new pod does."""
        self._caches.clear()
        self._registered = None

    @property
    def caches(self) -> dict[str, ClusterCache]:
        """The caches that are in use, by the cluster's address."""
        return {server: cache for server, (_, cache) in self._caches.items()}


def registered(secret: Object) -> Registered:
    """The cluster that a Secret describes."""
    metadata, data = secret["metadata"], secret.get("data") or {}

    def text(name: str) -> str:
        try:
            return base64.b64decode(data.get(name, "")).decode(errors="replace")
        except ValueError:
            return ""

    try:
        config = json.loads(text("config") or "{}")
    except ValueError:
        config = {}
    return Registered(
        text("name") or text("server"),
        text("server"),
        text("project"),
        config if isinstance(config, dict) else {},
        metadata.get("labels") or {},
        metadata.get("annotations") or {},
        metadata["name"],
    )
