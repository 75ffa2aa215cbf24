"""What pods and nodes use, and that nodes live."""

from __future__ import annotations

from tests.kubectl.live import Kubectl
from tests.kubectl.objects import deployment


def test_pods_are_shown_with_what_they_use(kubectl: Kubectl) -> None:
    kubectl.create(deployment(replicas=2))
    kubectl("rollout status deployment/web --timeout 60s")
    head, *pods = kubectl.rows("top pods")
    assert head == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert len(pods) == 2 and all(pod[1].endswith("m") and pod[2].endswith("Mi") for pod in pods)
    head, *containers = kubectl.rows("top pods --containers --sort-by=cpu")
    assert head == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert [each[0] for each in containers] == [pod[0] for pod in pods]
    name = pods[0][0]
    assert kubectl.rows(f"top pod {name}")[1][0] == name
    assert [row[0] for row in kubectl.rows("top pods -A")].count(kubectl.namespace) == 2


def test_nodes_are_shown_with_what_they_use_of_what_they_have(kubectl: Kubectl) -> None:
    head, *nodes = kubectl.rows("top nodes --sort-by=memory")
    assert head == ["NAME", "CPU(cores)", "CPU%", "MEMORY(bytes)", "MEMORY%"] or head == [
        "NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)",
    ]  # fmt: skip
    assert sorted(node[0] for node in nodes) == ["node-1", "node-2"]
    assert all(node[2].endswith("%") and node[2] != "0%" for node in nodes)


def test_a_pod_that_is_not_there_uses_nothing(kubectl: Kubectl) -> None:
    assert "not found" in kubectl.fails("top pod nope")


def test_figures_are_a_resource_like_others(kubectl: Kubectl) -> None:
    assert kubectl.rows("get nodes.metrics.k8s.io")[0] == ["NAME", "CPU", "MEMORY", "WINDOW"]
    assert "metrics.k8s.io/v1beta1" in kubectl("api-versions").split()


def test_a_nodes_lease_is_part_of_its_description(kubectl: Kubectl) -> None:
    told = kubectl("describe node node-1")
    assert "HolderIdentity:  node-1" in told
    for part in ("Conditions:", "Allocated resources:", "Non-terminated Pods:"):
        assert part in told
