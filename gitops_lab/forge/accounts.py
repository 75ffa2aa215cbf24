"""Who may read and write which repositories over the network."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gitops_lab.errors import ForgeError

Right = Literal["read", "write"]
"""What an account may do with a repository. Who may write may read."""

EVERY = "*"
"""Stands for all repositories to which an account is given no right of their own."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Account:
    """A person, or a program such as a pipeline, with a name, a token and rights.

    Args:
        name: who it is.
        digest: the SHA-256 of the token. The token itself is kept nowhere.
        rights: the right to each repository, by its name or `EVERY`.
    """

    name: str
    digest: str
    rights: Mapping[str, Right]

    def may(self, right: Right, repository: str) -> bool:
        """Whether the account has this right to the repository of this name."""
        return self.rights.get(repository, self.rights.get(EVERY)) in (right, "write")


class Accounts:
    """The accounts of a forge.

    Args:
        accounts: those that exist from the beginning.
    """

    def __init__(self, accounts: Iterable[Account] = ()) -> None:
        self._accounts = {account.name: account for account in accounts}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def add(self, name: str, token: str, rights: Mapping[str, Right]) -> Account:
        """A new account.

        Args:
            name: letters, digits, `.`, `_` and `-`.
            token: proves who asks. It must be long and drawn at random: then one quick
                hash keeps it safe, where a password that a person chose would need a slow one.
            rights: the right to each repository, by its name or `EVERY`.

        Raises:
            ForgeError: the name cannot be used or is taken, or the token is empty.
        """
        if not _NAME.fullmatch(name):
            raise ForgeError(
                f"{name!r} is no name of an account",
                fix="use up to 64 letters, digits, '.', '_' and '-'",
            )
        if name in self._accounts:
            raise ForgeError(f"there is an account {name!r} already", fix="remove it first")
        if not token:
            raise ForgeError("an empty token proves nothing", where=name, fix="draw one at random")
        self._accounts[name] = Account(name, _digest(token), dict(rights))
        return self._accounts[name]

    def remove(self, name: str) -> None:
        """Take an account away: from now on its token opens nothing.

        Raises:
            ForgeError: there is no such account.
        """
        if self._accounts.pop(name, None) is None:
            raise ForgeError(
                f"there is no account {name!r}",
                fix=f"accounts: {', '.join(self._accounts) or 'none'}",
            )

    def authenticate(self, header: str) -> Account | None:
        """Whose name and token these are; None if nobody's.

        Args:
            header: the value of an `Authorization` header, or nothing. Source: RFC 7617, the
                Basic scheme, with UTF-8 as the server's challenge asks for.
        """
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            said = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        name, _, token = said.partition(":")
        account = self._accounts.get(name)
        # Compares for unknown names, too: the time that it takes does not show which names exist.
        known = hmac.compare_digest(_digest(token), account.digest if account else _digest(""))
        return account if known else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
