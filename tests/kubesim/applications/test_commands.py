from __future__ import annotations

import pytest

from kubesim.applications.commands import COMMANDS, NOT_FOUND, Inside, Outcome, run
from tests.kubesim.applications.world import SERVICE, Town


@pytest.fixture(scope="module")
def town() -> Town:
    """A client with configuration, and two pods behind a Service."""
    town = Town()
    town.start("one")
    town.create(SERVICE)
    town.create(
        """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: "blue\\n", size: big}
"""
    )
    town.create(
        """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  volumes: [{name: settings, configMap: {name: settings}}]
  containers:
  - name: client
    image: client:1
    env: [{name: GREETING, value: hello}]
    volumeMounts:
    - {name: settings, mountPath: /etc/settings}
    - {name: settings, mountPath: /colour.txt, subPath: colour}
"""
    )
    town.run(10)
    return town


def ran(town: Town, *command: str) -> Outcome:
    (process,) = town.applications.processes("default", "client")
    return run(Inside(town.applications, town.get("Pod", "client"), process), command)


def out(town: Town, *command: str) -> str:
    outcome = ran(town, *command)
    assert (outcome.code, outcome.err) == (0, b"")
    return outcome.out.decode()


def err(town: Town, *command: str) -> tuple[int, str]:
    outcome = ran(town, *command)
    assert outcome.out == b""
    return outcome.code, outcome.err.decode()


def test_a_command_tells_what_the_container_was_given(town: Town) -> None:
    assert out(town, "echo", "a", "b") == "a b\n"
    assert out(town, "/bin/echo", "-n", "a") == "a"
    assert "GREETING=hello\n" in out(town, "env")
    assert out(town, "printenv", "GREETING", "HOSTNAME") == "hello\nclient\n"
    assert ran(town, "printenv", "NOTHING") == Outcome(1)
    assert out(town, "hostname") == "client\n"
    assert out(town, "hostname", "-i").startswith("10.244.")


def test_mounted_configuration_is_there_to_be_read(town: Town) -> None:
    assert out(town, "cat", "/etc/settings/colour", "/etc/settings/size") == "blue\nbig"
    assert out(town, "cat", "/colour.txt") == "blue\n"
    assert out(town, "cat", "/etc/hostname") == "client\n"
    assert "search default.svc.cluster.local svc." in out(town, "cat", "/etc/resolv.conf")
    assert out(town, "ls", "-l", "/etc/settings") == "colour\nsize\n"
    assert out(town, "ls") == "colour.txt\netc\nvar\n"  # var has the account's certificate
    assert out(town, "ls", "/colour.txt", "/etc/settings/").startswith("/colour.txt\n/etc/sett")
    assert err(town, "cat", "/a") == (1, "cat: can't open '/a': No such file or directory\n")
    assert err(town, "cat", "/etc") == (1, "cat: read error: Is a directory\n")
    assert err(town, "ls", "/a") == (1, "ls: /a: No such file or directory\n")


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("echo 'a  b' c", (0, "a  b c\n", "")),
        ("", (0, "", "")),
        ("echo a; echo b\necho c", (0, "a\nb\nc\n", "")),
        ("true && echo yes || echo no", (0, "yes\n", "")),
        ("false && echo yes || echo no", (0, "no\n", "")),
        ("echo oops >&2; exit 3", (3, "", "oops\n")),
        ("exit 7; echo never", (7, "", "")),
        ("false; echo $?", (0, "1\n", "")),
        ("cat /nowhere 2>/dev/null || echo gone", (0, "gone\n", "")),
        ("cat /nowhere 2>&1", (1, "cat: can't open '/nowhere': No such file or directory\n", "")),
        ("echo a | cat", (0, "a\n", "")),
        ("NAME=x; echo \"$NAME-${NAME}\" '$NAME'", (0, "x-x $NAME\n", "")),
        ("printf '%s=%d\\n' a 1 b 2", (0, "a=1\nb=2\n", "")),
        ("echo -n a; echo -e 'b\\tc'", (0, "ab\tc\n", "")),
    ],
)
def test_a_shell_runs_a_simple_script(
    script: str, wanted: tuple[int, str, str], town: Town
) -> None:
    found = ran(town, "sh", "-c", script)
    assert (found.code, found.out.decode(), found.err.decode()) == wanted


def test_a_shell_says_what_it_does_not_know(town: Town) -> None:
    assert out(town, "/bin/bash", "-c", "") == ""
    assert err(town, "sh", "-c", "echo 'a") == (2, "sh: syntax error: unterminated quoted string\n")
    code, why = err(town, "sh", "-c", "echo a > file")
    assert code == 2 and "and not '>'" in why
    code, why = err(town, "sh", "-c", "$(reboot)")
    assert code == 2
    code, why = err(town, "sh")
    assert code == NOT_FOUND and "sh -c" in why


def test_the_clock_of_a_container_is_that_of_its_cluster(town: Town) -> None:
    assert out(town, "date").endswith(" UTC 2026\n")
    assert out(town, "date", "+%Y-%m-%d") == "2026-01-05\n"
    assert int(out(town, "date", "+%s")) == int(town.now)


def test_small_things_that_people_try(town: Town) -> None:
    assert out(town, "whoami") == "root\n" and out(town, "id", "-u") == "0\n"
    assert out(town, "pwd") == "/\n"
    assert ran(town, "false").code == 1 and ran(town, "true").code == 0
    assert ran(town, "sleep", "1m").seconds == 60
    assert err(town, "sleep", "long") == (1, "sleep: invalid number 'long'\n")


def test_what_is_not_there_says_what_is(town: Town) -> None:
    code, why = err(town, "vim", "file")
    assert code == NOT_FOUND
    assert "'vim'" in why and all(name in why for name in COMMANDS)
    assert "no files that could be copied" in err(town, "tar", "cf", "-", "/a")[1]


@pytest.mark.parametrize("options", [["-qO-"], ["-q", "-O", "-"], ["-q", "-T", "5", "-O-"]])
def test_wget_reaches_another_application(town: Town, options: list[str]) -> None:
    assert out(town, "wget", *options, "http://web").startswith("web 1\npod one")


def test_wget_says_where_it_connects_and_what_it_keeps(town: Town) -> None:
    ip = town.get("Service", "web")["spec"]["clusterIP"]
    assert err(town, "wget", "web/a") == (0, f"Connecting to web ({ip}:80)\n'a' saved\n")
    assert err(town, "wget", "--spider", "web")[1].endswith("remote file exists\n")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://none", "bad address 'none'"),
        ("http://web:81/", r"can't connect to remote host (ADDRESS): Connection refused"),
        ("https://web", "not an http url: https://web"),
        ("http://web:x", "not an http url: http://web:x"),
        ("", "not an http url: "),
    ],
)
def test_wget_says_why_it_cannot(town: Town, url: str, why: str) -> None:
    ip = town.get("Service", "web")["spec"]["clusterIP"]
    assert err(town, "wget", "-qO-", url) == (1, f"wget: {why}\n".replace("ADDRESS", ip))


def test_curl_reaches_another_application(town: Town) -> None:
    assert out(town, "curl", "-s", "web.default").startswith("web 1\n")
    assert out(town, "curl", "-so", "/dev/null", "-w", "%{http_code}\\n", "web") == "200\n"
    assert out(town, "curl", "-sI", "web").startswith("HTTP/1.1 200 OK\r\n")
    page = out(town, "curl", "-H", "accept: text/html", "--max-time", "5", "http://web/")
    assert page.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["none"], 6, "curl: (6) Could not resolve host: none\n"),
        (["-sS", "web:81"], 7, "curl: (7) Failed to connect to web port 81: "),
        (["-s", "none"], 6, ""),
        ([], 2, "curl: (2) no URL specified\n"),
        (["ftp://web"], 1, "curl: (1) only http is simulated\n"),
    ],
)
def test_curl_says_why_it_cannot(town: Town, arguments: list[str], code: int, why: str) -> None:
    ended = err(town, "curl", *arguments)
    assert ended[0] == code
    assert ended[1].startswith(why) and bool(ended[1]) == bool(why)


def test_names_are_looked_up(town: Town) -> None:
    ip = town.get("Service", "web")["spec"]["clusterIP"]
    assert out(town, "nslookup", "web").endswith(
        f"Name:\tweb.default.svc.cluster.local\nAddress: {ip}\n"
    )
    assert ran(town, "nslookup", "none").code == 1


def test_a_policy_lets_both_wait_in_vain() -> None:
    town = Town()
    town.start("one")
    town.start("client", app="client")
    town.create(SERVICE)
    town.create(
        """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: web}}}
"""
    )
    town.run(10)
    assert err(town, "wget", "-qO-", "web") == (1, "wget: download timed out\n")
    code, why = err(town, "curl", "web")
    assert (code, why) == (
        28,
        "curl: (28) Failed to connect to web port 80: Connection timed out\n",
    )


def test_an_application_that_is_not_ready_is_an_error_to_both() -> None:
    town = Town()
    town.start("unready", image="unready:1", app="other")
    town.start("client", app="client")
    town.run(10)
    ip = town.get("Pod", "unready")["status"]["podIP"]
    code, why = err(town, "wget", "-qO-", ip)
    assert (code, why) == (1, "wget: server returned error: HTTP/1.1 503 Service Unavailable\n")
    assert err(town, "curl", "-f", ip)[0] == 22
    assert b"is not ready" in ran(town, "curl", ip).out
