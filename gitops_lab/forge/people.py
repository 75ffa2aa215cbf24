"""The accounts of a forge that people play, and what each role may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from gitops_lab.errors import ForgeError, UsageError

Role = Literal["reader", "author", "reviewer", "owner", "bot"]
Right = Literal[
    "read", "push", "open", "comment", "review", "merge", "status", "protect", "secrets"
]

RIGHTS: Mapping[Role, frozenset[Right]] = {
    "reader": frozenset({"read"}),
    "author": frozenset({"read", "push", "open", "comment", "merge"}),
    "reviewer": frozenset({"read", "push", "open", "comment", "merge", "review"}),
    "owner": frozenset(get_args(Right)),
    "bot": frozenset({"read", "push", "open", "comment", "status"}),
}
"""What each role may do. `push` is to branches without protection; `merge` is of pull requests
that meet the rules of their branch: no role may merge others."""


@dataclass(frozen=True)
class Person:
    """An account that a person or a program uses.

    Args:
        account: its name, as in `git push` over HTTPS and in CODEOWNERS after `@`.
        role: what it may do.
        full_name: the author name of its commits.
    """

    account: str
    role: Role
    full_name: str

    @property
    def author(self) -> str:
        """`Name <address>`, as Git wants it."""
        return f"{self.full_name} <{self.account}@example.org>"


LEARNER = Person("learner", "owner", "Lena Learner")
"""Whose sandbox it is. Commits that name no author are theirs: lena@example.org."""

PEOPLE: Mapping[str, Person] = {
    person.account: person
    for person in (
        LEARNER,
        Person("alex", "author", "Alex Author"),
        Person("rosa", "reviewer", "Rosa Reviewer"),
        Person("omar", "owner", "Omar Owner"),
        Person("bot", "bot", "Update Bot"),
    )
}
"""The accounts of each sandbox, so that one learner can play more than one."""


def person(account: str) -> Person:
    """The person behind an account; an unknown one, such as a deployer's, may only read."""
    return PEOPLE.get(account) or Person(account, "reader", account)


def require(account: str, right: Right, what: str) -> Person:
    """The person, if the account may do this.

    Args:
        account: who wants to.
        right: what it takes.
        what: the same in words, to follow "may not".

    Raises:
        UsageError: there is no such account.
        ForgeError: its role does not allow it.
    """
    if account not in PEOPLE:
        raise UsageError(f"there is no account {account!r}", fix=f"accounts: {', '.join(PEOPLE)}")
    found = PEOPLE[account]
    if right not in RIGHTS[found.role]:
        able = [p.account for p in PEOPLE.values() if right in RIGHTS[p.role]]
        raise ForgeError(
            f"{account} ({found.role}) may not {what}", fix=f"accounts that may: {', '.join(able)}"
        )
    return found
