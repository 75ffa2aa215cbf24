"""Who may approve and sign a request for a certificate, and what no request may contain.

Approving takes more than the right to write: the verb `approve` on the signer, a resource that
exists for this question only; writing a certificate takes the verb `sign` on it. And no request for
a client certificate may name the group of administrators.

Source: plugin/pkg/admission/certificates/{approval,signing,subjectrestriction} (Kubernetes 1.37).
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from kubesim import refusals
from kubesim.api import Options
from kubesim.api.signing import CLIENTS, RESOURCE
from kubesim.auth.authorization import Attributes, Authorizer
from kubesim.auth.users import MASTERS, User
from kubesim.model import Object
from kubesim.resources import Resource


class SigningCheck:
    """A guard of writes (`Api.guards`) over CertificateSigningRequests.

    Args:
        authorizer: knows what a user may do.
    """

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def __call__(
        self, resource: Resource, old: Object | None, new: Object, options: Options
    ) -> None:
        """Check one write.

        Raises:
            ApiError: 403 Forbidden.
        """
        if (resource.group, resource.plural) != RESOURCE:
            return
        signer = (new.get("spec") or {}).get("signerName", "")
        if old is None:
            if signer == CLIENTS and MASTERS in _groups(new["spec"].get("request", "")):
                why = f"use of {CLIENTS} signer with {MASTERS} group is not allowed"
                raise refusals.forbidden(*RESOURCE, new["metadata"].get("name", ""), why)
            return
        for verb, part in (("approve", _verdicts), ("sign", _signature)):
            if part(old) != part(new) and not self._may(verb, signer, options):
                why = f'user not permitted to {verb} requests with signerName "{signer}"'
                raise refusals.forbidden(*RESOURCE, new["metadata"]["name"], why)

    def _may(self, verb: str, signer: str, options: Options) -> bool:
        user = User(options.user, options.groups)
        return any(
            self._authorizer.allows(
                user,
                Attributes(verb, group=RESOURCE[0], version="*", resource="signers", name=name),
            ).allowed
            for name in (signer, f"{signer.partition('/')[0]}/*")
        )


def _verdicts(request: Object) -> list[str]:
    conditions = (request.get("status") or {}).get("conditions") or ()
    return [each["type"] for each in conditions if each.get("type") in ("Approved", "Denied")]


def _signature(request: Object) -> tuple[Any, list[Object]]:
    """What only a signer writes: the certificate, and that the request failed."""
    status = request.get("status") or {}
    failed = [each for each in status.get("conditions") or () if each.get("type") == "Failed"]
    return status.get("certificate"), failed


def _groups(text: str) -> list[str | bytes]:
    """The groups that a request asks for; none of one that cannot be read: validation tells."""
    try:
        subject = x509.load_pem_x509_csr(b64decode(text)).subject
    except ValueError:
        return []
    return [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
