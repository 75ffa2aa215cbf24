"""Deployments: rolling, rolling back, pausing, resizing, and what they report."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.clock import timestamp
from kubesim.controllers.pods import is_ready
from tests.kubesim.controllers.bench import Bench


def web(replicas: int = 3, image: str = "web:1", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
            **spec,
        },
    }


def image(name: str) -> dict[str, Any]:
    containers = [{"name": "web", "image": name}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def rolling(surge: int | str, unavailable: int | str) -> dict[str, Any]:
    bounds = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": bounds}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def sizes(bench: Bench) -> dict[str, int]:
    """Wanted pods by the image of their ReplicaSet."""
    return {
        each["spec"]["template"]["spec"]["containers"][0]["image"]: each["spec"]["replicas"]
        for each in bench.all("ReplicaSet")
    }


def replica_set(bench: Bench, name: str) -> Object:
    return next(
        each
        for each in bench.all("ReplicaSet")
        if each["spec"]["template"]["spec"]["containers"][0]["image"] == name
    )


def conditions(bench: Bench) -> dict[str, tuple[str, str, str]]:
    return {
        each["type"]: (each["status"], each["reason"], each["message"])
        for each in bench.get("Deployment", "web")["status"]["conditions"]
    }


def test_a_new_deployment_gets_a_replica_set_named_and_labelled_by_its_hash(bench: Bench) -> None:
    bench.create(web())
    (found,) = bench.all("ReplicaSet")
    hashed = found["metadata"]["labels"]["pod-template-hash"]
    assert found["metadata"]["name"] == f"web-{hashed}"
    assert set(hashed) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert found["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hashed}
    assert found["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert len(bench.pods()) == 3
    assert all(p["metadata"]["labels"]["pod-template-hash"] == hashed for p in bench.pods())
    events = [("ScalingReplicaSet", f"Scaled up replica set web-{hashed} from 0 to 3")]
    assert bench.events("web") == events


def test_the_status_tells_the_rollout_from_created_to_available(bench: Bench) -> None:
    bench.create(web())
    name = bench.all("ReplicaSet")[0]["metadata"]["name"]
    assert conditions(bench) == {
        "Available": (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        ),
        "Progressing": ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'),
    }
    bench.settle()
    assert conditions(bench) == {
        "Available": (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        ),
        "Progressing": (
            "True",
            "NewReplicaSetAvailable",
            f'ReplicaSet "{name}" has successfully progressed.',
        ),
    }
    status = bench.get("Deployment", "web")["status"]
    assert {name: status[name] for name in status if name != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
    }


@pytest.mark.parametrize(
    ("surge", "unavailable", "most", "least"),
    [("25%", "25%", 5, 3), (1, 0, 5, 4), (0, 1, 4, 3), (2, 2, 6, 2), ("100%", "0%", 8, 4)],
)
def test_a_rolling_update_stays_between_its_bounds(
    bench: Bench, surge: int | str, unavailable: int | str, most: int, least: int
) -> None:
    bench.create(web(4, strategy=rolling(surge, unavailable)))
    bench.settle()
    bench.edit("Deployment", "web", image("web:2"))
    for _ in range(40):
        pods = bench.pods()
        assert len(pods) <= most
        assert sum(is_ready(pod) for pod in pods) >= least
        waiting = [pod for pod in pods if not is_ready(pod)]
        if not waiting:
            break
        bench.start(waiting[0])
        bench.reap()
    assert sizes(bench) == {"web:1": 0, "web:2": 4}
    assert [pod["spec"]["containers"][0]["image"] for pod in bench.pods()] == ["web:2"] * 4


def test_a_new_version_that_never_becomes_ready_leaves_the_old_one_serving(bench: Bench) -> None:
    bench.create(web(4, strategy=rolling(1, 1)))
    bench.settle()
    bench.edit("Deployment", "web", image("web:broken"))
    bench.run(300)
    assert sizes(bench) == {"web:1": 3, "web:broken": 2}
    assert sum(is_ready(pod) for pod in bench.pods()) == 3


def test_broken_old_pods_go_first(bench: Bench) -> None:
    bench.create(web(4, strategy=rolling(1, 1)))
    bench.settle()
    bench.edit("Deployment", "web", image("web:broken"))
    bench.reap()
    bench.edit("Deployment", "web", image("web:3"))
    bench.reap()
    assert sizes(bench)["web:broken"] == 0
    assert sizes(bench)["web:1"] == 3
    bench.settle()
    assert sizes(bench) == {"web:1": 0, "web:broken": 0, "web:3": 4}


def test_going_back_to_an_old_template_reuses_its_replica_set_as_a_new_revision(
    bench: Bench,
) -> None:
    bench.create(web())
    bench.settle()
    first = replica_set(bench, "web:1")["metadata"]["uid"]
    bench.edit("Deployment", "web", image("web:2"))
    bench.settle()
    bench.edit("Deployment", "web", image("web:1"))
    bench.settle()
    found = replica_set(bench, "web:1")
    assert found["metadata"]["uid"] == first
    annotations = found["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"
    deployment = bench.get("Deployment", "web")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert sizes(bench) == {"web:1": 3, "web:2": 0}


def test_only_as_many_old_replica_sets_stay_as_the_history_limit_says(bench: Bench) -> None:
    bench.create(web(revisionHistoryLimit=1))
    bench.settle()
    for version in (2, 3, 4):
        bench.edit("Deployment", "web", image(f"web:{version}"))
        bench.settle()
    assert sizes(bench) == {"web:3": 0, "web:4": 3}


def test_recreate_waits_until_the_last_old_pod_is_gone(bench: Bench) -> None:
    bench.create(web(strategy={"type": "Recreate"}))
    bench.settle()
    for pod in bench.pods():
        bench.bind(pod)
    bench.edit("Deployment", "web", image("web:2"))
    assert sizes(bench) == {"web:1": 0}
    bench.reap()
    assert sizes(bench) == {"web:1": 0, "web:2": 3}


def test_a_paused_deployment_scales_but_does_not_roll(bench: Bench) -> None:
    bench.create(web())
    bench.settle()
    bench.edit("Deployment", "web", {"spec": {"paused": True}})
    bench.edit("Deployment", "web", image("web:2"))
    assert sizes(bench) == {"web:1": 3}
    paused = ("Unknown", "DeploymentPaused", "Deployment is paused")
    assert conditions(bench)["Progressing"] == paused
    bench.edit("Deployment", "web", {"spec": {"replicas": 5}})
    assert sizes(bench) == {"web:1": 5}
    bench.edit("Deployment", "web", {"spec": {"paused": False}})
    bench.settle()
    assert sizes(bench) == {"web:1": 0, "web:2": 5}


def test_resizing_amid_a_rollout_is_shared_in_proportion(bench: Bench) -> None:
    bench.create(web(10, strategy=rolling(3, 2)))
    bench.settle()
    bench.edit("Deployment", "web", image("web:broken"))
    assert sizes(bench) == {"web:1": 8, "web:broken": 5}
    bench.edit("Deployment", "web", {"spec": {"replicas": 15}})
    assert sizes(bench) == {"web:1": 11, "web:broken": 7}


def test_a_rollout_without_progress_exceeds_its_deadline(bench: Bench) -> None:
    bench.create(web(progressDeadlineSeconds=60))
    name = bench.all("ReplicaSet")[0]["metadata"]["name"]
    bench.run(60)
    assert conditions(bench)["Progressing"][1] == "ReplicaSetUpdated"
    bench.run(2)
    assert conditions(bench)["Progressing"] == (
        "False",
        "ProgressDeadlineExceeded",
        f'ReplicaSet "{name}" has timed out progressing.',
    )
    bench.settle()
    assert conditions(bench)["Progressing"][:2] == ("True", "NewReplicaSetAvailable")


def test_a_rollout_that_is_over_is_not_late_when_its_pods_fail_for_long(bench: Bench) -> None:
    bench.create(web(progressDeadlineSeconds=60))
    bench.settle()
    for pod in bench.pods():
        bench.report(pod, "Running", ready=False)
    bench.run(200)
    assert conditions(bench)["Available"][0] == "False"
    assert conditions(bench)["Progressing"][:2] == ("True", "NewReplicaSetAvailable")


def test_pods_become_available_after_being_ready_for_long_enough(bench: Bench) -> None:
    bench.create(web(2, minReadySeconds=30))
    bench.start()
    assert bench.get("Deployment", "web")["status"]["readyReplicas"] == 2
    assert conditions(bench)["Available"][0] == "False"
    bench.run(30)
    assert bench.get("Deployment", "web")["status"]["availableReplicas"] == 2
    available = conditions(bench)["Available"]
    assert available[:2] == ("True", "MinimumReplicasAvailable")


def test_the_revision_is_annotated_by_the_controller_manager(bench: Bench) -> None:
    bench.create(web())
    metadata = bench.get("Deployment", "web")["metadata"]
    managers = [
        entry["manager"]
        for entry in metadata["managedFields"]
        if "f:deployment.kubernetes.io/revision"
        in entry["fieldsV1"].get("f:metadata", {}).get("f:annotations", {})
    ]
    assert managers == ["kube-controller-manager"]


def test_annotations_reach_the_replica_set_but_not_kubectls_own(bench: Bench) -> None:
    bench.create(web())
    kubectl = "kubectl.kubernetes.io/last-applied-configuration"
    bench.edit("Deployment", "web", {"metadata": {"annotations": {"team": "a", kubectl: "{}"}}})
    annotations = bench.all("ReplicaSet")[0]["metadata"]["annotations"]
    assert annotations["team"] == "a"
    assert kubectl not in annotations


def test_nothing_is_written_once_a_rollout_is_over(bench: Bench) -> None:
    bench.create(web())
    bench.settle()
    revision = bench.api.store.revision
    bench.run(3600)
    assert bench.api.store.revision == revision


def test_a_replica_set_name_that_is_taken_moves_the_hash(bench: Bench) -> None:
    bench.create(web())
    taken = bench.all("ReplicaSet")[0]["metadata"]["name"]
    other = Bench()
    template = {
        "metadata": {"labels": {"app": "other"}},
        "spec": {"containers": [{"name": "other", "image": "other:1"}]},
    }
    other.create(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": taken},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "other"}},
                "template": template,
            },
        }
    )
    other.create(web())
    other.run(1)
    assert other.get("Deployment", "web")["status"]["collisionCount"] == 1
    assert replica_set(other, "web:1")["metadata"]["name"] != taken
    assert sizes(other)["web:1"] == 3


def test_times_are_whole_seconds_of_the_virtual_clock(bench: Bench) -> None:
    bench.create(web())
    found = bench.get("Deployment", "web")["status"]["conditions"][0]
    assert found["lastUpdateTime"] == timestamp(bench.now)
