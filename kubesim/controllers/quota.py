"""ResourceQuotas: counts what is used when something has been given back, or a quota is new.

Source: pkg/controller/resourcequota (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.admission.usage import CLAIMS, PODS, SERVICES
from kubesim.api import Api, quotas
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.pods import is_over
from kubesim.controllers.status import write_status
from kubesim.store import Event


class ResourceQuotas(Controller):
    """Keeps the status of every quota true; what is added is charged at admission."""

    name = "resourcequota-controller"
    watches = None

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("v1", "ResourceQuota")

    def keys(self, event: Event) -> Iterable[Item]:
        """The quota itself; of what gives something back, all quotas of the namespace."""
        resource, key = event.key[:2], event.key
        if resource == (quotas.GROUP, quotas.PLURAL):
            return () if event.type == "DELETED" else (key[2:],)
        if not key.namespace or not _gives_back(event):
            return ()
        found = self.api.store.list(quotas.GROUP, quotas.PLURAL, key.namespace)
        return [(key.namespace, each["metadata"]["name"]) for each in found]

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Count what a quota limits and write it down."""
        quota = self.api.store.get((quotas.GROUP, quotas.PLURAL, namespace, name))
        if quota is not None:
            write_status(self.api, self._resource, quota, quotas.counted(self.api.store, quota))


def _gives_back(event: Event) -> bool:
    """Whether less is used after an event than before."""
    if event.type == "DELETED":
        return True
    if event.type == "ADDED" or event.old is None:
        return False
    resource = event.key[:2]
    if resource == PODS:
        ended = is_over(event.object) and not is_over(event.old)
        return ended or event.object["spec"]["containers"] != event.old["spec"]["containers"]
    return resource in (SERVICES, CLAIMS)
