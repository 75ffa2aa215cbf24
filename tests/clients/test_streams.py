"""Streams of the official Python client: commands in containers, forwarded ports, logs."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.stream import portforward, stream

from tests.clients.conftest import until

POD: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}],
    },
}


@pytest.fixture
def core(api: client.ApiClient, namespace: str) -> client.CoreV1Api:
    """The core API, with a pod that is ready."""
    core = client.CoreV1Api(api)
    core.create_namespaced_pod(namespace, POD)

    def is_ready() -> bool:
        found = core.read_namespaced_pod("web", namespace).status.container_statuses
        return bool(found) and found[0].ready

    until(is_ready, "the pod is ready")
    return core


def ran(core: client.CoreV1Api, namespace: str, *command: str) -> tuple[str, str, int]:
    """Output, errors and exit code of a command in the container."""
    socket = stream(
        core.connect_get_namespaced_pod_exec,
        "web",
        namespace,
        command=list(command),
        stdout=True,
        stderr=True,
        _preload_content=False,
    )
    socket.run_forever(timeout=30)
    ended = socket.read_stdout(), socket.read_stderr(), socket.returncode
    socket.sock.shutdown()
    return ended


def test_a_command_runs_in_a_container(core: client.CoreV1Api, namespace: str) -> None:
    assert ran(core, namespace, "cat", "/etc/hostname") == ("web\n", "", 0)
    out, err, code = ran(core, namespace, "vim")
    assert (out, code) == ("", 127)
    assert "is simulated" in err


def test_a_port_is_forwarded(core: client.CoreV1Api, namespace: str) -> None:
    forwarded = portforward(
        core.connect_get_namespaced_pod_portforward, "web", namespace, ports="80,81"
    )
    socket = forwarded.socket(80)
    socket.settimeout(30)
    socket.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
    answer = b""
    while b"image web:1\n" not in answer:
        answer += socket.recv(1000)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    until(lambda: forwarded.error(81), "no process listens on the other port")
    assert "connection refused" in forwarded.error(81)
    assert forwarded.error(80) is None
    forwarded.close()
    until(lambda: not forwarded.connected, "the client has left")
    forwarded.websocket.shutdown()


def test_the_api_server_is_a_proxy(core: client.CoreV1Api, namespace: str) -> None:
    said = core.connect_get_namespaced_pod_proxy_with_path("web", namespace, "some/path")
    assert said.startswith("web 1\n")


def test_a_log_is_followed(core: client.CoreV1Api, namespace: str) -> None:
    core.connect_get_namespaced_pod_proxy_with_path("web", namespace, "seen")
    lines = iter(watch.Watch().stream(core.read_namespaced_pod_log, "web", namespace))
    assert "started" in next(lines)
    assert '"GET /seen HTTP/1.1" 200' in next(lines)
    core.delete_namespaced_pod("web", namespace)
    assert list(lines) == []
