"""Who asks: users and groups, as authentication finds them and authorization takes them.

Source: apiserver `pkg/authentication/user` and `serviceaccount` (Kubernetes 1.37). Kubernetes keeps
no list of users: a name is what a certificate, a token or an impersonator says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MASTERS = "system:masters"
"""Members may do everything; no role can take that away."""

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"

_ACCOUNT = "system:serviceaccount:"
_ACCOUNTS = "system:serviceaccounts"


@dataclass(frozen=True)
class User:
    """A person or a program, as the API server knows it.

    Args:
        name: such as `jane` or `system:serviceaccount:shop:agent`.
        groups: the groups it belongs to, the ones that everybody belongs to included.
        uid: what tells it from others of the same name over time; empty if nothing does.
        extra: what else its credentials say.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def info(self) -> dict[str, object]:
        """This user as an authentication.k8s.io/v1 UserInfo."""
        info = {
            "username": self.name,
            "uid": self.uid,
            "groups": list(self.groups),
            "extra": {key: list(values) for key, values in self.extra.items()},
        }
        return {key: value for key, value in info.items() if value}


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))
"""The user of requests without credentials."""

ADMIN = User("system:admin", (MASTERS, AUTHENTICATED))
"""The administrator who set the cluster up, and the cluster's own parts."""


def account_name(namespace: str, name: str) -> str:
    """The user name of a ServiceAccount."""
    return f"{_ACCOUNT}{namespace}:{name}"


def account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of every ServiceAccount in a namespace."""
    return (_ACCOUNTS, f"{_ACCOUNTS}:{namespace}", AUTHENTICATED)


def split_account(user: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that a user name means; None if it means none."""
    namespace, colon, name = user.removeprefix(_ACCOUNT).partition(":")
    if not user.startswith(_ACCOUNT) or not colon or not namespace or not name or ":" in name:
        return None
    return namespace, name
