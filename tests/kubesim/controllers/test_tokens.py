"""Secrets that ask for a ServiceAccount's token get it, and go with the account."""

from __future__ import annotations

from base64 import b64decode
from random import Random

import jwt
import pytest

from kubesim import ApiError, Cluster
from kubesim.auth import Authority, Tokens
from kubesim.auth.tokens import ISSUER, TokenError
from kubesim.auth.users import account_groups
from kubesim.clock import EPOCH
from kubesim.controllers.tokens import NAME, TYPE, UID
from kubesim.model import Object

RUNNER = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}


def asking(account: str = "runner", **more: str) -> Object:
    metadata = {"name": "token", "annotations": {NAME: account, **more}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TYPE}


def token(cluster: Cluster) -> str:
    found = cluster.get("v1", "Secret", "token")
    assert found is not None
    return b64decode(found["data"]["token"]).decode()


def served(authority: Authority) -> tuple[Cluster, Tokens]:
    """A cluster that has the keys of a server, and what verifies its tokens."""
    cluster = Cluster(certificate=authority.ca_pem, token_key=authority.token_key)
    cluster.create(RUNNER)
    cluster.create(asking())
    cluster.run()
    return cluster, Tokens(authority.token_key, cluster.api.store, rng=Random(1))


def test_a_secret_is_filled_for_its_account() -> None:
    cluster = Cluster(certificate="PEM")
    account = cluster.create(RUNNER)
    cluster.create(asking())
    cluster.run()
    secret = cluster.get("v1", "Secret", "token")
    assert secret is not None and secret["data"].keys() == {"token", "ca.crt", "namespace"}
    assert b64decode(secret["data"]["ca.crt"]) == b"PEM"
    assert b64decode(secret["data"]["namespace"]) == b"default"
    uid = account["metadata"]["uid"]
    assert secret["metadata"]["annotations"] == {NAME: "runner", UID: uid}
    claims = jwt.decode(token(cluster), options={"verify_signature": False})
    assert claims == {
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": "default",
        "kubernetes.io/serviceaccount/secret.name": "token",
        "kubernetes.io/serviceaccount/service-account.name": "runner",
        "kubernetes.io/serviceaccount/service-account.uid": uid,
        "sub": "system:serviceaccount:default:runner",
    }
    assert not cluster.troubles


def test_the_same_seed_gives_the_same_token() -> None:
    tokens = []
    for cluster in (Cluster(), Cluster()):
        cluster.create(RUNNER)
        cluster.create(asking())
        cluster.run()
        tokens.append(token(cluster))
    assert tokens[0] == tokens[1]


@pytest.mark.parametrize("secret", [asking("ghost"), asking(**{UID: "of-another"})])
def test_a_secret_without_its_account_is_deleted(secret: Object) -> None:
    cluster = Cluster()
    cluster.create(RUNNER)
    cluster.create(secret)
    cluster.run()
    assert cluster.get("v1", "Secret", "token") is None


def test_a_secret_goes_with_its_account_and_others_stay() -> None:
    cluster = Cluster()
    cluster.create(RUNNER)
    cluster.create(asking())
    other = {**asking(), "type": "Opaque"}
    cluster.create({**other, "metadata": {**other["metadata"], "name": "other"}})
    cluster.run()
    cluster.delete("v1", "ServiceAccount", "runner")
    cluster.run()
    assert cluster.get("v1", "Secret", "token") is None
    assert cluster.get("v1", "Secret", "other") is not None


def test_what_is_removed_is_filled_in_again() -> None:
    cluster = Cluster(certificate="PEM")
    cluster.create(RUNNER)
    cluster.create(asking())
    cluster.run()
    before = cluster.get("v1", "Secret", "token")
    cluster.patch("v1", "Secret", "token", {"data": {"token": None, "ca.crt": "eA=="}})
    cluster.run()
    after = cluster.get("v1", "Secret", "token")
    assert before is not None and after is not None and after["data"] == before["data"]


def test_the_token_proves_the_account_until_its_secret_goes() -> None:
    cluster, tokens = served(Authority.create())
    proof = token(cluster)
    user = tokens.verify(proof, now=EPOCH + 10 * 365 * 86_400)
    assert user.name == "system:serviceaccount:default:runner"
    assert user.groups == account_groups("default")
    assert tokens.audiences(proof, now=EPOCH) == [ISSUER]
    with pytest.raises(TokenError, match="Unauthorized"):
        tokens.verify(proof, now=EPOCH, audiences=["vault"])
    cluster.delete("v1", "Secret", "token")
    with pytest.raises(ApiError):
        tokens.verify(proof, now=EPOCH)


def test_a_token_that_its_secret_no_longer_holds_is_void() -> None:
    cluster, tokens = served(Authority.create())
    proof = token(cluster)
    cluster.patch("v1", "Secret", "token", {"data": {"token": "eA=="}})
    cluster.run()
    with pytest.raises(TokenError):
        tokens.verify(proof, now=EPOCH)


def test_a_token_of_another_cluster_is_void() -> None:
    cluster, _ = served(Authority.create())
    _, tokens = served(Authority.create())
    with pytest.raises(TokenError):
        tokens.verify(token(cluster), now=EPOCH)
