"""StatefulSets: names, order, volumes, partitions, revisions."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.controllers.ownership import is_being_deleted
from tests.kubesim.controllers.bench import Bench


def db(replicas: int = 3, image: str = "db:1", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [{"name": "db", "image": image}]},
            },
            **spec,
        },
    }


def image(name: str) -> dict[str, Any]:
    containers = [{"name": "db", "image": name}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def names(bench: Bench) -> list[str]:
    return [pod["metadata"]["name"] for pod in bench.pods()]


def images(bench: Bench) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in bench.pods()}


def test_pods_come_up_one_after_the_other_in_order(bench: Bench) -> None:
    bench.create(db())
    assert names(bench) == ["db-0"]
    bench.report(bench.pods()[0], "Running")
    assert names(bench) == ["db-0"]
    bench.start()
    assert names(bench) == ["db-0", "db-1"]
    bench.start()
    assert names(bench) == ["db-0", "db-1", "db-2"]


def test_parallel_pods_come_up_at_once(bench: Bench) -> None:
    bench.create(db(podManagementPolicy="Parallel"))
    assert names(bench) == ["db-0", "db-1", "db-2"]


def test_a_pod_knows_its_name_its_index_and_its_revision(bench: Bench) -> None:
    bench.create(db(1, ordinals={"start": 5}))
    (pod,) = bench.pods()
    (revision,) = bench.all("ControllerRevision")
    assert pod["metadata"]["labels"] == {
        "app": "db",
        "apps.kubernetes.io/pod-index": "5",
        "controller-revision-hash": revision["metadata"]["name"],
        "statefulset.kubernetes.io/pod-name": "db-5",
    }
    assert pod["spec"]["hostname"] == "db-5"
    assert pod["spec"]["subdomain"] == "db"
    event = "SuccessfulCreate", "create Pod db-5 in StatefulSet db successful"
    assert event in bench.events("db")


def test_each_pod_has_its_own_claim_which_outlives_it(bench: Bench) -> None:
    template = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    bench.create(db(2, volumeClaimTemplates=[template]))
    bench.settle()
    claims = bench.all("PersistentVolumeClaim")
    assert [each["metadata"]["name"] for each in claims] == ["data-db-0", "data-db-1"]
    volume = next(v for v in bench.get("Pod", "db-1")["spec"]["volumes"] if v["name"] == "data")
    assert volume["persistentVolumeClaim"] == {"claimName": "data-db-1"}
    bench.edit("StatefulSet", "db", {"spec": {"replicas": 1}})
    bench.settle()
    assert len(bench.all("PersistentVolumeClaim")) == 2


def test_claims_follow_their_pod_if_the_retention_policy_says_so(bench: Bench) -> None:
    template = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    bench.create(
        db(2, volumeClaimTemplates=[template], persistentVolumeClaimRetentionPolicy=policy)
    )
    bench.settle()
    owner = bench.get("PersistentVolumeClaim", "data-db-1")["metadata"]["ownerReferences"][0]
    assert owner["kind"] == "StatefulSet"
    bench.edit("StatefulSet", "db", {"spec": {"replicas": 1}})
    owner = bench.get("PersistentVolumeClaim", "data-db-1")["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("Pod", "db-1")


def test_scaling_down_removes_the_highest_ordinal_first_and_waits_for_it(bench: Bench) -> None:
    bench.create(db())
    bench.settle()
    for pod in bench.pods():
        bench.bind(pod)
    bench.edit("StatefulSet", "db", {"spec": {"replicas": 1}})
    assert [pod["metadata"]["name"] for pod in bench.pods(is_being_deleted)] == ["db-2"]
    bench.reap()
    assert [pod["metadata"]["name"] for pod in bench.pods(is_being_deleted)] == ["db-1"]
    bench.reap()
    assert names(bench) == ["db-0"]


def test_an_update_goes_from_the_highest_ordinal_down(bench: Bench) -> None:
    bench.create(db())
    bench.settle()
    bench.edit("StatefulSet", "db", image("db:2"))
    bench.reap()
    assert images(bench) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    bench.start()
    bench.reap()
    assert images(bench) == {"db-0": "db:1", "db-1": "db:2", "db-2": "db:2"}
    bench.settle()
    assert set(images(bench).values()) == {"db:2"}
    status = bench.get("StatefulSet", "db")["status"]
    assert status["currentRevision"] == status["updateRevision"]
    assert status["currentReplicas"] == status["updatedReplicas"] == 3


def test_a_partition_keeps_the_lower_ordinals_at_the_old_revision(bench: Bench) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    bench.create(db(updateStrategy=strategy))
    bench.settle()
    bench.edit("StatefulSet", "db", image("db:2"))
    bench.settle()
    assert images(bench) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    bench.delete("Pod", "db-0")
    bench.settle()
    assert images(bench)["db-0"] == "db:1"
    status = bench.get("StatefulSet", "db")["status"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (2, 1)
    assert status["currentRevision"] != status["updateRevision"]


def test_on_delete_waits_for_a_person_to_delete_the_pod(bench: Bench) -> None:
    bench.create(db(2, updateStrategy={"type": "OnDelete"}))
    bench.settle()
    bench.edit("StatefulSet", "db", image("db:2"))
    bench.settle()
    assert set(images(bench).values()) == {"db:1"}
    bench.delete("Pod", "db-0")
    bench.settle()
    assert images(bench) == {"db-0": "db:2", "db-1": "db:1"}


def test_an_ordered_update_waits_for_ever_at_a_broken_pod_even_after_the_revert(
    bench: Bench,
) -> None:
    # kubernetes.io, StatefulSets, "Forced rollback": a person has to delete the pod
    bench.create(db(2))
    bench.settle()
    bench.edit("StatefulSet", "db", image("db:broken"))
    bench.reap()
    bench.edit("StatefulSet", "db", image("db:1"))
    bench.reap()
    assert images(bench) == {"db-0": "db:1", "db-1": "db:broken"}
    bench.delete("Pod", "db-1")
    bench.settle()
    assert images(bench) == {"db-0": "db:1", "db-1": "db:1"}


def test_going_back_to_an_old_template_reuses_its_revision(bench: Bench) -> None:
    bench.create(db(1))
    bench.settle()
    first = bench.get("StatefulSet", "db")["status"]["updateRevision"]
    for version in ("db:2", "db:1"):
        bench.edit("StatefulSet", "db", image(version))
        bench.settle()
    assert bench.get("StatefulSet", "db")["status"]["updateRevision"] == first
    numbers = {
        each["metadata"]["name"]: each["revision"] for each in bench.all("ControllerRevision")
    }
    assert numbers[first] == 3
    assert len(numbers) == 2


def test_a_failed_pod_is_replaced_under_the_same_name(bench: Bench) -> None:
    bench.create(db(1))
    bench.settle()
    before = bench.get("Pod", "db-0")["metadata"]["uid"]
    bench.report(bench.pods()[0], "Failed")
    bench.reap()
    assert bench.get("Pod", "db-0")["metadata"]["uid"] != before


def test_the_status_counts(bench: Bench) -> None:
    bench.create(db(2))
    bench.settle()
    status = bench.get("StatefulSet", "db")["status"]
    (revision,) = bench.all("ControllerRevision")
    assert status == {
        "observedGeneration": 1,
        "replicas": 2,
        "readyReplicas": 2,
        "currentReplicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
        "currentRevision": revision["metadata"]["name"],
        "updateRevision": revision["metadata"]["name"],
        "collisionCount": 0,
    }
