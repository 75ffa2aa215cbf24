"""Commit statuses: the newest word of each context, and no other."""

from __future__ import annotations

import pytest

from gitops_lab.errors import ForgeError
from gitops_lab.forge import Repository, Status
from gitops_lab.forge.statuses import combined
from kubesim.clock import EPOCH

COMMIT = "a" * 40


def test_the_newest_status_of_each_context_counts(repository: Repository) -> None:
    repository.statuses.set(COMMIT, "pull/deploy", "pending")
    repository.statuses.set(COMMIT, "ci", "success", "it\nworks", "https://x", by="bot")
    repository.statuses.set(COMMIT, "pull/deploy", "failure", "no rights")
    assert repository.statuses.of(COMMIT) == (
        Status("ci", "success", "it works", "https://x", "bot", EPOCH),
        Status("pull/deploy", "failure", "no rights", "", "pull/deploy", EPOCH),
    )
    assert repository.statuses.of("b" * 40) == ()


def test_saying_the_same_again_changes_nothing(repository: Repository) -> None:
    repository.statuses.set(COMMIT, "ci", "success")
    tip = repository.records.tip()
    repository.statuses.set(COMMIT, "ci", "success")
    assert repository.records.tip() == tip


def test_the_worst_of_several_counts(repository: Repository) -> None:
    assert combined(()) is None
    for state in ("success", "pending", "failure", "error"):
        repository.statuses.set(COMMIT, f"check-{state}", state)
        assert combined(repository.statuses.of(COMMIT)) == state


@pytest.mark.parametrize(
    ("commit", "context", "state", "told"),
    [
        ("main", "ci", "success", "full hash"),
        (COMMIT, " ", "success", "context"),
        (COMMIT, "ci", "green", "no status"),
    ],
)
def test_what_cannot_be_a_status_is_refused(
    commit: str, context: str, state: str, told: str, repository: Repository
) -> None:
    with pytest.raises(ForgeError, match=told):
        repository.statuses.set(commit, context, state)
    assert repository.records.tip() == ""
