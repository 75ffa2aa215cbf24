"""Certificates: a cluster's own certificate authority, and what it vouches for.

A certificate is how an administrator's kubeconfig and a pipeline outside the cluster prove who they
are: the common name is the user, each organisation is a group. A certificate cannot be taken
back before it expires, which is one reason to prefer tokens.

Source: Kubernetes, "PKI certificates and requirements". Elliptic curve P-256, as kubeadm offers it.
Keys and serial numbers are drawn from the operating system: a seed would let others draw them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubesim.clock import EPOCH
from kubesim.errors import LabError, UsageError
from kubesim.files import write_private

YEARS = 10
"""How long certificates are good for, as kubeadm's certificate authority is."""

_FILES = ("ca.crt", "ca.key", "sa.key")
_LONGEST_NAME = 64  # X.520 ub-common-name; the same bound holds for an organisation


class Authority:
    """A certificate authority, and the key that signs ServiceAccount tokens beside it.

    Args:
        certificate: its own certificate.
        key: its private key.
        token_key: the private key that signs tokens, kubeadm's `sa.key`.
    """

    def __init__(
        self,
        certificate: x509.Certificate,
        key: EllipticCurvePrivateKey,
        token_key: EllipticCurvePrivateKey,
    ) -> None:
        self.certificate, self._key, self.token_key = certificate, key, token_key

    @classmethod
    def create(cls, *, now: float = EPOCH, name: str = "kubernetes") -> Authority:
        """A new authority, good for years from a day before `now` (seconds since the Unix epoch).

        Give the time of the clock on the wall: clients compare with theirs, not with the clock of
        the sandbox.
        """
        key = generate_private_key(SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        begin = datetime.fromtimestamp(int(now), UTC) - timedelta(days=1)
        end = begin + timedelta(days=365 * YEARS)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key, generate_private_key(SECP256R1()))

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """The authority that `save` wrote.

        Raises:
            LabError: a file is missing, cannot be read, or does not belong to the others.
        """
        try:
            certificate, key, token_key = ((folder / name).read_bytes() for name in _FILES)
            authority = cls(
                x509.load_pem_x509_certificate(certificate), _private(key), _private(token_key)
            )
            if authority.certificate.public_key() != authority._key.public_key():
                raise ValueError("the key is not the certificate's")
            authority.certificate.verify_directly_issued_by(authority.certificate)
        except (OSError, ValueError, TypeError, InvalidSignature) as error:
            raise LabError(
                f"the certificate authority cannot be read: {error}",
                where=str(folder),
                fix="reset the sandbox: it makes a new one, and new kubeconfigs",
            ) from error
        return authority

    def save(self, folder: Path) -> None:
        """Write it into files that only their owner can read, in a folder only they can enter."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        texts = (self.ca_pem, _pem(self._key), _pem(self.token_key))
        for name, text in zip(_FILES, texts, strict=True):
            write_private(folder / name, text)

    @property
    def ca_pem(self) -> str:
        """The authority's certificate, by which clients recognise the server."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def issue_server(self, hosts: Sequence[str]) -> tuple[str, str]:
        """A certificate for a server at these names and IP addresses, and its key, in PEM.

        Raises:
            UsageError: no host is named.
        """
        if not hosts:
            raise UsageError("a server certificate must name a host", fix="name 127.0.0.1")
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
        names = x509.SubjectAlternativeName(list(map(_host, hosts)))
        return self._issue(name, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def issue_client(self, user: str, groups: Iterable[str] = ()) -> tuple[str, str]:
        """A certificate for a user who belongs to these groups, and its key, in PEM.

        Raises:
            UsageError: a name is empty or longer than a certificate can say.
        """
        groups = tuple(groups)
        for text in (user, *groups):
            if not 0 < len(text) <= _LONGEST_NAME:
                raise UsageError(
                    f"a certificate cannot say the name {text!r}",
                    fix=f"give it 1 to {_LONGEST_NAME} characters, or use a token",
                )
        organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in groups]
        name = x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def sign(self, request: str, *, now: float, seconds: int) -> str:
        """A certificate for the user that a certificate request names, as proof for the server.

        Args:
            request: in PEM, with a signature that is right.
            now: the time of the clock on the wall, in seconds since the Unix epoch.
            seconds: how long it is good, if the authority itself lasts as long.
        """
        asked = x509.load_pem_x509_csr(request.encode())
        end = datetime.fromtimestamp(int(now) + seconds, UTC)
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH
        certificate = self._certificate(asked.subject, asked.public_key(), purpose, end)
        return certificate.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def _issue(
        self,
        subject: x509.Name,
        purpose: x509.ObjectIdentifier,
        hosts: x509.SubjectAlternativeName | None = None,
    ) -> tuple[str, str]:
        """A certificate that is good as long as the authority's own, and its key."""
        key = generate_private_key(SECP256R1())
        end = self.certificate.not_valid_after_utc
        builder = self._certificate(subject, key.public_key(), purpose, end)
        if hosts is not None:
            builder = builder.add_extension(hosts, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(Encoding.PEM).decode(), _pem(key)

    def _certificate(
        self,
        subject: x509.Name,
        key: CertificatePublicKeyTypes,
        purpose: x509.ObjectIdentifier,
        end: datetime,
    ) -> x509.CertificateBuilder:
        """What every certificate says that this authority signs."""
        own = self.certificate
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder(own.subject, subject, key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(own.not_valid_before_utc)
            .not_valid_after(min(end, own.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
        )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: EllipticCurvePrivateKey) -> str:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.private_bytes(*form).decode()


def _private(pem: bytes) -> EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError("not an elliptic curve key")
    return key
