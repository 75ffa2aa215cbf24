"""Nodes are closed, emptied and opened again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubectl.live import Kubectl
from tests.kubectl.objects import deployment

NODE = "node-2"


@pytest.fixture
def operator(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A kubectl that leaves the node as it was."""
    yield kubectl
    kubectl(f"uncordon {NODE}")


def test_a_closed_node_takes_no_more_pods(operator: Kubectl) -> None:
    assert operator(f"cordon {NODE}") == f"node/{NODE} cordoned\n"
    assert operator.rows(f"get node {NODE}")[1][1] == "Ready,SchedulingDisabled"
    operator.create(deployment(replicas=4))
    operator("rollout status deployment/web --timeout 60s")
    assert set(operator("get pods -o", "jsonpath={..nodeName}").split()) == {"node-1"}
    assert operator(f"uncordon {NODE}") == f"node/{NODE} uncordoned\n"


def only_here() -> dict[str, Any]:
    """A Deployment whose pods run on the node to be drained or nowhere."""
    workload = deployment()
    template = workload["spec"]["template"]["spec"]
    template["nodeSelector"] = {"kubernetes.io/hostname": NODE}
    return workload


def test_draining_evicts_pods(operator: Kubectl) -> None:
    operator.create(only_here())
    operator("rollout status deployment/web --timeout 60s")
    pods = operator("get pods -o name").split()
    told = operator(f"drain {NODE} --pod-selector app=web --timeout 60s")
    assert len(pods) == 2 and all(f"{name} evicted\n" in told for name in pods)
    assert not operator(f"get pods --field-selector spec.nodeName={NODE} -o name")


def test_draining_keeps_to_a_budget(operator: Kubectl) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    }
    operator.create(only_here(), budget)
    operator("rollout status deployment/web --timeout 60s")
    told = operator.fails(f"drain {NODE} --pod-selector app=web --timeout 1s")
    assert "Cannot evict pod as it would violate the pod's disruption budget." in told
    assert len(operator("get pods -o name").split()) == 2


def test_draining_says_what_it_would_not_touch(operator: Kubectl) -> None:
    bare = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bare", "labels": {"app": operator.namespace}},
        "spec": {"nodeName": NODE, "containers": [{"name": "web", "image": "web:1"}]},
    }
    operator.create(bare)
    command = f"drain {NODE} --pod-selector app={operator.namespace} --timeout 60s"
    refused = operator.fails(command)
    assert "(use --force to override)" in refused and "bare" in refused
    assert "bare evicted" in operator(f"{command} --force")


def test_a_taint_is_put_on_and_taken_off(operator: Kubectl) -> None:
    try:
        told = operator(f"taint node {NODE} only=batch:NoSchedule")
        assert told == f"node/{NODE} tainted\n"
        assert "only=batch:NoSchedule" in operator(f"describe node {NODE}")
        operator.create(deployment(replicas=3))
        operator("rollout status deployment/web --timeout 60s")
        assert set(operator("get pods -o", "jsonpath={..nodeName}").split()) == {"node-1"}
    finally:
        assert operator(f"taint node {NODE} only-") == f"node/{NODE} untainted\n"
    assert 'taint "only" not found' in operator.fails(f"taint node {NODE} only-")
