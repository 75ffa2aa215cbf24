"""What a pod can be given once it exists, each through an endpoint of its own."""

from __future__ import annotations

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from tests.conformance.conftest import Subject

REQUESTS = {"requests": {"cpu": "10m", "memory": "16Mi"}}


@pytest.fixture
def web(subject: Subject) -> Object:
    """A pod, as soon as its namespace has the account that it needs."""
    container = {"name": "web", "image": "shop:1", "resources": REQUESTS}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [container]},
    }

    def create() -> Object | None:
        try:
            return subject.apply(body)
        except ApiError as error:
            assert "service account" in error.message
            return None

    found: Object = subject.until(create, "a pod")
    return found


def resized(subject: Subject, pod: Object, **requests: str) -> Object:
    """Ask for other amounts, with all else as it is."""
    [container] = pod["spec"]["containers"]
    resources = {"requests": {**container["resources"]["requests"], **requests}}
    patch = {"spec": {"containers": [{**container, "resources": resources}]}}
    key = subject.key("Pod", "web")
    return subject.cluster.patch(key, patch, manager="test", subresource="resize")


def refusal(subject: Subject, pod: Object, **requests: str) -> str:
    with pytest.raises(ApiError) as error:
        resized(subject, pod, **requests)
    assert (error.value.code, error.value.reason) == (422, "Invalid")
    return error.value.message


def test_a_pod_is_given_more_by_a_resize(subject: Subject, web: Object) -> None:
    made = resized(subject, web, cpu="20m")
    assert made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "20m"
    generation = subject.get(subject.key("Pod", "web"))["metadata"]["generation"]
    assert generation > web["metadata"]["generation"]


def test_a_resize_is_about_cpu_and_memory_only(subject: Subject, web: Object) -> None:
    message = refusal(subject, web, **{"ephemeral-storage": "1Mi"})
    assert "spec: Forbidden: only cpu and memory resources are mutable" in message


def test_an_ephemeral_container_joins_and_stays(subject: Subject, web: Object) -> None:
    def join(*containers: Object) -> Object:
        key, patch = subject.key("Pod", "web"), {"spec": {"ephemeralContainers": [*containers]}}
        part = "ephemeralcontainers"
        return subject.cluster.patch(key, patch, manager="test", subresource=part)

    debugger = {"name": "debugger", "image": "busybox:1"}
    [found] = join(debugger)["spec"]["ephemeralContainers"]
    assert found.items() >= debugger.items()
    with pytest.raises(ApiError) as error:
        join()
    assert (error.value.code, error.value.reason) == (422, "Invalid")
    assert 'existing ephemeral containers "debugger" may not be removed' in error.value.message
