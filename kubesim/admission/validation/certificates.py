"""What must hold for CertificateSigningRequests.

Source: pkg/apis/certificates/validation/validation.go (Kubernetes 1.37).
"""

from __future__ import annotations

import re
from base64 import b64decode

from kubesim.admission.validation.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from kubesim.model import Object

SHORTEST = 600
"""The least seconds that a certificate can be asked for."""

_USAGES = tuple(
    sorted(
        (
            "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign",
            "data encipherment", "decipher only", "digital signature", "email protection",
            "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement",
            "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
            "server auth", "signing", "timestamping",
        )
    )
)  # fmt: skip


def signing_request(obj: Object, _: Object | None) -> Errors:
    """A CertificateSigningRequest: somebody's key and name, signed with that key."""
    spec = obj.get("spec", {})
    if fault := _fault(spec.get("request", "")):
        yield invalid("spec.request", spec.get("request", ""), fault)
    signer = spec.get("signerName", "")
    if not signer:
        yield required("spec.signerName")
    elif len(signer.split("/")) != 2 or not all(signer.split("/")):
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid("spec.signerName", signer, detail)
    usages = spec.get("usages") or []
    if not usages:
        yield required("spec.usages")
    for index, usage in enumerate(usages):
        path = f"spec.usages[{index}]"
        if usage not in _USAGES:
            yield not_supported(path, usage, _USAGES)
        if usage in usages[:index]:
            yield duplicate(path, usage)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < SHORTEST:
        detail = f"may not specify a duration less than {SHORTEST} seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", seconds, detail)


def verdict(obj: Object, old: Object | None) -> Errors:
    """What is decided of a request: one thing, and for good."""
    path = "status.conditions"
    conditions = (obj.get("status") or {}).get("conditions") or []
    types = [each.get("type", "") for each in conditions]
    for index, each in enumerate(conditions):
        where, type = f"{path}[{index}]", types[index]
        if type in types[:index]:
            yield duplicate(f"{where}.type", type)
        if type in ("Approved", "Denied"):
            if each.get("status") != "True":
                yield not_supported(f"{where}.status", each.get("status", ""), ("True",))
            if ("Denied" if type == "Approved" else "Approved") in types[:index]:
                detail = "Approved and Denied conditions are mutually exclusive"
                yield invalid(f"{where}.type", type, detail)
    for each in ((old or {}).get("status") or {}).get("conditions") or ():
        if each["type"] not in types:
            detail = f'updates may not remove a condition of type "{each["type"]}"'
            yield forbidden(path, detail)


_PEM = re.compile(
    rb"^-----BEGIN CERTIFICATE REQUEST-----\s[A-Za-z0-9+/=\s]+"
    rb"-----END CERTIFICATE REQUEST-----\s*$",
    re.MULTILINE,
)


def _fault(text: str) -> str:
    """What is wrong with a request's PEM; empty if nothing is."""
    # Only who asks for certificates waits until this is loaded.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        pem = b64decode(text)
        if not _PEM.search(pem):
            return "PEM block type must be CERTIFICATE REQUEST"
        is_theirs = x509.load_pem_x509_csr(pem).is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        return "malformed certificate request"
    return "" if is_theirs else "the signature is not that of the key"
