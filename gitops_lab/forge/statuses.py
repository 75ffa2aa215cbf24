"""Commit statuses: what pipelines, agents and people say of a commit, kept with the forge."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from gitops_lab.errors import ForgeError
from gitops_lab.forge.records import Records

State = Literal["pending", "success", "failure", "error"]
"""The words of GitHub's commit statuses (REST API 2022-11-28)."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Status:
    """The newest word of one context about one commit.

    Args:
        context: who speaks, such as `pull/deploy` or `validate`.
        state: `pending`, `success`, `failure` or `error`.
        description: one short sentence.
        url: where to read more; may be empty.
        by: the account that reported it.
        at: when, in seconds since the Unix epoch.
    """

    context: str
    state: State
    description: str = ""
    url: str = ""
    by: str = ""
    at: float = 0.0


class Statuses:
    """The commit statuses of one repository.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def set(
        self,
        commit: str,
        context: str,
        state: str,
        description: str = "",
        url: str = "",
        *,
        by: str = "",
    ) -> None:
        """Report a status; a later one of the same context replaces it.

        Args:
            commit: the full hash.
            context: who speaks, such as `pull/deploy`.
            state: `pending`, `success`, `failure` or `error`.
            description: one short sentence; what follows its first 200 characters is cut off.
            url: where to read more.
            by: the account that reports; the context if empty.

        Raises:
            ForgeError: the commit is not a full hash, the context is empty, or there is no such
                state.
        """
        if not _COMMIT.fullmatch(commit):
            raise ForgeError(f"{commit!r} is not the full hash of a commit", fix="resolve it first")
        if not context.strip():
            raise ForgeError("a status needs a context", fix="say who reports it, like ci/validate")
        if state not in get_args(State):
            raise ForgeError(
                f"there is no status {state!r}", fix=f"use one of {', '.join(get_args(State))}"
            )
        with self._records.locked():
            known = self._documents(commit)
            short = " ".join(description.split())[:200]
            status = Status(
                context, cast(State, state), short, url, by or context, self._records.now()
            )
            old = known.get(context)
            if old and {**old, "at": 0, "by": ""} == {**asdict(status), "at": 0, "by": ""}:
                return  # said already
            self._records.write(
                status.by,
                "status",
                f"{context} reports {state} of {commit[:7]}" + (f": {short}" if short else ""),
                {_path(commit): {**known, context: asdict(status)}},
                commit=commit,
                context=context,
                state=state,
                description=short,
            )

    def of(self, commit: str) -> tuple[Status, ...]:
        """The statuses of a commit, by context."""
        return tuple(Status(**each) for _, each in sorted(self._documents(commit).items()))

    def _documents(self, commit: str) -> dict[str, Any]:
        return self._records.read(_path(commit)) or {}


def combined(statuses: tuple[Status, ...]) -> State | None:
    """The worst of several: error, failure, pending, success; None if there are none."""
    order: tuple[State, ...] = ("error", "failure", "pending", "success")
    return next((state for state in order if any(s.state == state for s in statuses)), None)


def _path(commit: str) -> str:
    return f"statuses/{commit[:2]}/{commit[2:]}.json"
