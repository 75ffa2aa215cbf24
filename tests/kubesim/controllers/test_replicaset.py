"""ReplicaSets: as many pods as wanted, the right ones first to go, refusals told."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.clock import EPOCH, timestamp
from kubesim.controllers.pods import first_to_go, slow_start
from tests.kubesim.controllers.bench import Bench
from tests.kubesim.controllers.world import World

WEB = """
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {note: hello}}
    spec: {containers: [{name: web, image: 'web:1'}]}
"""

POD = """
apiVersion: v1
kind: Pod
metadata: {name: stray, labels: {app: web}}
spec: {containers: [{name: web, image: 'web:1'}]}
"""


@pytest.fixture
def bench() -> Bench:
    return Bench()


def pod(name: str, **parts: Any) -> Object:
    """A pod as `first_to_go` sees it; two hours old and ready unless told otherwise."""
    ready = {
        "type": "Ready",
        "status": "True" if parts.get("ready", True) else "False",
        "lastTransitionTime": timestamp(EPOCH - parts.get("ready_for", 7200)),
    }
    restarts = [{"name": "c", "restartCount": parts.get("restarts", 0)}]
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": timestamp(EPOCH - parts.get("age", 7200)),
            "annotations": parts.get("annotations", {}),
        },
        "spec": {"nodeName": parts.get("node", "n")},
        "status": {
            "phase": parts.get("phase", "Running"),
            "conditions": [ready],
            "containerStatuses": restarts,
        },
    }


def order(*pods: Object) -> list[str]:
    return [each["metadata"]["name"] for each in first_to_go(pods, pods, EPOCH)]


COST = "controller.kubernetes.io/pod-deletion-cost"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"node": ""}, {}),
        ({"phase": "Pending"}, {}),
        ({"ready": False}, {}),
        ({"annotations": {COST: "-5"}}, {}),
        ({"ready_for": 60}, {"ready_for": 7200}),
        ({"restarts": 3}, {}),
        ({"age": 60}, {"age": 7200}),
    ],
)
def test_what_is_less_use_goes_first(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert order(pod("b", **second), pod("z", **first)) == ["z", "b"]


def test_a_pod_with_siblings_on_its_node_goes_before_one_alone() -> None:
    assert order(pod("a", node="x"), pod("y", node="n"), pod("z", node="n"))[2] == "a"


def test_ages_are_compared_by_powers_of_two() -> None:
    assert order(pod("b", ready_for=5000), pod("a", ready_for=7200)) == ["a", "b"]


def test_pods_are_created_in_doubling_batches_until_one_is_refused() -> None:
    asked: list[int] = []

    def refuse_the_fourth(number: int) -> None:
        asked.append(number)
        if number == 3:
            raise ApiError(403, "Forbidden", "exceeded quota")

    refusal = slow_start(20, refuse_the_fourth)
    assert asked == [0, 1, 2, 3, 4, 5, 6]
    assert refusal is not None
    assert refusal.message == "exceeded quota"


def test_pods_are_made_from_the_template_and_owned(bench: Bench) -> None:
    made = bench.create(WEB)
    pods = bench.pods()
    assert len(pods) == 3
    for each in pods:
        metadata = each["metadata"]
        assert metadata["generateName"] == "web-"
        assert metadata["name"].startswith("web-")
        assert metadata["labels"] == {"app": "web"}
        assert metadata["annotations"] == {"note": "hello"}
        assert metadata["ownerReferences"] == [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web",
                "uid": made["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    names = sorted(each["metadata"]["name"] for each in pods)
    assert sorted(bench.events("web")) == [
        ("SuccessfulCreate", f"Created pod: {name}") for name in names
    ]


def test_a_deleted_pod_is_replaced(bench: Bench) -> None:
    bench.create(WEB)
    gone = bench.pods()[0]["metadata"]["name"]
    bench.delete("Pod", gone)
    bench.reap()
    assert len(bench.pods()) == 3
    assert gone not in [each["metadata"]["name"] for each in bench.pods()]


def test_a_failed_pod_is_replaced_and_no_longer_counted(bench: Bench) -> None:
    bench.create(WEB)
    bench.report(bench.pods()[0], "Failed")
    assert len(bench.pods()) == 3
    assert bench.get("ReplicaSet", "web")["status"]["replicas"] == 3


def test_the_status_counts(bench: Bench) -> None:
    bench.create(WEB)
    bench.start(*bench.pods()[:2])
    status = bench.get("ReplicaSet", "web")["status"]
    assert status == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
        "observedGeneration": 1,
    }


def test_scaling_down_keeps_the_ready_pods(bench: Bench) -> None:
    bench.create(WEB)
    kept = bench.pods()[1]
    bench.start(kept)
    bench.edit("ReplicaSet", "web", {"spec": {"replicas": 1}})
    bench.reap()
    assert [each["metadata"]["name"] for each in bench.pods()] == [kept["metadata"]["name"]]


def test_an_orphan_that_fits_is_adopted_instead_of_a_new_pod(bench: Bench) -> None:
    bench.create(POD)
    made = bench.create(WEB)
    stray = bench.get("Pod", "stray")
    assert stray["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert len(bench.pods()) == 3


def test_a_pod_that_no_longer_fits_is_released_and_replaced(bench: Bench) -> None:
    bench.create(WEB)
    name = bench.pods()[0]["metadata"]["name"]
    bench.edit("Pod", name, {"metadata": {"labels": {"app": "aside"}}})
    assert "ownerReferences" not in bench.get("Pod", name)["metadata"]
    assert len(bench.pods()) == 4


def test_a_refused_pod_is_a_condition_and_an_event_and_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = bench.api.create

    def refuse_pods(resource: Any, body: Object, **rest: Any) -> Object:
        if resource.kind == "Pod":
            raise ApiError(403, "Forbidden", 'pods "web-" is forbidden: exceeded quota')
        return create(resource, body, **rest)

    monkeypatch.setattr(bench.api, "create", refuse_pods)
    bench.create(WEB)
    (found,) = bench.get("ReplicaSet", "web")["status"]["conditions"]
    assert found == {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": timestamp(bench.now),
        "reason": "FailedCreate",
        "message": 'pods "web-" is forbidden: exceeded quota',
    }
    event = "FailedCreate", 'Error creating: pods "web-" is forbidden: exceeded quota'
    assert event in bench.events("web")
    monkeypatch.setattr(bench.api, "create", create)
    bench.run(1)
    assert len(bench.pods()) == 3
    assert "conditions" not in bench.get("ReplicaSet", "web")["status"]


def test_a_replication_controller_keeps_its_pods_as_a_replica_set_does() -> None:
    world = World()
    world.create(
        "{apiVersion: v1, kind: ReplicationController, metadata: {name: old}, spec: {replicas: 2, "
        "selector: {app: old}, template: {metadata: {labels: {app: old}}, "
        "spec: {containers: [{name: c, image: 'web:1'}]}}}}"
    )
    world.run(20)
    status = world.get("ReplicationController", "old")["status"]
    assert status["replicas"] == status["readyReplicas"] == 2
    assert "terminatingReplicas" not in status
    world.patch("ReplicationController", "old", {"spec": {"replicas": 1}}, subresource="scale")
    world.run(60)
    assert len(world.all("Pod")) == 1
    world.create(
        "{apiVersion: v1, kind: Pod, metadata: {name: other}, "
        "spec: {containers: [{name: c, image: 'web:1'}]}}"
    )
    world.run(20)
    assert "ownerReferences" not in world.get("Pod", "other")["metadata"]
    world.delete("ReplicationController", "old", propagation="Background")
    world.run(60)
    assert [pod["metadata"]["name"] for pod in world.all("Pod")] == ["other"]
