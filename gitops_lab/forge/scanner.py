"""A scanner for plain secrets in a repository: in its newest files, and in all of its history.

What was once pushed stays in the history after it is deleted, and every clone has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_lab.forge.command import git

if TYPE_CHECKING:
    from gitops_lab.forge.repository import Repository

LARGEST = 1 << 20
"""Larger files are left out, in bytes: they are not written by people."""

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("private key", re.compile(r"-----BEGIN ([A-Z ]+ )?PRIVATE KEY-----")),
    ("AWS access key", re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("GitHub token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b")),
    ("GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}\b")),
    ("JSON Web Token", re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}\b")),
    (
        "password",
        re.compile(r"(?i)\b(?:password|passwd|secret|token|api[-_]?key)[\"']?\s*[:=]\s*[\"']?[^\s\"'{}$#]{6,}"),
    ),
)  # fmt: skip
_SECRET = re.compile(r"(?m)^kind:\s*[\"']?Secret[\"']?\s*$")
_DATA = re.compile(r"(?m)^(?:data|stringData):\s*(?:\{\s*\S+\s*:|\n[ \t]+\S+:[ \t]*\S)")


@dataclass(frozen=True)
class Finding:
    """A plain secret in a file. The value itself is not kept.

    Args:
        kind: what it looks like.
        path: the file.
        line: the line in that file, from 1.
        commit: the commit that brought it.
        is_live: whether the newest commit of a branch still has it.
    """

    kind: str
    path: str
    line: int
    commit: str
    is_live: bool

    def __str__(self) -> str:
        still = "" if self.is_live else " (deleted since, but in the history)"
        return f"{self.path}:{self.line}: {self.kind}, since {self.commit[:7]}{still}"


def scan(repository: Repository, *refs: str) -> tuple[Finding, ...]:
    """The plain secrets in the history of some references, by path and line.

    Args:
        repository: the repository.
        refs: full names, branches or commits; all branches and tags if none are named.
    """
    which = refs or ("--branches", "--tags")
    listed = git("rev-list", "--objects", "--no-object-names", *which, cwd=repository.path)
    if not listed:
        return ()
    check = "%(objectname) %(objecttype) %(objectsize)"
    sizes = git("cat-file", f"--batch-check={check}", cwd=repository.path, stdin=listed.encode())
    found: list[Finding] = []
    for row in sizes.splitlines():
        sha, kind, size = row.split()
        if kind == "blob" and int(size) <= LARGEST:
            for what, line in _secrets(repository.blob(sha)):
                path, commit, is_live = _place(repository, sha, which)
                found.append(Finding(what, path, line, commit, is_live))
    return tuple(sorted(found, key=lambda each: (each.path, each.line, each.commit)))


def _secrets(content: bytes) -> Iterator[tuple[str, int]]:
    """What looks like a secret in a file, and in which line; each kind once."""
    if b"\0" in content[:8000]:
        return
    text = content.decode(errors="replace")
    for document in re.finditer(r"(?ms)^(?:(?!---).*?)(?=^---|\Z)", text):
        if _SECRET.search(document[0]) and (data := _DATA.search(document[0])):
            yield (
                "Secret without encryption",
                text.count("\n", 0, document.start() + data.start()) + 1,
            )
    for kind, pattern in _KINDS:
        if (match := pattern.search(text)) is not None and "sealed" not in match[0].lower():
            yield kind, text.count("\n", 0, match.start()) + 1


def _place(repository: Repository, sha: str, which: tuple[str, ...]) -> tuple[str, str, bool]:
    """The path of a file's content, the commit that brought it, and whether it is still there."""
    output = git(
        "log", "--format=%H", "--raw", "--no-abbrev", "--no-renames", "-m", "--reverse",
        f"--find-object={sha}", *which, cwd=repository.path,
    )  # fmt: skip
    commit = path = ""
    for line in output.splitlines():
        if line.startswith(":"):
            head, _, name = line.partition("\t")
            if head.split()[3] == sha:
                path = name
                break
        elif line:
            commit = line
    tips = [repository.tip(name) for name in repository.branches]
    is_live = any(repository.has_blob(tip, path, sha) for tip in tips)
    return path, commit, is_live
