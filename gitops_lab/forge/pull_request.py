"""A pull request as a value: what is asked, what was said of it, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["approve", "request-changes", "comment"]
Method = Literal["merge", "squash", "rebase"]


@dataclass(frozen=True)
class Comment:
    """Something that was said of a pull request as a whole, or by a program of its effect.

    Args:
        by: the account.
        at: when, in seconds since the Unix epoch.
        text: what was said; may have many lines.
        topic: programs replace their older comment of the same topic; empty for people.
    """

    by: str
    at: float
    text: str
    topic: str = ""


@dataclass(frozen=True)
class Review:
    """A verdict on one commit. When the branch moves, the verdict stays behind: it is stale.

    Args:
        by: the account.
        at: when, in seconds since the Unix epoch.
        verdict: `approve`, `request-changes` or `comment`.
        commit: the commit that was reviewed.
        text: the reason; may be empty.
    """

    by: str
    at: float
    verdict: Verdict
    commit: str
    text: str = ""


@dataclass(frozen=True)
class Merge:
    """How a pull request was merged.

    Args:
        by: the account.
        at: when, in seconds since the Unix epoch.
        method: `merge` (a commit with two parents), `squash` (one commit), `rebase` (its commits
            one by one); `push` if its commits came to the target by another way.
        before: the target's newest commit before.
        commit: the target's newest commit after.
    """

    by: str
    at: float
    method: str
    before: str
    commit: str


@dataclass(frozen=True)
class PullRequest:
    """A request to bring the commits of one branch to another.

    Args:
        number: names it in its repository.
        title: what it does, in one line.
        source: the branch that it comes from.
        target: the branch that it goes to.
        author: the account that opened it.
        opened: when, in seconds since the Unix epoch.
        head: the newest commit of its source.
        state: `open`, `merged` or `closed`.
        description: why, in as many lines as it takes.
        comments: what was said, the oldest first.
        reviews: the verdicts, the oldest first.
        merge: how it was merged; None if it was not.
    """

    number: int
    title: str
    source: str
    target: str
    author: str
    opened: float
    head: str
    state: Literal["open", "merged", "closed"] = "open"
    description: str = ""
    comments: tuple[Comment, ...] = ()
    reviews: tuple[Review, ...] = ()
    merge: Merge | None = field(default=None)

    @property
    def verdicts(self) -> Mapping[str, Review]:
        """Each reviewer's last verdict on the newest commit; comments change none."""
        return {
            review.by: review
            for review in self.reviews
            if review.commit == self.head and review.verdict != "comment"
        }

    @property
    def approvals(self) -> frozenset[str]:
        """The accounts that approve the newest commit."""
        return frozenset(by for by, last in self.verdicts.items() if last.verdict == "approve")

    def to_json(self) -> dict[str, Any]:
        """This pull request as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> PullRequest:
        """The pull request that JSON values say."""
        return cls(
            **{
                **raw,
                "comments": tuple(Comment(**each) for each in raw["comments"]),
                "reviews": tuple(Review(**each) for each in raw["reviews"]),
                "merge": Merge(**raw["merge"]) if raw["merge"] else None,
            }
        )
