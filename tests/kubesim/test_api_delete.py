"""Delete: what goes at once, what waits, and for what."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.api import Options
from tests.kubesim.world import World, config_map, deployment, namespace, pod, refused, service


@pytest.fixture
def world() -> World:
    return World()


def finalized(*finalizers: str) -> Object:
    body = deployment()
    body["metadata"]["finalizers"] = list(finalizers)
    return body


def running_pod(world: World, **spec: Any) -> Object:
    world.create(pod(**spec))
    world.api.create(
        world.resource("Pod"),
        {"metadata": {"name": "web-1"}, "target": {"kind": "Node", "name": "n1"}},
        namespace="default",
        subresource="binding",
    )
    return world.patch("Pod", "web-1", {"status": {"phase": "Running"}}, subresource="status")


def test_a_deletion_answers_with_a_status(world: World) -> None:
    uid = world.create(deployment())["metadata"]["uid"]
    assert world.delete("Deployment", "web") == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "web", "group": "apps", "kind": "deployments", "uid": uid},
    }
    assert not world.has("Deployment", "web")


def test_some_deletions_answer_with_what_is_gone(world: World) -> None:
    world.create(service())
    gone = world.delete("Service", "web")
    assert gone["kind"] == "Service"
    assert gone["metadata"]["resourceVersion"] == str(world.api.store.revision)


def test_what_is_not_there_is_not_deleted(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.delete("ConfigMap", "settings")
    assert refused(refusal) == (404, "NotFound", 'configmaps "settings" not found')


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"uid": "x"},
            'Operation cannot be fulfilled on ConfigMap "settings": the UID in the precondition '
            "(x) does not match the UID in record ({uid}). The object might have been deleted and "
            "then recreated",
        ),
        (
            {"resource_version": "1"},
            'Operation cannot be fulfilled on ConfigMap "settings": the ResourceVersion in the '
            "precondition (1) does not match the ResourceVersion in record ({resourceVersion}). "
            "The object might have been modified",
        ),
    ],
)
def test_a_deletion_may_be_for_this_very_object_only(
    world: World, option: dict[str, str], message: str
) -> None:
    metadata = world.create(config_map())["metadata"]
    with pytest.raises(ApiError) as refusal:
        world.delete("ConfigMap", "settings", **option)
    assert refused(refusal) == (409, "Conflict", message.format(**metadata))
    right = {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"]}
    world.delete("ConfigMap", "settings", **right)


def test_a_propagation_policy_is_one_of_three(world: World) -> None:
    world.create(config_map())
    with pytest.raises(ApiError) as refusal:
        world.delete("ConfigMap", "settings", propagation="Sideways")
    assert refusal.value.code == 422
    assert 'supported values: "Foreground", "Background", "Orphan"' in refusal.value.message


def test_an_object_with_finalizers_waits_until_the_last_is_gone(world: World) -> None:
    world.create(finalized("example.com/a", "example.com/b"))
    waiting = world.delete("Deployment", "web")
    metadata = waiting["metadata"]
    assert metadata["deletionTimestamp"] == "2026-01-05T09:00:00Z"
    assert metadata["deletionGracePeriodSeconds"] == 0
    assert metadata["generation"] == 2
    world.now += 60
    assert world.delete("Deployment", "web") is waiting
    world.patch("Deployment", "web", {"metadata": {"finalizers": ["example.com/b"]}})
    assert world.has("Deployment", "web")
    last = world.patch("Deployment", "web", {"metadata": {"finalizers": None}})
    assert last["metadata"]["name"] == "web"
    assert not world.has("Deployment", "web")


def test_an_object_that_is_going_stays_so_whatever_is_written(world: World) -> None:
    world.create(finalized("example.com/a"))
    world.delete("Deployment", "web")
    after = world.update(finalized("example.com/a"))
    assert after["metadata"]["deletionTimestamp"] == "2026-01-05T09:00:00Z"


@pytest.mark.parametrize(
    ("propagation", "own", "expected"),
    [
        ("Foreground", [], ["foregroundDeletion"]),
        ("Orphan", [], ["orphan"]),
        ("Foreground", ["example.com/a"], ["example.com/a", "foregroundDeletion"]),
        ("Orphan", ["foregroundDeletion"], ["orphan"]),
        ("", ["foregroundDeletion"], ["foregroundDeletion"]),
        ("", ["orphan"], ["orphan"]),
        ("", ["example.com/a"], ["example.com/a"]),
    ],
)
def test_propagation_is_left_to_the_garbage_collector_as_a_finalizer(
    world: World, propagation: str, own: list[str], expected: list[str]
) -> None:
    world.create(finalized(*own))
    waiting = world.delete("Deployment", "web", propagation=propagation)
    assert waiting["metadata"]["finalizers"] == expected


@pytest.mark.parametrize("own", ["foregroundDeletion", "orphan"])
def test_background_propagation_overrules_an_earlier_choice(world: World, own: str) -> None:
    world.create(finalized(own))
    world.delete("Deployment", "web", propagation="Background")
    assert not world.has("Deployment", "web")


def test_a_job_leaves_its_pods_unless_told_otherwise(world: World) -> None:
    body = deployment()
    template = {"spec": {**body["spec"]["template"]["spec"], "restartPolicy": "Never"}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": template},
    }
    world.create(job)
    assert world.delete("Job", "once")["metadata"]["finalizers"] == ["orphan"]
    world.delete("Job", "once", propagation="Background")
    assert not world.has("Job", "once")


def test_a_running_pod_has_its_grace_period_to_stop(world: World) -> None:
    running_pod(world)
    metadata = world.delete("Pod", "web-1")["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 30
    assert metadata["deletionTimestamp"] == "2026-01-05T09:00:30Z"
    assert metadata["generation"] == 2


def test_a_wait_can_be_made_shorter_but_not_longer(world: World) -> None:
    running_pod(world)
    first = world.delete("Pod", "web-1", grace_period=20)
    world.now += 5
    assert world.delete("Pod", "web-1") is first
    assert world.delete("Pod", "web-1", grace_period=50) is first
    metadata = world.delete("Pod", "web-1", grace_period=8)["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 8
    assert metadata["deletionTimestamp"] == "2026-01-05T09:00:08Z"
    assert metadata["generation"] == 2
    world.delete("Pod", "web-1", grace_period=0)
    assert not world.has("Pod", "web-1")


@pytest.mark.parametrize(("asked", "given"), [(7, 7), (-1, 1)])
def test_a_grace_period_can_be_asked_for(world: World, asked: int, given: int) -> None:
    running_pod(world)
    metadata = world.delete("Pod", "web-1", grace_period=asked)["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == given


def test_a_pod_states_its_own_grace_period(world: World) -> None:
    running_pod(world, terminationGracePeriodSeconds=5)
    assert world.delete("Pod", "web-1")["metadata"]["deletionGracePeriodSeconds"] == 5


def test_a_pod_that_runs_nowhere_goes_at_once(world: World) -> None:
    world.create(pod())
    world.delete("Pod", "web-1")
    assert not world.has("Pod", "web-1")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_is_over_goes_at_once(world: World, phase: str) -> None:
    running_pod(world)
    world.patch("Pod", "web-1", {"status": {"phase": phase}}, subresource="status")
    world.delete("Pod", "web-1")
    assert not world.has("Pod", "web-1")


def test_a_stopped_pod_still_waits_for_its_finalizers(world: World) -> None:
    running_pod(world)
    world.patch("Pod", "web-1", {"metadata": {"finalizers": ["example.com/a"]}})
    world.delete("Pod", "web-1")
    waiting = world.delete("Pod", "web-1", grace_period=0)
    assert waiting["metadata"]["deletionGracePeriodSeconds"] == 0
    assert world.delete("Pod", "web-1") is waiting
    world.patch("Pod", "web-1", {"metadata": {"finalizers": None}})
    assert not world.has("Pod", "web-1")


def test_a_namespace_waits_until_it_is_finalized(world: World) -> None:
    world.create(namespace("shop"))
    going = world.delete("Namespace", "shop")
    assert going["status"]["phase"] == "Terminating"
    assert going["metadata"]["deletionTimestamp"] == "2026-01-05T09:00:00Z"
    assert world.delete("Namespace", "shop") is going
    world.update({**going, "spec": {"finalizers": []}}, "finalize")
    assert not world.has("Namespace", "shop")


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_the_clusters_own_namespaces_stay(world: World, name: str) -> None:
    with pytest.raises(ApiError) as refusal:
        world.delete("Namespace", name)
    assert refused(refusal) == (
        403,
        "Forbidden",
        f'namespaces "{name}" is forbidden: this namespace may not be deleted',
    )


def test_a_dry_run_deletes_nothing(world: World) -> None:
    world.create(config_map())
    world.create(finalized("example.com/a"))
    revision = world.api.store.revision
    assert world.delete("ConfigMap", "settings", dry_run=True)["status"] == "Success"
    shown = world.delete("Deployment", "web", dry_run=True)
    assert shown["metadata"]["deletionTimestamp"]
    assert world.api.store.revision == revision


def test_a_collection_is_deleted_by_selector(world: World) -> None:
    for name, app in (("a", "web"), ("b", "web"), ("c", "api")):
        body = config_map(name)
        body["metadata"]["labels"] = {"app": app}
        world.create(body)
    maps = world.resource("ConfigMap")
    gone = world.api.delete_collection(maps, namespace="default", labels="app=web")
    assert (gone["kind"], len(gone["items"])) == ("ConfigMapList", 2)
    assert world.names("ConfigMap") == ["c"]
    world.api.delete_collection(maps, namespace="default", options=Options(dry_run=True))
    assert world.names("ConfigMap") == ["c"]


def test_namespaces_are_deleted_one_by_one(world: World) -> None:
    with pytest.raises(ApiError, match="does not allow this method") as refusal:
        world.api.delete_collection(world.resource("Namespace"))
    assert refusal.value.code == 405
