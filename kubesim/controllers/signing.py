"""The signer: gives those whose request is approved a certificate for the API server.

Source: Kubernetes 1.37, pkg/controller/certificates/signer, of its signers the one for clients
(`kubernetes.io/kube-apiserver-client`). Left out: kubelets' certificates, and the removal of
requests that are long done.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Any

from kubesim.api import Api
from kubesim.api.signing import CLIENTS, RESOURCE
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.status import is_true, write_status
from kubesim.store import Event

LONGEST = 365 * 86_400
"""Seconds for which a certificate is good unless less is asked for
(kube-controller-manager's `--cluster-signing-duration`)."""

_ALLOWED = ("client auth", "digital signature", "key encipherment")

Sign = Callable[[str, int], str]
"""Makes a certificate of a request, both in PEM, that is good for so many seconds."""


class ClientSigner(Controller):
    """Signs what is approved.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        sign: makes the certificates.
    """

    name = "csr-signer"
    watches = (RESOURCE,)

    def __init__(self, api: Api, indexes: Indexes, *, sign: Sign) -> None:
        super().__init__(api, indexes)
        self._sign = sign
        self._resource = api.registry.by_kind(f"{RESOURCE[0]}/v1", "CertificateSigningRequest")

    def keys(self, event: Event) -> Iterable[Item]:
        """The request."""
        return (event.key[2:],)

    def reconcile(self, namespace: str, name: str, now: float) -> None:
        """Sign the request if it is approved, or say why that cannot be."""
        request = self.api.store.get((*RESOURCE, "", name))
        if request is None or request["spec"]["signerName"] != CLIENTS:
            return
        status: dict[str, Any] = request.get("status") or {}
        is_done = status.get("certificate") or is_true(status, "Failed")
        if is_done or not is_true(status, "Approved"):
            return
        spec = request["spec"]
        if fault := _fault(spec["usages"]):
            failed = {
                "type": "Failed",
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": fault,
            }
            status = {**status, "conditions": [*status["conditions"], failed]}
        else:
            seconds = min(spec.get("expirationSeconds", LONGEST), LONGEST)
            pem = self._sign(b64decode(spec["request"]).decode(), seconds)
            status = {**status, "certificate": b64encode(pem.encode()).decode()}
        write_status(self.api, self._resource, request, status)


def _fault(usages: list[str]) -> str:
    for usage in usages:
        if usage not in _ALLOWED:
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate"
