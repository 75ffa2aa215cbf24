"""That nodes live: the Leases that kubelets renew, and the reports that they repeat.

A kubelet renews its node's Lease every ten seconds, and every five minutes it reports again what
has not changed. At that pace both would be most of what a quiet cluster writes: the history that
watches read would hold heartbeats and little else, and an hour in which nothing happens would take
hundreds of steps. Therefore they are written when they are read, with the instant of the last beat
before that. Who reads finds what a real cluster would show; only a watch that is open is not told
of beats that were never read.

Source: Kubernetes 1.37, pkg/kubelet (`NodeLeaseDurationSeconds`, `NodeStatusReportFrequency`) and
component-helpers `apimachinery/lease`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kubesim.api import Api, Options
from kubesim.clock import timestamp
from kubesim.controllers.pods import instant
from kubesim.controllers.status import write_status
from kubesim.errors import ApiError
from kubesim.model import Object

_log = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"
"""Where the Leases of nodes are."""

RENEWS, LASTS = 10, 40
"""Seconds from one renewal to the next, and until a Lease that is not renewed means nothing."""

REPORTS = 300
"""Seconds from one report to the next if nothing changes."""

MANAGER = "kubelet"


class Heartbeats:
    """Brings Leases and Nodes up to date before they are read.

    Args:
        api: the verbs.
        machines: the names of the nodes whose kubelets live.
    """

    def __init__(self, api: Api, *, machines: Callable[[], Iterable[str]]) -> None:
        self._api, self._machines = api, machines
        self._leases = api.registry.by_kind("coordination.k8s.io/v1", "Lease")
        self._nodes = api.registry.by_kind("v1", "Node")
        api.before_reading["coordination.k8s.io", "leases"] = self.renew
        api.before_reading["", "nodes"] = self.report

    def renew(self) -> None:
        """Have every node's Lease be renewed at its last beat."""
        for node in self._living():
            try:
                self._renew(node)
            except ApiError:  # as when the disk is full: a read must not fail for it
                return
            except (LookupError, TypeError, ValueError):
                _log.exception("the Lease of %s cannot be renewed", node["metadata"]["name"])

    def report(self) -> None:
        """Have every node's conditions say when they were reported last."""
        for node in self._living():
            try:
                self._report(node)
            except ApiError:
                return
            except (LookupError, TypeError, ValueError):
                _log.exception("the conditions of %s cannot be read", node["metadata"]["name"])

    def _living(self) -> Iterator[Object]:
        for name in self._machines():
            node = self._api.store.get(("", "nodes", "", name))
            if node is not None:
                yield node

    def _renew(self, node: Object) -> None:
        metadata, options = node["metadata"], Options(field_manager=MANAGER)
        name = metadata["name"]
        joined = instant(metadata["creationTimestamp"])
        renewed = _precise(_last(joined, RENEWS, self._api.now()))
        lease = self._api.store.get(("coordination.k8s.io", "leases", NAMESPACE, name))
        if lease is None:
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "Node", "name": name, "uid": metadata["uid"]}
                    ],
                },
                "spec": {
                    "holderIdentity": name,
                    "leaseDurationSeconds": LASTS,
                    "renewTime": renewed,
                },
            }
            self._api.create(self._leases, lease, namespace=NAMESPACE, options=options)
        elif lease["spec"].get("renewTime", "") < renewed:
            lease = {**lease, "spec": {**lease["spec"], "renewTime": renewed}}
            self._api.update(self._leases, name, lease, namespace=NAMESPACE, options=options)

    def _report(self, node: Object) -> None:
        status: dict[str, Any] = node.get("status") or {}
        conditions = [
            each for each in status.get("conditions") or () if "lastHeartbeatTime" in each
        ]
        if not conditions:
            return
        told = max(instant(each["lastHeartbeatTime"]) for each in conditions)
        last = _last(told, REPORTS, self._api.now())
        if last <= told:
            return
        conditions = [{**each, "lastHeartbeatTime": timestamp(last)} for each in conditions]
        reported = {**status, "conditions": conditions}
        write_status(self._api, self._nodes, node, reported, manager=MANAGER)


def _last(begin: float, every: float, now: float) -> float:
    """The last of the instants, each so much after the one before it, that has come."""
    return begin + max(now - begin, 0) // every * every


def _precise(at: float) -> str:
    """An instant as Leases write it (meta/v1 MicroTime)."""
    return f"{timestamp(at)[:-1]}.000000Z"
