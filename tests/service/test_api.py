"""The HTTP API of a sandbox's process, as a program on this machine uses it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from gitops_lab.errors import UsageError
from tests.live.shell import BOOK, Shell, eventually


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A person with a sandbox that runs fifty times as fast as the wall."""
    shell = Shell(tmp_path_factory.mktemp("api"), name="api")
    shell.told("up", "--speed", "50", "--arms", "pull+webhook", "--rights", "application")
    yield shell
    shell.told("down")


def ask(shell: Shell, method: str, path: str, body: str = "", token: str = "") -> tuple[int, Any]:
    found = shell.state.description()
    trust = ssl.create_default_context(cadata=found["ca"])
    address = urlsplit(found["url"]).netloc
    with closing(HTTPSConnection(address, timeout=20, context=trust)) as connection:
        headers = {"Authorization": f"Bearer {token or found['token']}"}
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_what_people_do_can_be_done_by_programs(shell: Shell) -> None:
    ask_for = shell.state.ask
    assert ask_for("description")["rights"] == "application"
    commit = ask_for("commit", message="one", files={"book.yaml": BOOK.format(page=1)})
    shell.await_sync("pull+webhook", commit)
    ask_for("pause", arms=["pull+webhook"])
    assert ask_for("status")["arms"][0]["paused"]
    ask_for("drift", object="ConfigMap/book", patch={"data": {"page": "2"}})
    assert "edited by hand" in ask_for("why", arm="pull+webhook", object="ConfigMap/book")
    assert ask_for("step", arm="pull+webhook")
    ask_for("resume")
    assert shell.arm("pull+webhook")["paused"] is False
    status, answer = ask(shell, "GET", "/api/v1/status")
    assert status == 200 and answer["answer"]["arms"][0]["name"] == "pull+webhook"


def test_the_journal_is_read_from_a_position_on(shell: Shell) -> None:
    _, all_of_it = ask(shell, "GET", "/api/v1/journal")
    assert len(all_of_it["entries"]) == all_of_it["next"] > 0
    _, nothing = ask(shell, "GET", f"/api/v1/journal?since={all_of_it['next']}")
    assert nothing["entries"] == []


def test_events_come_as_they_happen(shell: Shell) -> None:
    _, before = ask(shell, "GET", "/api/v1/journal")
    events = shell.state.events(before["next"])
    assert next(event for event, _ in events) == "status"
    shell.state.ask("chapter", title="what now?")
    found = next(data for event, data in events if event == "entry")
    assert (found["event"], found["subject"]) == ("chapter", "what now?")
    events.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "what"),
    [
        ("POST", "/api/v1/dance", "", 404, "Not Found"),
        ("DELETE", "/api/v1/status", "", 405, "Method Not Allowed"),
        ("POST", "/api/v1/pause", '{"arms": ["psuh"]}', 400, "there is no arm 'psuh'"),
        ("POST", "/api/v1/step", "{}", 400, "not understood"),
        ("POST", "/api/v1/step", "{", 400, "not understood"),
        ("POST", "/api/v1/step", "[]", 400, "not understood"),
        ("GET", "/api/v1/journal?since=x", "", 400, "not understood"),
        ("POST", "/api/v1/drift", '{"object": "Book/x"}', 400, "names no object"),
    ],
)
def test_what_cannot_be_done_is_an_error_in_json(
    shell: Shell, method: str, path: str, body: str, status: int, what: str
) -> None:
    found, answer = ask(shell, method, path, body)
    assert found == status and what in answer["error"]["what"]
    assert ask(shell, "GET", "/api/v1/status")[0] == 200


def test_without_the_token_nothing_is_answered(shell: Shell) -> None:
    for path in ("/api/v1/status", "/api/v1/events", "/api/v1/nonsense", "/"):
        assert ask(shell, "GET", path, token="guessed")[0] == 401
    with pytest.raises(UsageError, match="no arm"):
        shell.state.ask("pause", arms=["psuh"])


def test_the_process_ends_though_somebody_listens(shell: Shell) -> None:
    events = shell.state.events()
    next(events)
    shell.told("down")
    eventually(lambda: not shell.state.path.exists())
    assert all(event in ("entry", "status") for event, _ in events)
    shell.told("up", "--speed", "50", "--arms", "pull+webhook", "--rights", "application")
