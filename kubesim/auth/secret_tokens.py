"""Tokens in Secrets: they last as long as the Secret and its ServiceAccount, with no expiry.

Kubernetes makes them only for those who create a Secret of the type for it; a TokenRequest is the
better way.

Source: pkg/serviceaccount/legacy.go (Kubernetes 1.37).
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from kubesim.auth.users import User, account_groups, account_name
from kubesim.model import Object
from kubesim.store import Store

ISSUER = "kubernetes/serviceaccount"
"""Who signs these; the tokens that a TokenRequest gives have another issuer."""

_CLAIM = "kubernetes.io/serviceaccount/"


def secret_token(key: EllipticCurvePrivateKey | None, account: Object, secret: Object) -> str:
    """The token for a Secret.

    Args:
        key: signs it. If None, no server is there to check it, and the Secret's own uid signs:
            the same seed gives the same bytes.
        account: the ServiceAccount.
        secret: the Secret that is to hold it.
    """
    namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
    claims = {
        "iss": ISSUER,
        f"{_CLAIM}namespace": namespace,
        f"{_CLAIM}secret.name": secret["metadata"]["name"],
        f"{_CLAIM}service-account.name": name,
        f"{_CLAIM}service-account.uid": account["metadata"]["uid"],
        "sub": account_name(namespace, name),
    }
    if key is None:
        return jwt.encode(claims, secret["metadata"]["uid"], "HS256")
    return jwt.encode(claims, key, "ES256")


def holder(claims: Mapping[str, Any], token: str, store: Store) -> User | None:
    """The ServiceAccount that a token with a good signature proves; None if it is void.

    Args:
        claims: the token's.
        token: as the client sent it.
        store: where the Secret must still hold it, and the account be the same.
    """
    namespace, name = claims[f"{_CLAIM}namespace"], claims[f"{_CLAIM}service-account.name"]
    uid = claims[f"{_CLAIM}service-account.uid"]
    secret = store.get(("", "secrets", namespace, claims[f"{_CLAIM}secret.name"]))
    account = store.get(("", "serviceaccounts", namespace, name))
    if secret is None or account is None:
        return None
    kept = str((secret.get("data") or {}).get("token", ""))
    is_kept = hmac.compare_digest(kept.encode(), b64encode(token.encode()))
    goes = any("deletionTimestamp" in each["metadata"] for each in (secret, account))
    if not is_kept or goes or account["metadata"]["uid"] != uid:
        return None
    return User(account_name(namespace, name), account_groups(namespace), uid)
