"""Protected branches: the rules that the `pre-receive` hook and every merge hold to.

They are kept in `protected-branches` among the forge's records, a line for each rule, so that the
hook, a shell script, reads the same text:

    main approvals=1 checks=validate,diff code-owners=yes
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from gitops_lab.errors import ForgeError
from gitops_lab.forge.people import require
from gitops_lab.forge.records import Records

PATH = "protected-branches"

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/*-]*")
_CONTEXT = re.compile(r"[^\s,=]+")


@dataclass(frozen=True)
class Rule:
    """What a protected branch asks for. It is never pushed to directly, moved back or deleted.

    Args:
        branch: its name; `*` stands for any characters.
        approvals: how many people must approve a pull request's newest commit.
        checks: contexts of commit statuses that must report success.
        code_owners: whether an owner of each changed file must approve.
        up_to_date: whether a pull request must contain the branch's newest commit.
        direct: accounts that may push to it directly all the same, such as a bot.
    """

    branch: str
    approvals: int = 0
    checks: tuple[str, ...] = ()
    code_owners: bool = False
    up_to_date: bool = False
    direct: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [self.branch, f"approvals={self.approvals}"]
        words += [f"checks={','.join(self.checks)}"] if self.checks else []
        words += ["code-owners=yes"] if self.code_owners else []
        words += ["up-to-date=yes"] if self.up_to_date else []
        words += [f"direct={','.join(self.direct)}"] if self.direct else []
        return " ".join(words)

    @classmethod
    def parse(cls, line: str) -> Rule:
        """The rule that a line says; words that are not known are left out."""
        branch, *words = line.split()
        said = dict(word.split("=", 1) for word in words if "=" in word)
        return cls(
            branch,
            approvals=int(said.get("approvals", 0)),
            checks=_list(said.get("checks", "")),
            code_owners=said.get("code-owners") == "yes",
            up_to_date=said.get("up-to-date") == "yes",
            direct=_list(said.get("direct", "")),
        )


class Protection:
    """The protected branches of one repository.

    Args:
        records: where the rules are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules; the first that fits a branch counts."""
        text = (self._records.content(PATH) or b"").decode()
        return tuple(Rule.parse(line) for line in text.splitlines() if line.strip())

    def of(self, branch: str) -> Rule | None:
        """The rule for a branch; None if it is not protected."""
        return next((r for r in self.rules if fnmatchcase(branch, r.branch)), None)

    def protect(self, rule: Rule, *, by: str = "learner") -> None:
        """Protect a branch, or change the rule that protects it.

        Raises:
            ForgeError: the account may not, or a word in the rule cannot be used.
        """
        require(by, "protect", "protect branches")
        rule = replace(rule, checks=tuple(dict.fromkeys(rule.checks)))
        for text, pattern in (
            (rule.branch, _WORD),
            *((check, _CONTEXT) for check in rule.checks),
            *((account, _WORD) for account in rule.direct),
        ):
            if not pattern.fullmatch(text):
                raise ForgeError(
                    f"{text!r} cannot stand in a rule", fix="leave out spaces, ',', '='"
                )
        if not 0 <= rule.approvals <= 9:
            raise ForgeError(f"{rule.approvals} approvals make no sense", fix="use 0 to 9")
        with self._records.locked():
            others = [each for each in self.rules if each.branch != rule.branch]
            self._write([*others, rule], by, "protected", f"{rule.branch} is protected: {rule}")

    def unprotect(self, branch: str, *, by: str = "learner") -> None:
        """Take the protection of a branch away.

        Raises:
            ForgeError: the account may not, or the branch is not protected.
        """
        require(by, "protect", "take protection away")
        with self._records.locked():
            others = [each for each in self.rules if each.branch != branch]
            if len(others) == len(self.rules):
                raise ForgeError(f"{branch} is not protected")
            self._write(others, by, "unprotected", f"{branch} is not protected any more")

    def _write(self, rules: list[Rule], by: str, event: str, text: str) -> None:
        lines = "".join(f"{rule}\n" for rule in rules).encode()
        self._records.write(by, event, text, {PATH: lines})


def _list(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)
