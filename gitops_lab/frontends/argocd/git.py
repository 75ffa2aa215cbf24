"""Target revisions: which commit a branch, a tag, a hash or a range of versions means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitops_lab.errors import SourceError
from gitops_lab.ports import Git

_FULL_HASH = re.compile(r"[0-9a-f]{40}")
_SHORT_HASH = re.compile(r"[0-9a-f]{7,39}")
_RANGE = re.compile(r"[<>=~^*x|,\s]|\.x", re.IGNORECASE)
_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+\S+)?")


def resolve(git: Git, url: str, revision: str, tag_prefix: str = "") -> str:
    """The commit that a target revision means.

    A full hash is taken as it is; then a range of versions is looked up among the tags, then a
    branch or tag of that name, then a short hash. Source: Argo CD 3.5, `util/git/client.go`
    LsRemote.

    Raises:
        SourceError: there is none, or the repository does not answer.
    """
    if _FULL_HASH.fullmatch(revision):
        return revision
    if revision in ("", "HEAD"):
        return git.open(url).head().commit
    refs = git.refs(url)
    if _RANGE.search(revision):
        tags = [name.removeprefix("refs/tags/") for name in refs if name.startswith("refs/tags/")]
        if found := highest(tags, revision, tag_prefix):
            return refs[f"refs/tags/{found}"]
    for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
        if name in refs:
            return refs[name]
    if _SHORT_HASH.fullmatch(revision):
        return git.open(url, commit=revision).head().commit
    raise SourceError(f"unable to resolve '{revision}' to a commit SHA")


def highest(tags: Iterable[str], constraint: str, prefix: str = "") -> str:
    """The tag with the highest version that a constraint allows; empty if none does.

    Args:
        tags: names of tags; those that are no version do not count.
        constraint: such as `1.2.*`, `^1.2`, `~1.2.3`, `>=1.0 <2.0`.
        prefix: what the names of the tags begin with.
    """
    found = []
    for tag in tags:
        version = _parsed(tag.removeprefix(prefix)) if tag.startswith(prefix) else None
        if version is not None and allows(constraint, version):
            found.append((version, tag))
    return max(found, default=(None, ""))[1]


Version = tuple[int, int, int, tuple[int, str]]


def _parsed(text: str) -> Version | None:
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        return None
    major, minor, patch = (int(part or 0) for part in match.groups()[:3])
    early = match[4]
    return major, minor, patch, (0, early) if early else (1, "")


def allows(constraint: str, version: Version) -> bool:
    """Whether a version satisfies a constraint; alternatives are separated by `||`."""
    return any(_all(each, version) for each in constraint.split("||"))


def _all(constraint: str, version: Version) -> bool:
    parts = re.findall(r"(>=|<=|!=|=|>|<|~|\^)?\s*(v?[\dxX*][^\s,]*)", constraint)
    if not parts or (not version[3][0] and "-" not in constraint):
        return False
    return all(_one(operator, text, version) for operator, text in parts)


def _one(operator: str, text: str, version: Version) -> bool:
    numbers = [part for part in text.lstrip("v").split("-")[0].split(".") if part not in "xX*"]
    low = _parsed(".".join(numbers)) if numbers else (0, 0, 0, (0, ""))
    if low is None:
        return False
    exact = _parsed(text) if len(numbers) == 3 else None
    low = exact or (*low[:3], (0, ""))
    width = len(numbers)
    if operator in ("", "=", "!="):
        same = version == low if width == 3 else version[:width] == low[:width]
        return same != (operator == "!=")
    if operator == "~":
        width = min(max(width, 1), 2)
        return version >= low and version[:width] == low[:width]
    if operator == "^":
        first = next((i for i, number in enumerate(low[:3]) if number), min(width, 3) - 1)
        return version >= low and version[: first + 1] == low[: first + 1]
    past = version >= low if width == 3 else version[:width] >= low[:width]
    above = version > low if width == 3 else version[:width] > low[:width]
    return {">=": past, ">": above, "<": not past, "<=": not above}[operator]
