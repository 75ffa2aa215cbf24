"""What `kubectl top` shows is what images declare, and what HorizontalPodAutoscalers go by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.controllers.images import Behaviour
from kubesim.http.tables import table
from tests.kubesim.controllers.world import STEADY, World

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - {name: web, image: "web:1", resources: {requests: {cpu: 200m, memory: 64Mi}}}
  - {name: side, image: "side:1"}
"""

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {gitops-lab/load: "900m"}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


@pytest.fixture
def world() -> World:
    return World(STEADY.with_("hungry", Behaviour(cpu=750, memory=100)))


def figures(world: World, plural: str, **more: Any) -> list[Object]:
    resource = world.api.registry.by_plural("metrics.k8s.io", "v1beta1", plural)
    return list(world.api.list(resource, **more)["items"])


def used(figure: Object) -> dict[str, tuple[str, str]]:
    return {
        each["name"]: (each["usage"]["cpu"], each["usage"]["memory"])
        for each in figure["containers"]
    }


def test_what_an_image_declares_is_used_and_else_half_of_what_is_requested(world: World) -> None:
    world.create(POD.replace("side:1", "hungry:1"))
    world.run(10)
    (figure,) = figures(world, "pods")
    assert used(figure) == {
        "web": ("100000000n", f"{32 * 1024}Ki"),
        "side": ("750000000n", f"{100 * 1024}Ki"),
    }
    assert figure["metadata"]["labels"] == {"app": "web"}
    assert figure["timestamp"].endswith("Z") and figure["window"] == "15s"


def test_a_container_that_does_not_run_uses_nothing(world: World) -> None:
    world.create(POD.replace("side:1", "missing:1"))
    assert figures(world, "pods") == []
    world.run(10)
    (figure,) = figures(world, "pods")
    assert list(used(figure)) == ["web"]


def test_a_node_uses_what_its_pods_use_and_something_for_itself(world: World) -> None:
    (idle,) = figures(world, "nodes")
    world.create(POD)
    world.run(10)
    (busy,) = figures(world, "nodes")
    assert idle["usage"] == {"cpu": "100000000n", "memory": f"{512 * 1024}Ki"}
    assert busy["usage"] == {"cpu": "201000000n", "memory": f"{(512 + 32 + 16) * 1024}Ki"}


def test_the_load_of_a_workload_is_shared_by_its_ready_pods(world: World) -> None:
    world.create(DEPLOYMENT)
    world.run(10)
    assert [used(each)["web"][0] for each in figures(world, "pods")] == ["300000000n"] * 3


def test_figures_are_found_by_name_namespace_and_label(world: World) -> None:
    world.create(POD)
    world.run(10)
    resource = world.api.registry.by_plural("metrics.k8s.io", "v1beta1", "pods")
    assert world.api.get(resource, "web", namespace="default")["kind"] == "PodMetrics"
    assert figures(world, "pods", namespace="kube-system") == []
    assert figures(world, "pods", labels="app=other") == []
    assert len(figures(world, "pods", labels="app=web", fields="metadata.name=web")) == 1
    with pytest.raises(ApiError) as refused:
        world.api.get(resource, "nope", namespace="default")
    assert refused.value.code == 404


def test_nobody_can_write_figures(world: World) -> None:
    resource = world.api.registry.by_plural("metrics.k8s.io", "v1beta1", "nodes")
    attempts: list[Callable[[], Object]] = [
        lambda: world.api.create(resource, {"metadata": {"name": "x"}}),
        lambda: world.api.update(resource, "node-1", {"metadata": {"name": "node-1"}}),
        lambda: world.api.patch(resource, "node-1", {"usage": None}, type="merge"),
        lambda: world.api.delete(resource, "node-1"),
    ]
    for attempt in attempts:
        with pytest.raises(ApiError) as refused:
            attempt()
        assert refused.value.code == 405


def test_asking_changes_nothing(world: World) -> None:
    revision = world.api.store.revision
    figures(world, "nodes")
    assert world.api.store.revision == revision


def test_the_table_sums_up_containers(world: World) -> None:
    world.create(POD)
    world.run(10)
    resource = world.api.registry.by_plural("metrics.k8s.io", "v1beta1", "pods")
    shown = table(resource, figures(world, "pods"), now=world.now)
    names = [each["name"] for each in shown["columnDefinitions"]]
    assert names == ["Name", "cpu", "memory", "Window"]
    assert shown["rows"][0]["cells"] == ["web", "101m", "48Mi", "15s"]
