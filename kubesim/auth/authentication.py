"""Authentication: from what a request carries to who sent it.

Source: apiserver `pkg/authentication/request` (x509, bearertoken, anonymous) and
`pkg/endpoints/filters/impersonation.go` (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from kubesim import refusals
from kubesim.auth.authorization import Attributes, Authorizer
from kubesim.auth.tokens import Tokens
from kubesim.auth.users import (
    ANONYMOUS,
    AUTHENTICATED,
    UNAUTHENTICATED,
    User,
    account_groups,
    split_account,
)

_IMPERSONATE = "impersonate-"
_EXTRA = "extra-"


class Authenticator:
    """Finds out who asks.

    Args:
        tokens: verifies bearer tokens.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        """Verifies bearer tokens, and issues them."""

    def authenticate(
        self, peer_certificate: Mapping[str, Any] | None, authorization: str, now: float
    ) -> User | None:
        """The user who sent a request; None if it carries no credentials at all.

        A certificate counts before a token.

        Args:
            peer_certificate: the client's, verified already, as `ssl.SSLSocket.getpeercert`
                tells it: the common name is the user, each organisation a group.
            authorization: the header `Authorization`; empty if there is none.
            now: the time, in seconds since the Unix epoch.

        Raises:
            TokenError: 401 Unauthorized: a token that proves nothing.
        """
        user = _named_by(peer_certificate) if peer_certificate else None
        if user is not None:
            return user
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        return self.tokens.verify(token, now=now)


def _named_by(certificate: Mapping[str, Any]) -> User | None:
    """The user that a certificate names; None if it names none."""
    parts = [pair for entry in certificate.get("subject", ()) for pair in entry]
    names = [value for kind, value in parts if kind == "commonName" and value]
    if not names:
        return None
    groups = [value for kind, value in parts if kind == "organizationName"]
    return User(names[-1], (*dict.fromkeys(groups), AUTHENTICATED))


def impersonate(user: User, headers: Mapping[str, str], authorizer: Authorizer) -> User:
    """The user as whom a request is to be treated: who sent it, or whom they impersonate.

    Args:
        user: who sent it.
        headers: the request's, in a mapping whose `items` tells a repeated header each time.
        authorizer: whether they may.

    Raises:
        ApiError: 403 Forbidden; 400 if a group, uid or extra is impersonated without a user.
    """
    asked = [
        (name.lower().removeprefix(_IMPERSONATE), value)
        for name, value in headers.items()
        if name.lower().startswith(_IMPERSONATE)
    ]
    if not asked:
        return user
    name = next((value for part, value in asked if part == "user"), "")
    groups = tuple(value for part, value in asked if part == "group")
    uid = next((value for part, value in asked if part == "uid"), "")
    extra: dict[str, tuple[str, ...]] = {}
    for part, value in asked:
        if part.startswith(_EXTRA):
            key = unquote(part.removeprefix(_EXTRA))
            extra[key] = (*extra.get(key, ()), value)
    if not name:
        if groups or uid or extra:
            raise refusals.bad_request(
                f"requested {_in_go(groups, uid, extra)} without impersonating a user name"
            )
        return user
    account = split_account(name)
    _check(user, _whom(name, account), authorizer)
    for group in groups:
        _check(user, Attributes("impersonate", resource="groups", name=group), authorizer)
    more = [("uids", "", uid)] if uid else []
    more += [("userextras", key, value) for key, values in extra.items() for value in values]
    for resource, key, value in more:
        attributes = Attributes(
            "impersonate",
            group="authentication.k8s.io",
            version="v1",
            resource=resource,
            subresource=key,
            name=value,
        )
        _check(user, attributes, authorizer)
    return User(name, _groups(name, groups, account), uid, extra)


def _in_go(groups: tuple[str, ...], uid: str, extra: Mapping[str, tuple[str, ...]]) -> str:
    """What was asked for, as Go prints it."""

    def strings(values: tuple[str, ...]) -> str:
        quoted = ", ".join(f'"{each}"' for each in values)
        return f"[]string{{{quoted}}}" if values else "[]string(nil)"

    more = ", ".join(f'"{key}":{strings(extra[key])}' for key in sorted(extra))
    kept = f"map[string][]string{{{more}}}" if extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:"{uid}", Groups:{strings(groups)}, Extra:{kept}}}'


def _groups(name: str, asked: tuple[str, ...], account: tuple[str, str] | None) -> tuple[str, ...]:
    """The groups of a user who is impersonated, including those of every user."""
    if not asked and account:
        return account_groups(account[0])
    is_anonymous = name == ANONYMOUS.name or UNAUTHENTICATED in asked
    return tuple(dict.fromkeys((*asked, UNAUTHENTICATED if is_anonymous else AUTHENTICATED)))


def _whom(name: str, account: tuple[str, str] | None) -> Attributes:
    if account is None:
        return Attributes("impersonate", version="v1", resource="users", name=name)
    namespace, own = account
    return Attributes(
        "impersonate", version="v1", resource="serviceaccounts", namespace=namespace, name=own
    )


def _check(user: User, attributes: Attributes, authorizer: Authorizer) -> None:
    decision = authorizer.allows(user, attributes)
    if not decision.allowed:
        raise authorizer.forbidden(user, attributes, decision)
