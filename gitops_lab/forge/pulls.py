"""Pull requests: open, discuss, review, merge, revert. They live in Git itself.

Each is a document among the forge's records, and `refs/pull/N/head` keeps its commits, so that they
can be fetched after their branch is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from gitops_lab.errors import ForgeError, UsageError
from gitops_lab.forge.command import git
from gitops_lab.forge.merging import Merging, Range
from gitops_lab.forge.owners import PLACES, CodeOwners
from gitops_lab.forge.people import RIGHTS, person, require
from gitops_lab.forge.protection import Rule
from gitops_lab.forge.pull_request import (
    Comment,
    Merge,
    Method,
    PullRequest,
    Review,
    Verdict,
)
from gitops_lab.forge.spool import PushEvent

if TYPE_CHECKING:
    from gitops_lab.forge.database import Database
    from gitops_lab.forge.repository import Repository

OPEN = "open.json"
"""The document that names the open pull requests: looking for them reads no others."""


class PullRequests:
    """The pull requests of one repository.

    Args:
        repository: the repository.
        database: its objects and references.
    """

    def __init__(self, repository: Repository, database: Database) -> None:
        self._repository, self._database = repository, database
        self._records = repository.records
        self._merging = Merging(repository.path, database)
        self._recovered = ""

    # -- what people ask ------------------------------------------------------------------------

    def get(self, number: int) -> PullRequest:
        """The pull request of this number, at its branch's newest commit if it is open.

        Raises:
            UsageError: there is none.
        """
        raw = self._records.read(_path(number))
        if raw is None:
            last = self._last()
            there = f"there are 1 to {last}" if last else "there is none yet"
            raise UsageError(f"there is no pull request {number}", fix=there)
        pull = PullRequest.from_json(raw)
        if pull.state == "open":
            return replace(pull, head=self._repository.tip(pull.source) or pull.head)
        return pull

    def all(self, *, closed: bool = False) -> tuple[PullRequest, ...]:
        """The open pull requests, and with `closed` the others as well; the newest first."""
        numbers: Iterable[int] = range(1, self._last() + 1) if closed else self._open()
        return tuple(self.get(number) for number in sorted(numbers, reverse=True))

    def obstacles(self, number: int) -> tuple[str, ...]:
        """Why it cannot be merged now, a sentence each; empty if it can.

        Raises:
            UsageError: there is no such pull request.
        """
        pull = self.get(number)
        if pull.state != "open":
            return (f"it is {pull.state}",)
        target = self._repository.tip(pull.target)
        if not target:
            return (f"there is no branch {pull.target} any more",)
        if not self._repository.tip(pull.source):
            return (f"its branch {pull.source} was deleted",)
        span = self._merging.range(pull.head, target)
        if span.base == pull.head:
            return (f"{pull.target} has all its commits already",)
        found = [
            f"{review.by} requests changes" + (f": {review.text}" if review.text else "")
            for review in pull.verdicts.values()
            if review.verdict == "request-changes"
        ]
        if conflicts := self._merging.conflicts(span):
            found.append(f"conflicts with {pull.target} in {', '.join(conflicts[:5])}")
        if rule := self._repository.protection.of(pull.target):
            found += self._unmet(rule, pull, span)
        return tuple(found)

    def diff(self, number: int) -> str:
        """What it changes, as `git diff` shows it: since it left its target.

        Raises:
            UsageError: there is no such pull request.
        """
        pull = self.get(number)
        if pull.merge is not None:
            ends = (pull.merge.before, pull.merge.commit)
        else:
            span = self._merging.range(pull.head, self._repository.tip(pull.target) or pull.head)
            ends = (span.base or _EMPTY, pull.head)
        return git("diff", *_PLAIN, "--stat", "-p", *ends, cwd=self._repository.path)

    def preview(self, number: int) -> tuple[str, str]:
        """A commit with the files that a merge would give, on no branch, and the target's tip.

        Raises:
            ForgeError: there are conflicts.
        """
        pull = self.get(number)
        target = self._branch(pull.target)
        span = self._merging.range(pull.head, target)
        at = self._database.commit(pull.head).at  # the same preview each time
        return self._merging.make(pull, span, "merge", person(pull.author), at), target

    def opened_from(self, source: str) -> int:
        """The number of the open pull request from a branch; 0 if there is none."""
        return next((number for number, (s, _) in self._open().items() if s == source), 0)

    # -- what people do -------------------------------------------------------------------------

    def open(
        self,
        source: str,
        title: str = "",
        *,
        by: str,
        target: str = "",
        description: str = "",
    ) -> PullRequest:
        """Open a pull request.

        Args:
            source: the branch with the change.
            title: what it does; the subject of the branch's newest commit if empty.
            by: the account that opens it.
            target: the branch that it goes to; the default branch if empty.
            description: why.

        Raises:
            ForgeError: the account may not, a branch does not exist, the source has nothing new,
                or there is an open pull request for the two already.
        """
        require(by, "open", "open pull requests")
        target = target or self._repository.branch
        with self._records.locked():
            head, onto = self._branch(source), self._branch(target)
            for other in self.all():
                if (other.source, other.target) == (source, target):
                    raise ForgeError(
                        f"pull request {other.number} is open already from {source} to {target}",
                        fix=f"push to {source}: the pull request follows",
                    )
            if self._merging.range(head, onto).base == head:
                raise ForgeError(
                    f"{source} has no commit that {target} has not",
                    fix=f"commit something to {source} first",
                )
            title = title.strip() or self._database.commit(head).message.partition("\n")[0]
            number = self._last() + 1
            pull = PullRequest(
                number, " ".join(title.split()), source, target, by, self._records.now(), head,
                description=description.strip(),
            )  # fmt: skip
            self._database.set_reference(f"refs/pull/{number}/head", head)
            self._write(pull, by, "opened", f"opens pull request {number}: {pull.title}")
            return pull

    def comment(self, number: int, text: str, *, by: str, topic: str = "") -> PullRequest:
        """Say something.

        Args:
            number: of which pull request.
            text: what.
            by: the account.
            topic: replaces this account's older comment of the same topic; for programs.

        Raises:
            ForgeError: the account may not, or the text is empty.
        """
        require(by, "comment", "comment on pull requests")
        if not text.strip():
            raise ForgeError("a comment needs a text", fix="say something")
        with self._records.locked():
            pull = self.get(number)
            kept = [c for c in pull.comments if not (topic and (c.by, c.topic) == (by, topic))]
            comment = Comment(by, self._records.now(), text.strip(), topic)
            pull = replace(pull, comments=(*kept, comment))
            first = text.strip().partition("\n")[0][:80]
            self._write(pull, by, "commented", f"comments on pull request {number}: {first}")
            return pull

    def review(
        self, number: int, verdict: Verdict, text: str = "", *, by: str, commit: str = ""
    ) -> PullRequest:
        """Review the newest commit.

        Args:
            number: of which pull request.
            verdict: `approve`, `request-changes` or `comment`.
            text: why; a request for changes needs it.
            by: the account.
            commit: the commit that was looked at; refused if the branch has moved since.

        Raises:
            ForgeError: the account may not review, or not its own pull request; it is not open.
        """
        if verdict not in get_args(Verdict):
            raise UsageError(
                f"there is no verdict {verdict!r}", fix=f"use {', '.join(get_args(Verdict))}"
            )
        require(by, "review", "review pull requests")
        with self._records.locked():
            pull = self._opened(number)
            if by == pull.author and verdict != "comment":
                raise ForgeError(
                    f"{by} cannot review pull request {number}, which is {by}'s own",
                    fix=f"ask {_reviewers(by)}",
                )
            if verdict == "request-changes" and not text.strip():
                raise ForgeError("a request for changes needs a reason", fix="add a message")
            if commit and commit != pull.head:
                raise ForgeError(
                    f"{pull.source} moved from {commit[:7]} to {pull.head[:7]} meanwhile",
                    fix="look at the diff again",
                )
            review = Review(by, self._records.now(), verdict, pull.head, text.strip())
            pull = replace(pull, reviews=(*pull.reviews, review))
            words = {"approve": "approves", "request-changes": "requests changes of"}
            said = f"{words.get(verdict, 'comments on')} pull request {number}"
            self._write(pull, by, "reviewed", said, verdict=verdict, commit=pull.head)
            return pull

    def close(self, number: int, *, by: str) -> PullRequest:
        """Close it without a merge.

        Raises:
            ForgeError: the account may not, or it is not open.
        """
        with self._records.locked():
            pull = self._opened(number)
            require(by, "open" if by == pull.author else "review", "close this pull request")
            pull = replace(pull, state="closed")
            self._write(pull, by, "closed", f"closes pull request {number}")
            return pull

    def merge(self, number: int, *, by: str, method: Method = "merge") -> PullRequest:
        """Merge it, if it meets every rule of its target. Git receives it, and runs the hooks.

        Args:
            number: which pull request.
            by: the account.
            method: `merge`, `squash` or `rebase`.

        Raises:
            ForgeError: the account may not, rules are not met, there are conflicts, or the target
                moved in this moment.
        """
        if method not in get_args(Method):
            raise UsageError(
                f"there is no way {method!r}", fix=f"use {', '.join(get_args(Method))}"
            )
        merger = require(by, "merge", "merge pull requests")
        with self._records.locked():
            pull = self._opened(number)
            if obstacles := self.obstacles(number):
                raise ForgeError(
                    f"pull request {number} cannot be merged: {'; '.join(obstacles)}",
                    fix=f"`gitops-lab pr show {number}` says what it waits for",
                )
            before = self._repository.tip(pull.target)
            span, now = self._merging.range(pull.head, before), self._records.now()
            commit = self._merging.make(pull, span, method, merger, now)
            pull = replace(pull, state="merged", merge=Merge(by, now, method, before, commit))
            note = f"merges/{commit}"
            text = f"merges pull request {number} to {pull.target}"
            permit = self._repository.protection.of(pull.target) is not None
            if permit:
                self._records.write(by, "merging", text, {note: pull.to_json()}, number=number)
            try:
                self._repository.push(commit, pull.target, account=by)
            except BaseException:
                if permit:
                    self._records.write(by, "refused", f"{text}: refused", {note: None})
                raise
            self._write(pull, by, "merged", text, {note: None} if permit else {}, commit=commit)
            return pull

    def revert(self, number: int, *, by: str) -> PullRequest:
        """Open a pull request that undoes a merged one.

        Raises:
            ForgeError: the account may not, it was not merged, or later commits changed the same
                lines.
        """
        reverter = require(by, "open", "open pull requests")
        pull = self.get(number)
        if pull.merge is None:
            raise ForgeError(f"pull request {number} is {pull.state}: there is nothing to revert")
        with self._records.locked():
            target, now = self._branch(pull.target), self._records.now()
            commit = self._merging.revert(pull, target, reverter, now)
            branch = f"revert-{number}"
            again = 2
            while self._repository.tip(branch):
                branch, again = f"revert-{number}-{again}", again + 1
            self._repository.push(commit, branch, account=by)
            return self.open(
                branch,
                f'Revert "{pull.title}"',
                by=by,
                target=pull.target,
                description=f"This reverts pull request #{number}.",
            )

    # -- what goes on by itself -----------------------------------------------------------------

    def follow(self, event: PushEvent) -> None:
        """Bring pull requests in step with a push: their heads, their ends, and new ones asked for.

        Raises:
            ForgeError: the push asked for a pull request that cannot be opened.
        """
        for number, (source, target) in sorted(self._open().items()):
            if event.branch == source and not event.deleted:
                self._database.set_reference(f"refs/pull/{number}/head", event.after)
                with self._records.locked():
                    pull = self.get(number)
                    if self._records.read(_path(number))["head"] == pull.head:
                        continue  # opened after this push
                    said = f"moves pull request {number} to {pull.head[:7]}"
                    self._write(pull, event.by, "moved", said, commit=pull.head)
            elif event.branch == target and not event.deleted:
                self._end_if_contained(number, event)
        wanted = _options(event.options)
        if "create" in wanted and not event.deleted:
            self.open(
                event.branch,
                wanted.get("title", ""),
                by=event.by,
                target=wanted.get("target", ""),
                description=wanted.get("description", ""),
            )

    def recover(self) -> None:
        """Finish merges that a killed process has pushed, and forget those that it has not."""
        tip = self._records.tip()
        if tip == self._recovered:
            return
        self._recovered = tip
        if not self._records.names("merges"):
            return
        with self._records.locked():  # a merge under way in another process has ended by now
            for commit in self._records.names("merges"):
                pull = PullRequest.from_json(self._records.read(f"merges/{commit}"))
                note = {f"merges/{commit}": None}
                assert pull.merge is not None
                if self._contains(pull.target, commit):
                    said = f"merges pull request {pull.number} to {pull.target}"
                    self._write(pull, pull.merge.by, "merged", said, note, commit=commit)
                else:
                    said = f"gives the merge of pull request {pull.number} up"
                    self._records.write(pull.merge.by, "refused", said, note)

    # -- how it is done -------------------------------------------------------------------------

    def _unmet(self, rule: Rule, pull: PullRequest, span: Range) -> Iterable[str]:
        """What a protected branch asks for and does not have."""
        able = frozenset(a for a in pull.approvals if "review" in RIGHTS[person(a).role])
        if len(able) < rule.approvals:
            stale = {r.by for r in pull.reviews if r.verdict == "approve"} - able
            more = f" (stale: {', '.join(sorted(stale))})" if stale else ""
            yield f"{len(able)} of {rule.approvals} approvals of {pull.head[:7]}{more}"
        known = {each.context: each for each in self._repository.statuses.of(pull.head)}
        for check in rule.checks:
            status = known.get(check)
            if status is None:
                yield f"the check {check} has not reported on {pull.head[:7]}"
            elif status.state != "success":
                yield f"the check {check} says {status.state}: {status.description}"
        if rule.up_to_date and span.base != span.target:
            yield f"{pull.source} lacks the newest commit of {pull.target}"
        if rule.code_owners:
            for owners, files in self._owners(span).missing(self._changed(span), able).items():
                yield f"no owner of {files[0]} approves ({' or '.join(sorted(owners))})"

    def _owners(self, span: Range) -> CodeOwners:
        """The target's own CODEOWNERS: a pull request cannot change who must approve it."""
        for place in PLACES:
            entry = self._database.find(span.target, place)
            if entry is not None and entry.is_file:
                return CodeOwners(self._database.content(entry.sha).decode(errors="replace"))
        return CodeOwners("")

    def _changed(self, span: Range) -> list[str]:
        ends = (span.base or _EMPTY, span.head)
        output = git("diff", *_PLAIN, "--name-only", "-z", *ends, cwd=self._repository.path)
        return output.split("\0")[:-1]

    def _end_if_contained(self, number: int, event: PushEvent) -> None:
        with self._records.locked():
            pull = self.get(number)
            if pull.state == "open" and self._contains(pull.target, pull.head):
                merge = Merge(event.by, self._records.now(), "push", event.before, event.after)
                pull = replace(pull, state="merged", merge=merge)
                said = f"brings the commits of pull request {number} to {pull.target} by a push"
                self._write(pull, event.by, "merged", said, commit=event.after)

    def _contains(self, branch: str, commit: str) -> bool:
        tip = self._repository.tip(branch)
        return bool(tip) and self._merging.range(commit, tip).base == commit

    def _branch(self, name: str) -> str:
        tip = self._repository.tip(name)
        if not tip:
            there = ", ".join(self._repository.branches) or "none"
            raise ForgeError(f"there is no branch {name!r}", fix=f"branches: {there}")
        return tip

    def _opened(self, number: int) -> PullRequest:
        pull = self.get(number)
        if pull.state != "open":
            raise ForgeError(f"pull request {number} is {pull.state}")
        return pull

    def _open(self) -> dict[int, tuple[str, str]]:
        raw = self._records.read(OPEN) or {}
        return {int(number): (source, target) for number, (source, target) in raw.items()}

    def _last(self) -> int:
        names = self._records.names("pulls")
        return max((int(name.removesuffix(".json")) for name in names), default=0)

    def _write(
        self,
        pull: PullRequest,
        by: str,
        event: str,
        text: str,
        others: Mapping[str, Any] | None = None,
        **data: Any,
    ) -> None:
        numbers = self._open()
        numbers.pop(pull.number, None)
        if pull.state == "open":
            numbers[pull.number] = (pull.source, pull.target)
        changes = {_path(pull.number): pull.to_json(), OPEN: numbers, **(others or {})}
        self._records.write(by, event, f"{by} {text}", changes, number=pull.number, **data)


_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's name for the folder without files."""

_PLAIN = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")


def _path(number: int) -> str:
    return f"pulls/{number}.json"


def _reviewers(but: str) -> str:
    from gitops_lab.forge.people import PEOPLE

    able = (p.account for p in PEOPLE.values() if "review" in RIGHTS[p.role])
    return " or ".join(account for account in able if account != but)


def _options(options: Iterable[str]) -> dict[str, str]:
    """What `git push -o` says of a pull request, in GitLab's words or in ours."""
    said = {}
    for option in options:
        name, _, value = option.partition("=")
        kind, _, key = name.partition(".")
        if kind in ("pull_request", "merge_request"):
            said[key] = value
    return said
