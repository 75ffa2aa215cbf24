"""What kubectl does with what runs in pods: exec, cp, attach, logs, port-forward, proxy."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

import pytest

from tests.kubectl.live import Kubectl

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


def pod(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "web",
                    "image": f"web:{name}",
                    "ports": [{"containerPort": 8080}],
                    "env": [{"name": "GREETING", "value": "hello"}],
                }
            ],
        },
    }


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    """A kubectl in a namespace with a pod and its Service."""
    kubectl.create(pod("v1"), SERVICE)
    kubectl("wait --for=condition=Ready pod/v1 --timeout=60s")
    return kubectl


def asked(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        return str(answer.read().decode())


def test_one_looks_around_inside(web: Kubectl) -> None:
    assert "GREETING=hello\n" in web("exec v1 -- env")
    assert web("exec v1 -- cat /etc/hostname") == "v1\n"
    assert web("exec v1 -- wget -qO- http://web").startswith("web v1\npod v1 in namespace ")
    told = web.fails("exec v1 -- vim", code=127)
    assert "is simulated" in told
    assert "command terminated with exit code 127" in told
    assert "is simulated" in web("attach v1")
    assert "no files that could be copied" in web.run("cp v1:/etc/hostname here").stdout


def test_a_policy_cuts_a_connection(web: Kubectl) -> None:
    web.create(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "closed"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        },
        pod("v2"),
    )
    web("wait --for=condition=Ready pod/v2 --timeout=60s")
    command = "for try in 1"  # no shell runs in a simulated container
    assert "there is no 'for'" in web.fails("exec v1 -- sh -c", f"{command}; do x; done", code=127)
    ip = web("get pod v2 -o jsonpath={.status.podIP}")
    assert "wget: download timed out" in web.fails(f"exec v1 -- wget -qO- {ip}:8080")


@pytest.mark.parametrize("what", ["pod/v1", "svc/web"])
def test_a_port_is_forwarded(web: Kubectl, what: str) -> None:
    remote = "8080" if what.startswith("pod") else "80"
    with web.started(f"port-forward {what} :{remote} --address 127.0.0.1") as line:
        found = re.search(r"127\.0\.0\.1:(\d+) -> 8080", line())
        assert found
        for path in ("/", "/again"):
            assert asked(f"http://127.0.0.1:{found[1]}{path}").startswith("web v1\n")


def test_the_api_server_is_a_proxy(web: Kubectl) -> None:
    path = f"/api/v1/namespaces/{web.namespace}/services/web/proxy/"
    assert web(f"get --raw {path}").startswith("web v1\n")
    missing = web.fails(f"get --raw {path.replace('/web/', '/web:81/')}")
    assert 'no service port 81 found for service "web"' in missing
    with web.started("proxy --port 0") as line:
        found = re.search(r"127\.0\.0\.1:(\d+)", line())
        assert found
        assert asked(f"http://127.0.0.1:{found[1]}{path}?q=1").startswith("web v1\n")


def test_logs_are_followed_until_the_pod_is_gone(web: Kubectl) -> None:
    path = f"/api/v1/namespaces/{web.namespace}/services/web/proxy/seen"
    with web.started("logs -f -l app=web --prefix") as line:
        assert line().startswith("[pod/v1/web] docker.io/library/web:v1 started")
        web(f"get --raw {path}")
        assert '"GET /seen HTTP/1.1" 200' in line()
        web("delete pod v1 --wait=false")
        assert line() == ""


def test_part_of_a_log_is_shown(web: Kubectl) -> None:
    path = f"/api/v1/namespaces/{web.namespace}/services/web/proxy/seen"
    web(f"get --raw {path}")
    assert "/seen" in web("logs v1 --tail=1")
    assert web("logs v1 --limit-bytes=9") == "docker.io"
    assert web("logs v1 --since=1s --all-containers --timestamps").count("\n") <= 1
    assert len(web("logs v1 --since-time=2020-01-01T00:00:00Z").splitlines()) == 2
    assert "not found" in web.fails("logs v1 --previous")
