"""The token controller: fills the Secrets that ask for a ServiceAccount's token.

A Secret whose account is not there, or is another one by now, is deleted.

Source: pkg/controller/serviceaccount/tokens_controller.go (Kubernetes 1.37).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable

from kubesim.api import Api, Options
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import MANAGER, Controller, Item
from kubesim.model import Object
from kubesim.store import Event

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"

Issue = Callable[[Object, Object], str]
"""Makes the token of a ServiceAccount (the first) for a Secret (the second)."""


class SecretTokens(Controller):
    """Fills Secrets of the type `kubernetes.io/service-account-token`, or deletes them.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        certificate: the certificate authority's certificate, in PEM.
        issue: makes the tokens.
    """

    name = "serviceaccount-token-controller"
    watches = (("", "secrets"), ("", "serviceaccounts"))

    def __init__(self, api: Api, indexes: Indexes, *, certificate: str, issue: Issue) -> None:
        super().__init__(api, indexes)
        self._certificate, self._issue = certificate, issue
        self._secrets = indexes.get("", "secrets", "account", _account)

    def keys(self, event: Event) -> Iterable[Item]:
        """The Secret, or those of the ServiceAccount."""
        _, plural, namespace, name = event.key
        if plural == "secrets":
            return ((namespace, name),) if event.object.get("type") == TYPE else ()
        found = self._secrets.get(f"{namespace}/{name}")
        return [(namespace, secret["metadata"]["name"]) for secret in found]

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Fill the Secret, or delete it if its account is not there."""
        secret = self.api.store.get(("", "secrets", namespace, name))
        if secret is None or secret.get("type") != TYPE:
            return
        metadata = secret["metadata"]
        if "deletionTimestamp" in metadata:
            return
        resource = self.api.registry.by_kind("v1", "Secret")
        notes = metadata.get("annotations") or {}
        account = self.api.store.get(("", "serviceaccounts", namespace, notes.get(NAME, "")))
        if account is None or notes.get(UID) not in (None, "", account["metadata"]["uid"]):
            options = Options(uid=metadata["uid"])
            self.api.delete(resource, name, namespace=namespace, options=options)
            return
        old = secret.get("data") or {}
        new = {**old, "ca.crt": _encoded(self._certificate), "namespace": _encoded(namespace)}
        if not new.get("token"):
            new["token"] = _encoded(self._issue(account, secret))
        if new == old:
            return
        notes = {**notes, UID: account["metadata"]["uid"]}
        filled = {**secret, "data": new, "metadata": {**metadata, "annotations": notes}}
        options = Options(field_manager=MANAGER)
        self.api.update(resource, name, filled, namespace=namespace, options=options)


def _account(secret: Object) -> Iterable[str]:
    """Namespace and name of the account whose token a Secret asks for."""
    if secret.get("type") != TYPE:
        return ()
    metadata = secret["metadata"]
    return (f"{metadata['namespace']}/{(metadata.get('annotations') or {}).get(NAME, '')}",)


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
