"""The commits that bring a pull request to its target: merge, squash, rebase, revert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_lab.errors import ForgeError
from gitops_lab.forge.command import GitFailed, git
from gitops_lab.forge.objects import CommitObject
from gitops_lab.forge.people import Person
from gitops_lab.forge.pull_request import Method, PullRequest
from gitops_lab.forge.trees import merge

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_lab.forge.database import Database


@dataclass(frozen=True)
class Range:
    """What a pull request brings: the commits after `base` up to `head`, onto `target`.

    Args:
        base: the newest commit that both branches have; empty if they share none.
        head: the source's newest commit.
        target: the target's newest commit.
    """

    base: str
    head: str
    target: str


class Merging:
    """Makes commits that belong to no branch yet, without a working tree.

    Args:
        path: the bare repository.
        database: its objects.
    """

    def __init__(self, path: Path, database: Database) -> None:
        self._path, self._database = path, database
        self._bases: dict[tuple[str, str], str] = {}

    def range(self, head: str, target: str) -> Range:
        """What `head` has and `target` has not."""
        if (head, target) not in self._bases:
            if target in self._database.commit(head).parents:
                base = target  # the usual case, without a process
            else:
                try:
                    base = git("merge-base", target, head, cwd=self._path).strip()
                except GitFailed:  # unrelated histories
                    base = ""
            self._bases = {(head, target): base}  # asked again at once, and seldom later
        return Range(self._bases[head, target], head, target)

    def conflicts(self, span: Range) -> tuple[str, ...]:
        """The paths that both sides changed in different ways."""
        return self._merged(span)[1]

    def make(
        self, pull: PullRequest, span: Range, method: Method, person: Person, now: float
    ) -> str:
        """The commit that the target will move to.

        Args:
            pull: what is merged.
            span: its commits, and the target.
            method: how.
            person: who merges.
            now: when, in seconds since the Unix epoch.

        Raises:
            ForgeError: there are conflicts.
        """
        if method == "rebase":
            return self._rebase(span, person, now)
        tree, conflicts = self._merged(span)
        refuse(conflicts, pull.target)
        approved = "".join(f"Approved-by: {name}\n" for name in sorted(pull.approvals))
        parents: tuple[str, ...] = (span.target,)
        if method == "merge":
            parents = (span.target, span.head)
            subject = f"Merge pull request #{pull.number} from {pull.source}"
            text = f"{subject}\n\n{pull.title}\n"
        else:
            text = f"{pull.title} (#{pull.number})\n"
            text += f"\n{pull.description.strip()}\n" if pull.description.strip() else ""
        message = text + (f"\n{approved}" if approved else "")
        return self._commit(tree, parents, person, now, message)

    def revert(self, pull: PullRequest, target: str, person: Person, now: float) -> str:
        """A commit on the target that undoes what a merged pull request brought.

        Raises:
            ForgeError: later commits changed the same lines, or nothing of it is left.
        """
        assert pull.merge is not None
        after, before = pull.merge.commit, pull.merge.before
        trees = [self._database.commit(commit).tree for commit in (after, target, before)]
        tree, conflicts = merge(self._database, *trees)
        refuse(conflicts, pull.target)
        if tree == trees[1]:
            raise ForgeError(f"pull request {pull.number} is undone already")
        message = f'Revert "{pull.title}"\n\nThis reverts pull request #{pull.number}.\n'
        return self._commit(tree, (target,), person, now, message)

    def _merged(self, span: Range) -> tuple[bytes, tuple[str, ...]]:
        base = self._database.commit(span.base).tree if span.base else None
        ours, theirs = (self._database.commit(c).tree for c in (span.target, span.head))
        return merge(self._database, base, ours, theirs)

    def _rebase(self, span: Range, person: Person, now: float) -> str:
        """Each commit of the source on top of the target; its author stays."""
        spec = f"{span.base}..{span.head}" if span.base else span.head
        listed = git("rev-list", "--reverse", "--no-merges", "--topo-order", spec, cwd=self._path)
        at, committer = span.target, _stamp(person, now)
        for each in listed.split():
            picked = self._database.commit(each)
            base = self._database.commit(picked.parents[0]).tree if picked.parents else None
            ours = self._database.commit(at).tree
            tree, conflicts = merge(self._database, base, ours, picked.tree)
            refuse(conflicts, f"the target, at commit {each[:7]}")
            if tree != ours:
                commit = CommitObject(tree, (at,), picked.author, committer, picked.message)
                at = self._database.store_commit(commit)
        return at

    def _commit(
        self, tree: bytes, parents: tuple[str, ...], person: Person, now: float, message: str
    ) -> str:
        stamp = _stamp(person, now)
        return self._database.store_commit(CommitObject(tree, parents, stamp, stamp, message))


def refuse(conflicts: tuple[str, ...], target: str) -> None:
    """Raise the error that names the conflicts, if there are any."""
    if conflicts:
        raise ForgeError(
            f"conflicts with {target}: both changed the same lines",
            where=", ".join(conflicts[:5]),
            fix="in a clone: git fetch, git rebase origin/main, solve them, and push again",
        )


def _stamp(person: Person, now: float) -> bytes:
    return f"{person.author} {int(now)} +0000".encode()
