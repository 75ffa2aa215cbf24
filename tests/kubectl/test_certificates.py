"""One user requests a certificate, another approves it, and a third signs it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kubesim.auth.kubeconfig import kubeconfig
from tests.kubectl.live import Kubectl
from tests.kubesim.http.world import authority

KEY = generate_private_key(SECP256R1())
USAGES = ("client auth", "digital signature")

_numbers = count(1)


@pytest.fixture
def name() -> str:
    """Requests are in no namespace."""
    return f"jane-{next(_numbers)}"


def request(
    name: str,
    *groups: str,
    usages: Sequence[str] = USAGES,
    signer: str = "kubernetes.io/kube-apiserver-client",
    **spec: Any,
) -> dict[str, Any]:
    told = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in groups]
    subject = x509.Name([*told, x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    signed = x509.CertificateSigningRequestBuilder(subject).sign(KEY, hashes.SHA256())
    text = b64encode(signed.public_bytes(Encoding.PEM)).decode()
    spec = {"request": text, "signerName": signer, "usages": list(usages), **spec}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": spec,
    }


def ask(kubectl: Kubectl, body: dict[str, Any], more: str = "") -> None:
    kubectl(f"create -f {kubectl.file('request.yaml', body)} {more}")


def row(kubectl: Kubectl, name: str) -> list[str]:
    return kubectl.rows(f"get csr {name}")[1]


def test_who_is_approved_gets_in(kubectl: Kubectl, name: str) -> None:
    ask(kubectl, request(name, "readers", expirationSeconds=3600))
    assert row(kubectl, name)[2:4] == ["kubernetes.io/kube-apiserver-client", "admin"]
    assert row(kubectl, name)[-1] == "Pending"
    told = kubectl(f"certificate approve {name}")
    assert told == f"certificatesigningrequest.certificates.k8s.io/{name} approved\n"
    kubectl.cluster.until(lambda: row(kubectl, name)[-1] == "Approved,Issued")
    text = b64decode(kubectl(f"get csr {name} -o", "jsonpath={.status.certificate}"))
    certificate = x509.load_pem_x509_certificate(text)
    assert certificate.public_key() == KEY.public_key()
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    config = kubeconfig(
        kubectl.cluster.world.url, authority().ca_pem, certificate=(text.decode(), key)
    )
    (kubectl.folder / "jane").write_text(yaml.safe_dump(config))
    get = f"get pods --kubeconfig jane -n {kubectl.namespace}"
    assert 'User "jane" cannot list resource "pods"' in kubectl.fails(get)
    kubectl("create role reader --verb list --resource pods")
    kubectl("create rolebinding readers --role reader --group readers")
    kubectl(get)


def test_who_is_denied_gets_none(kubectl: Kubectl, name: str) -> None:
    ask(kubectl, request(name))
    assert f"{name} denied\n" in kubectl(f"certificate deny {name}")
    assert row(kubectl, name)[-1] == "Denied"
    kubectl.fails(f"certificate approve {name}")
    assert row(kubectl, name)[-1] == "Denied"


def test_what_the_signer_cannot_sign_fails(kubectl: Kubectl, name: str) -> None:
    ask(kubectl, request(name, usages=["server auth"]))
    kubectl(f"certificate approve {name}")
    kubectl.cluster.until(lambda: row(kubectl, name)[-1] == "Approved,Failed")
    told = kubectl(f"get csr {name} -o", "jsonpath={.status.conditions[1].message}")
    assert told == "invalid usage for client certificate: server auth"


def test_another_signers_requests_are_left_alone(kubectl: Kubectl, name: str) -> None:
    ask(kubectl, request(name, signer="example.com/own"))
    kubectl(f"certificate approve {name}")
    assert row(kubectl, name)[-1] == "Approved"


def test_a_request_says_who_made_it_and_stays_as_it_is(kubectl: Kubectl, name: str) -> None:
    kubectl(f"create clusterrole {name} --verb create,patch,get --resource csr")
    kubectl(f"create clusterrolebinding {name} --clusterrole {name} --user jane")
    ask(kubectl, request(name, username="admin", groups=["system:masters"]), "--as jane")
    who = "jsonpath={.spec.username} {.spec.groups}"
    before = kubectl(f"get csr {name} -o", who)
    assert before.startswith("jane ") and "masters" not in before
    kubectl(f"patch csr {name} --type merge -p", '{"spec": {"username": "admin"}}')
    assert kubectl(f"get csr {name} -o", who) == before


def test_who_approves_needs_the_right_to_on_the_signer(kubectl: Kubectl, name: str) -> None:
    ask(kubectl, request(name))
    resources = "certificatesigningrequests,certificatesigningrequests/approval"
    kubectl(f"create clusterrole {name} --verb get,update --resource {resources}")
    kubectl(f"create clusterrolebinding {name} --clusterrole {name} --user joe-{name}")
    why = 'user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-cli'
    assert why in kubectl.fails(f"certificate approve {name} --as joe-{name}")
    rule = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{name}-signs"},
        "rules": [
            {
                "apiGroups": ["certificates.k8s.io"],
                "resources": ["signers"],
                "resourceNames": ["kubernetes.io/*"],
                "verbs": ["approve"],
            }
        ],
    }
    kubectl.create(rule)
    kubectl(f"create clusterrolebinding {name}-signs --clusterrole {name}-signs --user joe-{name}")
    assert "approved" in kubectl(f"certificate approve {name} --as joe-{name}")


def test_nobody_becomes_an_administrator_by_a_signature(kubectl: Kubectl, name: str) -> None:
    file = kubectl.file("request.yaml", request(name, "system:masters"))
    why = (
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    )
    assert why in kubectl.fails(f"create -f {file}")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (
            {"request": b64encode(b"nonsense").decode()},
            "PEM block type must be CERTIFICATE REQUEST",
        ),
        (
            {"request": b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA").decode()},
            "PEM block type must be CERTIFICATE REQUEST",
        ),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["juggling"]}, "spec.usages[0]: Unsupported value"),
        ({"signerName": "unqualified"}, "must be a fully qualified domain and path"),
        ({"expirationSeconds": 60}, "may not specify a duration less than 600 seconds"),
    ],
)
def test_what_is_no_request_is_refused(
    kubectl: Kubectl, name: str, spec: dict[str, Any], why: str
) -> None:
    body = request(name)
    body["spec"] |= spec
    assert why in kubectl.fails(f"create -f {kubectl.file('request.yaml', body)}")
