from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.auth.certificates import Authority
from kubesim.auth.tokens import ISSUER, TokenError, Tokens
from kubesim.auth.users import User
from tests.kubesim.auth.world import World, plain, pod, refused

AUTHORITY = Authority.create()


class Cluster(World):
    """An API server with the ServiceAccount `agent`, and what issues its tokens."""

    def __init__(self, authority: Authority = AUTHORITY) -> None:
        super().__init__()
        self.tokens = Tokens(authority.token_key, self.api.store, rng=Random(1))
        self.account = self.create(account("agent"))

    def issue(self, **more: Any) -> str:
        return self.tokens.issue("default", "agent", now=self.now, **more)

    def verify(self, token: str, **more: Any) -> User:
        return self.tokens.verify(token, now=self.now, **more)

    def ask(self, **spec: Any) -> Object:
        return self.tokens.request("default", "agent", {"spec": spec}, now=self.now)


def account(name: str) -> Object:
    return plain("ServiceAccount", name)


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def why(world: Cluster, token: str, **more: Any) -> str:
    with pytest.raises(TokenError) as error:
        world.verify(token, **more)
    assert refused(error) == (401, "Unauthorized", "Unauthorized")
    return error.value.why


def test_a_token_proves_a_service_account() -> None:
    world = Cluster()
    user = world.verify(world.issue())
    assert user.name == "system:serviceaccount:default:agent"
    assert user.groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    )
    assert user.uid == world.account["metadata"]["uid"]


def test_a_token_has_the_claims_of_the_real_ones() -> None:
    world = Cluster()
    found = claims(world.issue(seconds=900))
    identifier = found.pop("jti")
    assert len(identifier) == 36
    assert found == {
        "aud": [ISSUER],
        "exp": world.now + 900,
        "iat": world.now,
        "nbf": world.now,
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:default:agent",
        "kubernetes.io": {
            "namespace": "default",
            "serviceaccount": {"name": "agent", "uid": world.account["metadata"]["uid"]},
        },
    }


def test_a_token_ends_at_its_expiry_and_not_before() -> None:
    world = Cluster()
    token = world.issue(seconds=900)
    world.now += 899
    world.verify(token)
    world.now += 1
    assert why(world, token) == "service account token has expired"


def test_a_token_does_not_hold_before_it_was_issued() -> None:
    world = Cluster()
    token = world.issue()
    world.now -= 1
    assert "not valid yet" in why(world, token)


def test_a_token_is_for_its_audience_only() -> None:
    world = Cluster()
    vault = world.issue(audiences=["vault", "other"])
    assert why(world, vault) == (
        f'token audiences ["vault" "other"] is invalid for the target audiences ["{ISSUER}"]'
    )
    world.verify(vault, audiences=["x", "vault"])
    assert why(world, world.issue(), audiences=["vault"])
    found = world.tokens.audiences(vault, now=world.now, audiences=["x", "vault"])
    assert found == ["vault"]


def test_a_token_ends_with_its_account_even_if_another_takes_the_name() -> None:
    world = Cluster()
    token = world.issue()
    world.verify(token)
    world.delete("ServiceAccount", "agent")
    assert "invalidated" in why(world, token)
    world.create(account("agent"))
    assert "invalidated" in why(world, token)


def test_a_token_bound_to_a_pod_ends_with_the_pod() -> None:
    world = Cluster()
    world.create(pod("web", serviceAccountName="agent"))
    token = world.ask(boundObjectRef={"kind": "Pod", "name": "web"})["status"]["token"]
    assert world.verify(token).extra["authentication.kubernetes.io/pod-name"] == ("web",)
    world.delete("Pod", "web", grace_period=0)
    assert "invalidated" in why(world, token)


def test_a_token_cannot_be_bound_to_a_pod_of_another_account() -> None:
    world = Cluster()
    world.create(pod("web"))
    with pytest.raises(ApiError, match="pod running with different serviceaccount name") as refused:
        world.ask(boundObjectRef={"kind": "Pod", "name": "web"})
    assert refused.value.code == 400


def test_a_token_of_another_cluster_proves_nothing() -> None:
    world, other = Cluster(), Cluster(Authority.create())
    assert "invalid bearer token" in why(world, other.issue())


def test_a_token_without_a_signature_proves_nothing() -> None:
    world = Cluster()
    unsigned = jwt.encode(claims(world.issue()), "", algorithm="none")
    assert "invalid bearer token" in why(world, unsigned)


def test_the_public_key_is_no_shared_secret() -> None:
    world = Cluster()
    parts = [{"alg": "HS256", "typ": "JWT"}, claims(world.issue())]
    head, body = (
        base64.urlsafe_b64encode(json.dumps(p).encode()).decode().strip("=") for p in parts
    )
    assert "invalid bearer token" in why(world, f"{head}.{body}.{'A' * 43}")


def test_a_token_says_who_issued_it() -> None:
    world = Cluster()
    other = {**claims(world.issue()), "iss": "https://elsewhere.example.com"}
    assert "invalid bearer token" in why(world, jwt.encode(other, AUTHORITY.token_key, "ES256"))


def test_tokens_that_were_seen_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubesim.auth.tokens.REMEMBERED", 2)
    world = Cluster()
    tokens = [world.issue() for _ in range(4)]
    for token in [*tokens, *tokens]:
        world.verify(token)
    assert len(world.tokens._known) == 2


@given(st.data())
def test_a_token_that_was_tampered_with_proves_nothing(data: st.DataObject) -> None:
    world = Cluster()
    token = world.issue()
    place = data.draw(st.integers(0, len(token) - 2))  # the last one's lowest bits are padding
    letter = data.draw(st.sampled_from("AZaz09-_.=\n ").filter(lambda it: it != token[place]))
    why(world, token[:place] + letter + token[place + 1 :])


@given(st.text(max_size=40))
def test_what_is_no_token_proves_nothing(text: str) -> None:
    why(Cluster(), text)


def test_no_token_is_issued_for_an_account_that_is_not_there() -> None:
    world = Cluster()
    with pytest.raises(ApiError) as error:
        world.tokens.request("default", "none", {}, now=world.now)
    assert refused(error) == (404, "NotFound", 'serviceaccounts "none" not found')


def test_a_token_request_is_answered_with_token_and_expiry() -> None:
    world = Cluster()
    answer = world.ask(expirationSeconds=600, audiences=["vault"])
    assert answer["status"]["expirationTimestamp"] == "2026-01-05T09:10:00Z"
    assert claims(answer["status"]["token"])["aud"] == ["vault"]
    assert answer["spec"]["expirationSeconds"] == 600
    assert world.ask()["spec"] == {
        "audiences": [ISSUER],
        "expirationSeconds": 3600,
        "boundObjectRef": None,
    }


@pytest.mark.parametrize("seconds", [599, -1, 2**32 + 1])
def test_a_token_lasts_neither_shorter_nor_longer_than_allowed(seconds: int) -> None:
    with pytest.raises(ApiError) as error:
        Cluster().ask(expirationSeconds=seconds)
    assert (error.value.code, error.value.causes[0]["field"]) == (422, "spec.expirationSeconds")


def test_a_token_is_bound_only_to_what_is_there() -> None:
    world = Cluster()
    with pytest.raises(ApiError, match='pods "web" not found'):
        world.ask(boundObjectRef={"kind": "Pod", "name": "web"})
    world.create(pod("web", serviceAccountName="agent"))
    with pytest.raises(ApiError, match="does not match the UID in record"):
        world.ask(boundObjectRef={"kind": "Pod", "name": "web", "uid": "another"})
    with pytest.raises(ApiError, match="cannot bind token"):
        world.ask(boundObjectRef={"kind": "ConfigMap", "name": "web"})
