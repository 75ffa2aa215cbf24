"""What every namespace gets: the ServiceAccount `default` and the cluster's certificate.

Source: Kubernetes 1.37, pkg/controller/serviceaccount and
pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.model import Object
from kubesim.store import Event

DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


class _InEveryNamespace(Controller):
    """Keeps one object in each namespace that is not being deleted."""

    plural: str
    object_name: str

    def keys(self, event: Event) -> Iterable[Item]:
        """The object's place in the namespace that came, or where it was changed or deleted."""
        _, plural, namespace, name = event.key
        if plural == "namespaces":
            return ((name, self.object_name),) if event.type == "ADDED" else ()
        is_ours = plural == self.plural and name == self.object_name
        return ((namespace, name),) if is_ours and event.type != "ADDED" else ()

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Create the object, or put its content right."""
        space = self.api.store.get(("", "namespaces", "", namespace))
        if space is None or "deletionTimestamp" in space["metadata"]:
            return
        wanted = self.body()
        resource = self.api.registry.by_kind(wanted["apiVersion"], wanted["kind"])
        known = self.api.store.get(("", self.plural, namespace, name))
        options = Options(field_manager=MANAGER)
        if known is None:
            self.api.create(resource, wanted, namespace=namespace, options=options)
        elif "data" in wanted and known.get("data") != wanted["data"]:
            new = {**known, "data": wanted["data"]}
            self.api.update(resource, name, new, namespace=namespace, options=options)

    @abstractmethod
    def body(self) -> Object:
        """The object as it should be."""


class ServiceAccounts(_InEveryNamespace):
    """Keeps the ServiceAccount that pods use which name none."""

    name = "serviceaccount-controller"
    watches = (("", "namespaces"), ("", "serviceaccounts"))
    plural, object_name = "serviceaccounts", "default"

    def body(self) -> Object:
        """An account without anything special."""
        metadata = {"name": self.object_name}
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


class RootCertificates(_InEveryNamespace):
    """Keeps the ConfigMap by which pods recognise the API server.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        certificate: the certificate authority's certificate, in PEM.
    """

    name = "root-ca-certificate-publisher"
    watches = (("", "namespaces"), ("", "configmaps"))
    plural, object_name = "configmaps", "kube-root-ca.crt"

    def __init__(self, api: Api, indexes: Indexes, *, certificate: str = "") -> None:
        super().__init__(api, indexes)
        self._certificate = certificate

    def body(self) -> Object:
        """The certificate and a word about its use."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.object_name,
                "annotations": {"kubernetes.io/description": DESCRIPTION},
            },
            "data": {"ca.crt": self._certificate},
        }
