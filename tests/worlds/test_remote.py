"""An agent elsewhere, seen by what it wrote down."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.deployers.policy import Policy
from gitops_lab.deployers.workload import NAMESPACE
from gitops_lab.journal import Journal
from gitops_lab.model import Object, ObjectKey, named
from gitops_lab.ports import Clock
from gitops_lab.worlds.remote import RemotePod


class Still:
    def now(self) -> float:
        return 0.0


class Notes:
    """A cluster with nothing but what an agent keeps there."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, str]] = {}

    def get(self, key: ObjectKey, *, version: str = "") -> Object | None:
        assert (key.kind, key.namespace) == ("ConfigMap", NAMESPACE)
        data = self.kept.get(key.name)
        return None if data is None else named("v1", "ConfigMap", key.name, NAMESPACE, data=data)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def journal() -> Journal:
    clock: Clock = Still()
    return Journal(clock)


def agent(notes: Any, journal: Journal) -> RemotePod:
    return RemotePod(
        "pull", Policy(interval=60), cluster=notes, scale=lambda _: None, journal=journal.by("pull")
    )


def test_what_an_agent_applied_is_what_its_inventory_says(notes: Notes, journal: Journal) -> None:
    distant = agent(notes, journal)
    distant.look()
    assert (distant.applied, distant.settled) == ("", False)
    notes.kept["pull-inventory"] = {"revision": "main@sha1:1", "inventory": "[]"}
    distant.look()
    assert distant.applied == "main@sha1:1"
    assert distant.settled and distant.applied == "main@sha1:1"
    del notes.kept["pull-inventory"]  # it is deleted by hand: then it is not known any more
    distant.look()
    assert distant.applied == ""


def test_each_report_is_told_once_in_the_agents_own_word(notes: Notes, journal: Journal) -> None:
    distant = agent(notes, journal)
    for status in (
        {"ready": "False", "message": "no commits yet", "revision": ""},
        {"ready": "False", "message": "refused", "revision": "main@sha1:1"},
        {"ready": "True", "message": "applied and healthy", "revision": "main@sha1:2"},
    ):
        notes.kept["pull-status"] = status
        distant.look()
        distant.look()
    states = [entry.data["state"] for entry in journal if entry.event == "reported"]
    assert states == ["waiting", "failure", "success"]
