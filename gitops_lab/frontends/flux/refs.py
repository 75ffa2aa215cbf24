"""Which commit a GitRepository's `spec.ref` means, given the refs that `git ls-remote` lists.

Source: fluxcd/pkg/git/gogit. The order of precedence is the code's, not that of the API page:
commit, name, tag, semver, branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_lab.frontends.flux import semver

DEFAULT_BRANCH = "master"


class RefNotFound(Exception):
    """No commit is what `spec.ref` asks for; the text is Flux's."""


def resolve(ref: Mapping[str, Any], refs: Mapping[str, str]) -> tuple[str, str]:
    """The revision as Flux writes it, and its commit.

    Args:
        ref: `spec.ref`; empty for the default branch.
        refs: the commit of each ref, by full name.

    Raises:
        RefNotFound: there is no such ref.
    """
    if commit := ref.get("commit"):
        branch = ref.get("branch")
        return (f"{branch}@sha1:{commit}" if branch else f"sha1:{commit}"), commit
    if name := ref.get("name"):
        if name not in refs:
            raise RefNotFound(f"unable to resolve ref '{name}' to a specific commit")
        return f"{name}@sha1:{refs[name]}", refs[name]
    if tag := ref.get("tag"):
        return _at(tag, f"refs/tags/{tag}", refs)
    if expression := ref.get("semver"):
        tags = [name.removeprefix("refs/tags/") for name in refs if name.startswith("refs/tags/")]
        best = semver.newest(expression, tags)
        if best is None:
            raise RefNotFound(f"no match found for semver: {expression}")
        return _at(best, f"refs/tags/{best}", refs)
    branch = ref.get("branch") or DEFAULT_BRANCH
    return _at(branch, f"refs/heads/{branch}", refs)


def _at(short: str, full: str, refs: Mapping[str, str]) -> tuple[str, str]:
    if full not in refs:
        raise RefNotFound(f'couldn\'t find remote ref "{full}"')
    return f"{short}@sha1:{refs[full]}", refs[full]
