"""Who may approve a request for a certificate, and what nobody may ask for.

Whoever approves needs more than the right to write: the verb `approve` on the signer, a resource
that exists for this question only. And no signature makes an administrator out of anybody.

Source: plugin/pkg/admission/certificates/{approval,subjectrestriction} (Kubernetes 1.37).
"""

from __future__ import annotations

from base64 import b64decode

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
        authorizer: knows what whoever asks may do.
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
        elif _verdicts(old) != _verdicts(new) and not self._may_approve(signer, options):
            why = f'user not permitted to approve requests with signerName "{signer}"'
            raise refusals.forbidden(*RESOURCE, new["metadata"]["name"], why)

    def _may_approve(self, signer: str, options: Options) -> bool:
        user = User(options.user, options.groups)
        return any(
            self._authorizer.allows(
                user,
                Attributes(
                    "approve", group=RESOURCE[0], version="*", resource="signers", name=name
                ),
            ).allowed
            for name in (signer, f"{signer.partition('/')[0]}/*")
        )


def _verdicts(request: Object) -> list[str]:
    conditions = (request.get("status") or {}).get("conditions") or ()
    return [each["type"] for each in conditions if each["type"] in ("Approved", "Denied")]


def _groups(text: str) -> list[str | bytes]:
    """The groups that a request asks for; none of one that cannot be read: validation tells."""
    try:
        subject = x509.load_pem_x509_csr(b64decode(text)).subject
    except ValueError:
        return []
    return [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
