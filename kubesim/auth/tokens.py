"""ServiceAccount tokens: signed, for one audience, for a while, and void when the account is gone.

A program in the cluster proves with one who it is. It is a JSON Web Token (RFC 7519) with the
claims of Kubernetes' own: all can read it, none can change it.

Source: pkg/serviceaccount/claims.go and pkg/registry/core/serviceaccount/storage/token.go
(Kubernetes 1.37).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from kubesim import refusals
from kubesim.api import decoding
from kubesim.api.strategy import new_uid
from kubesim.auth import secret_tokens
from kubesim.auth.users import User, account_groups, account_name
from kubesim.clock import timestamp
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.resources import Resource
from kubesim.store import Store

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""Who signs, which is also the audience that the API server itself is."""

ALGORITHM = "ES256"
"""How tokens are signed."""

SECONDS = 3600
"""How many seconds a token lasts unless the request says so."""

SHORTEST, LONGEST = 600, 1 << 32

REMEMBERED = 1_024
"""How many tokens with a good signature are remembered, so that each is checked only once."""

_REQUEST = Resource(
    "authentication.k8s.io", "v1", "TokenRequest", "tokenrequests", "tokenrequest", namespaced=True
)
_BOUND_TO = {"Pod": "pods", "Secret": "secrets"}


class TokenError(ApiError):
    """401: a token that proves nothing. That is all the client is told; `why` says the rest."""

    def __init__(self, why: str) -> None:
        super().__init__(401, "Unauthorized", "Unauthorized")
        self.why = why


class Tokens:
    """Issues and verifies the tokens of one cluster.

    Args:
        key: signs them; with it one can act as any ServiceAccount.
        store: where the ServiceAccounts are; a token lives no longer than its account.
        rng: draws the identifiers of tokens.
    """

    def __init__(self, key: EllipticCurvePrivateKey, store: Store, *, rng: Random) -> None:
        self._key, self._public = key, key.public_key()
        self._store, self._rng = store, rng
        self._known: dict[str, Mapping[str, Any]] = {}
        spki = self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digest = hashlib.sha256(spki).digest()
        self._key_id = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def public_key(self) -> Object:
        """What checks the tokens' signatures, as a JSON Web Key (RFC 7517)."""
        key = ECAlgorithm.to_jwk(self._public, as_dict=True)
        return {"use": "sig", "kid": self._key_id, "alg": ALGORITHM, **key}

    def issue(
        self,
        namespace: str,
        service_account: str,
        *,
        now: float,
        audiences: Sequence[str] = (),
        seconds: int = SECONDS,
        bound: Object | None = None,
    ) -> str:
        """A token for a ServiceAccount.

        Args:
            namespace: the account's.
            service_account: its name.
            now: the time, in seconds since the Unix epoch.
            audiences: for whom it is meant; the API server if empty.
            seconds: how long it is good.
            bound: a Pod or a Secret with whose end the token is void, too.

        Raises:
            ApiError: 404 if there is no such ServiceAccount.
        """
        account = self._store.get(("", "serviceaccounts", namespace, service_account))
        if account is None:
            raise refusals.not_found("", "serviceaccounts", service_account)
        about: Object = {
            "namespace": namespace,
            "serviceaccount": {"name": service_account, "uid": account["metadata"]["uid"]},
        }
        if bound is not None:
            metadata = bound["metadata"]
            about[bound["kind"].lower()] = {"name": metadata["name"], "uid": metadata["uid"]}
        claims = {
            "aud": list(audiences) or [ISSUER],
            "exp": int(now) + seconds,
            "iat": int(now),
            "iss": ISSUER,
            "jti": new_uid(self._rng),
            "kubernetes.io": about,
            "nbf": int(now),
            "sub": account_name(namespace, service_account),
        }
        return jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self._key_id})

    def verify(self, token: str, *, now: float, audiences: Sequence[str] = ()) -> User:
        """The ServiceAccount that a token proves.

        Args:
            token: what a client sent.
            now: the time, in seconds since the Unix epoch.
            audiences: of which the token must be for one; the API server if empty.

        Raises:
            TokenError: 401 Unauthorized.
        """
        claims = self._signed(token)
        if claims["iss"] == secret_tokens.ISSUER:
            return self._of_secret(claims, token, audiences)
        return self._user(self._valid(token, now, audiences))

    def audiences(self, token: str, *, now: float, audiences: Sequence[str] = ()) -> list[str]:
        """Those of the audiences that a token is for.

        Raises:
            TokenError: 401 Unauthorized.
        """
        claims = self._signed(token)
        if claims["iss"] == secret_tokens.ISSUER:
            self._of_secret(claims, token, audiences)
            return [ISSUER]
        claims = self._valid(token, now, audiences)
        return [each for each in audiences or (ISSUER,) if each in claims["aud"]]

    def request(self, namespace: str, name: str, body: Any, *, now: float) -> Object:
        """Answer a TokenRequest, the subresource `token` of ServiceAccounts.

        Args:
            namespace: the ServiceAccount's.
            name: its name.
            body: the TokenRequest, as the client sent it.
            now: the time, in seconds since the Unix epoch.

        Raises:
            ApiError: 400 for a body that cannot be read or a pod of another account, 404 for a
                ServiceAccount or a bound object that is not there, 409 if its uid is another, 422
                for a time that is too short or too long.
        """
        body = decoding.with_header(body, _REQUEST.api_version, _REQUEST.kind)
        body = decoding.decoded(body, _REQUEST, validation="Ignore", warn=lambda _: None)
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds") or SECONDS
        _check_seconds(seconds)
        reference = spec.get("boundObjectRef")
        token = self.issue(
            namespace,
            name,
            now=now,
            audiences=spec.get("audiences") or (),
            seconds=seconds,
            bound=self._bound(namespace, name, reference) if reference else None,
        )
        expires = {"token": token, "expirationTimestamp": timestamp(int(now) + seconds)}
        asked = {"audiences": spec.get("audiences") or [ISSUER], "expirationSeconds": seconds}
        return {
            "kind": _REQUEST.kind,
            "apiVersion": _REQUEST.api_version,
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": timestamp(now)},
            "spec": {**asked, "boundObjectRef": reference},
            "status": expires,
        }

    def _bound(self, namespace: str, account: str, reference: Object) -> Object:
        kind, name = reference.get("kind", ""), reference.get("name", "")
        plural = _BOUND_TO.get(kind)
        if plural is None or reference.get("apiVersion", "v1") != "v1":
            raise refusals.bad_request(
                f"cannot bind token for serviceaccount to object of type /{kind}"
            )
        found = self._store.get(("", plural, namespace, name))
        if found is None:
            raise refusals.not_found("", plural, name)
        uid, asked = found["metadata"]["uid"], reference.get("uid")
        if asked and asked != uid:
            why = (
                f"the UID in the bound object reference ({asked}) does not match the UID in "
                f"record. The object might have been deleted and then recreated"
            )
            raise refusals.conflict("", plural, name, why)
        if kind == "Pod" and found["spec"].get("serviceAccountName", "default") != account:
            raise refusals.bad_request(
                f'cannot bind token for serviceaccount "{account}" to pod running with different '
                "serviceaccount name."
            )
        return {**found, "kind": kind}

    def _of_secret(self, claims: Mapping[str, Any], token: str, audiences: Sequence[str]) -> User:
        """The account of a token in a Secret; such a token is for the API server."""
        if audiences and ISSUER not in audiences:
            raise TokenError("token audiences are invalid for the target audiences")
        user = secret_tokens.holder(claims, token, self._store)
        if user is None:
            raise TokenError("service account token has been invalidated")
        return user

    def _valid(self, token: str, now: float, audiences: Sequence[str]) -> Mapping[str, Any]:
        """The claims of a token that holds at this instant."""
        claims = self._signed(token)
        if now < claims["nbf"]:
            raise TokenError("service account token is not valid yet")
        if now >= claims["exp"]:
            raise TokenError("service account token has expired")
        if not any(each in claims["aud"] for each in audiences or (ISSUER,)):
            raise TokenError(
                f"token audiences {_listed(claims['aud'])} is invalid for the target audiences "
                f"{_listed(audiences or (ISSUER,))}"
            )
        about = claims["kubernetes.io"]
        self._check_exists(about["namespace"], "serviceaccounts", about["serviceaccount"])
        for kind, plural in _BOUND_TO.items():
            if kind.lower() in about:
                self._check_exists(about["namespace"], plural, about[kind.lower()])
        return claims

    def _signed(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that we signed, expired or not."""
        claims = self._known.get(token)
        if claims is not None:
            return claims
        # Times and audiences are checked each time, and against the clock that is handed in.
        later = ("verify_exp", "verify_nbf", "verify_iat", "verify_aud")
        options: Any = dict.fromkeys(later, False)
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                issuer=[ISSUER, secret_tokens.ISSUER],
                options=options,
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenError(f"invalid bearer token: {error}") from error
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[token] = claims
        return claims

    def _check_exists(self, namespace: str, plural: str, reference: Object) -> None:
        found = self._store.get(("", plural, namespace, reference["name"]))
        if found is None or found["metadata"]["uid"] != reference["uid"]:
            raise TokenError(
                "service account token has been invalidated: "
                f"{plural} {namespace}/{reference['name']} is not the one it was issued for"
            )

    def _user(self, claims: Mapping[str, Any]) -> User:
        about = claims["kubernetes.io"]
        namespace, account = about["namespace"], about["serviceaccount"]
        extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",)}
        if "pod" in about:
            extra["authentication.kubernetes.io/pod-name"] = (about["pod"]["name"],)
            extra["authentication.kubernetes.io/pod-uid"] = (about["pod"]["uid"],)
        name = account_name(namespace, account["name"])
        return User(name, account_groups(namespace), account["uid"], extra)


def _check_seconds(seconds: Any) -> None:
    field = "spec.expirationSeconds"
    if not isinstance(seconds, int) or seconds < SHORTEST:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > LONGEST:
        why = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    cause = ("FieldValueInvalid", f"Invalid value: {seconds}: {why}", field)
    raise refusals.invalid("authentication.k8s.io", "TokenRequest", "", [cause])


def _listed(texts: Iterable[str]) -> str:
    return "[" + " ".join(f'"{text}"' for text in texts) + "]"
