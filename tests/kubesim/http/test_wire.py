from __future__ import annotations

import pytest

from kubesim.applications.routing import Place, Unreachable
from kubesim.http.wire import LONGEST_BODY, Wire
from tests.kubesim.applications.world import Town

GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


@pytest.fixture
def town() -> Town:
    town = Town()
    town.start()
    town.run(10)
    return town


def wire(town: Town, port: int = 80) -> Wire:
    place = Place("default", "web", "127.0.0.1", port)
    return Wire(town.applications, place, client="127.0.0.1")


def test_a_connection_is_kept_for_the_next_request(town: Town) -> None:
    connection = wire(town)
    for _ in range(2):
        answer = connection.receive(GET)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.split(b"\r\n\r\n", 1)[1].startswith(b"web 1\n")
        assert not connection.is_over


def test_requests_may_come_all_at_once_or_in_pieces(town: Town) -> None:
    assert wire(town).receive(GET * 3).count(b"HTTP/1.1 200 OK") == 3
    connection = wire(town)
    pieces = [connection.receive(GET[at : at + 1]) for at in range(len(GET))]
    assert pieces[:-1] == [b""] * (len(GET) - 1)
    assert pieces[-1].startswith(b"HTTP/1.1 200 OK")


def test_the_end_is_agreed_upon(town: Town) -> None:
    connection = wire(town)
    connection.receive(GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert connection.is_over
    assert connection.receive(GET) == b""
    other = wire(town)
    assert other.receive(b"") == b""
    assert other.is_over


def test_a_head_request_has_no_body(town: Town) -> None:
    answer = wire(town).receive(GET.replace(b"GET", b"HEAD"))
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: " in answer


def test_a_body_is_waited_for_and_has_a_limit(town: Town) -> None:
    connection = wire(town)
    head = b"POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert connection.receive(head).startswith(b"HTTP/1.1 100")
    assert connection.receive(b"12345").startswith(b"HTTP/1.1 200")
    greedy = wire(town)
    head = b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 9999999\r\n\r\n"
    assert greedy.receive(head) == b""
    assert greedy.receive(b"x" * (LONGEST_BODY + 1)).startswith(b"HTTP/1.1 413")
    assert greedy.is_over


def test_what_is_no_http_gets_a_polite_answer(town: Town) -> None:
    connection = wire(town)
    answer = connection.receive(b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"understands HTTP only" in answer
    assert connection.is_over


def test_nobody_listens_where_nothing_runs(town: Town) -> None:
    connection = wire(town)
    town.delete("Pod", "web")
    town.run(60)
    assert connection.receive(GET) == b""
    assert connection.is_over
    with pytest.raises(Unreachable, match="connection refused"):
        wire(town)
