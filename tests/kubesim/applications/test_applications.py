from __future__ import annotations

import json

import pytest

from kubesim.applications.exchange import Request
from kubesim.applications.lines import MOST_CONTAINERS, MOST_LINES, Lines
from kubesim.applications.routing import UnknownName, Unreachable
from kubesim.controllers.images import Catalogue
from tests.kubesim.applications.world import SERVICE, Town


def test_an_application_says_which_version_of_it_runs_where() -> None:
    town = Town()
    town.start()
    town.run(10)
    answer = town.ask()
    assert answer.code == 200
    first, second, third = answer.body.decode().splitlines()
    assert first == "web 1"
    assert second.startswith("pod web in namespace default on ")
    assert third == "image web:1"


def test_another_image_is_another_answer() -> None:
    town = Town()
    town.start(image="shop.example/team/web:v2")
    town.run(10)
    assert town.ask().body.startswith(b"web v2\n")


def test_a_declared_answer_is_all_that_is_said() -> None:
    town = Town(Catalogue.of({"web": {"answer": "{GREETING} from {pod}"}}).steady())
    town.start()
    town.run(10)
    assert town.ask().body == b"hello from web\n"


def test_a_browser_gets_a_page_in_which_nothing_is_markup() -> None:
    town = Town(Catalogue.of({"web": {"answer": "<script>{GREETING}"}}).steady())
    town.start()
    town.run(10)
    answer = town.ask(Accept="text/html,*/*")
    assert answer.media.startswith("text/html")
    assert b"&lt;script&gt;hello" in answer.body and b"<script>" not in answer.body


def test_what_is_not_ready_yet_says_so_and_what_does_not_run_refuses() -> None:
    town = Town()
    town.start()
    with pytest.raises(
        Unreachable, match=r"dial tcp 10\.244\.0\.2:8080: connect: connection refused"
    ):
        town.ask()
    town.run(3)  # pulled, not ready
    assert town.ask("/healthz").code == 503
    town.run(10)
    assert town.ask("/healthz").body == b"ok\n"


def test_a_container_listens_where_it_declares_to() -> None:
    town = Town()
    town.start(ports="[{containerPort: 9898}]")
    town.run(10)
    assert town.ask(port=9898).code == 200
    with pytest.raises(Unreachable):
        town.ask(port=8080)


def test_podinfo_answers_in_its_own_shape() -> None:
    town = Town()
    town.start(image="ghcr.io/stefanprodan/podinfo:6.5.0")
    town.run(10)
    front = json.loads(town.ask().body)
    assert front["hostname"] == "web"
    assert front["version"] == "6.5.0"
    assert front["color"] == "#ff0000"
    assert front["message"] == "greetings from podinfo v6.5.0"
    assert json.loads(town.ask("/version").body)["version"] == "6.5.0"
    assert json.loads(town.ask("/readyz").body) == {"status": "OK"}
    assert "GREETING=hello" in json.loads(town.ask("/env").body)
    assert town.ask("/status/418").code == 418
    assert town.ask("/status/99").code == 500
    assert town.ask("/nothing").code == 404
    assert b"background:#ff0000" in town.ask(Accept="text/html").body


def test_requests_are_in_the_log_of_who_answered_them() -> None:
    town = Town()
    town.start()
    town.run(10)
    town.ask("/a?b", User_Agent="x")
    (process,) = town.applications.processes("default", "web")
    (line,) = town.applications.lines.of(process.container_id)
    assert line.text.startswith("10.0.0.1 - - [")
    assert '"GET /a?b HTTP/1.1" 200 ' in line.text
    assert line.at == town.now


def test_a_log_keeps_so_much_and_no_more() -> None:
    lines = Lines()
    for number in range(MOST_LINES + 5):
        lines.write("a", 0.0, f"{number}\n\x1b")
    kept = lines.of("a")
    assert len(kept) == MOST_LINES
    assert kept[0].text == "5??" and kept[0].number == 5
    assert [each.number for each in lines.of("a", since=MOST_LINES + 3)] == [1003, 1004]
    for number in range(MOST_CONTAINERS):
        lines.write(f"b{number}", 0.0, "")
    assert lines.of("a") == []


@pytest.fixture
def town() -> Town:
    """Two pods behind a Service, and one that asks."""
    town = Town()
    town.start("one")
    town.start("two")
    town.start("client", app="client")
    town.create(SERVICE)
    town.run(10)
    return town


def fetch(town: Town, host: str, port: int = 80) -> str:
    _, answer = town.applications.fetch(town.get("Pod", "client"), host, port, Request())
    return answer.body.decode()


@pytest.mark.parametrize(
    "host", ["web", "web.default", "web.default.svc", "WEB.default.svc.cluster.local."]
)
def test_a_service_is_known_by_its_names(town: Town, host: str) -> None:
    assert fetch(town, host).startswith("web 1")


def test_a_service_is_known_by_its_address(town: Town) -> None:
    assert fetch(town, town.get("Service", "web")["spec"]["clusterIP"]).startswith("web 1")


def test_a_pod_is_known_by_its_address(town: Town) -> None:
    assert "pod one" in fetch(town, town.get("Pod", "one")["status"]["podIP"], 8080)


def test_pods_behind_a_service_take_turns(town: Town) -> None:
    seen = ["one" if "pod one" in fetch(town, "web") else "two" for _ in range(4)]
    assert sorted(seen) == ["one", "one", "two", "two"]
    assert seen[0] != seen[1]


@pytest.mark.parametrize("host", ["nothing", "web.other", "web.default.example", ""])
def test_a_name_that_nobody_has_is_unknown(town: Town, host: str) -> None:
    with pytest.raises(UnknownName):
        fetch(town, host)


def test_a_service_has_only_its_own_ports(town: Town) -> None:
    with pytest.raises(Unreachable) as caught:
        fetch(town, "web", 8080)
    assert not caught.value.is_silent


def test_a_policy_keeps_one_from_the_other_without_a_word(town: Town) -> None:
    town.create(
        """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: web}}}
"""
    )
    with pytest.raises(Unreachable) as caught:
        fetch(town, "web")
    assert caught.value.is_silent
