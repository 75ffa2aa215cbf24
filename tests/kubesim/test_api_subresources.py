"""Scale, binding and eviction."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.api import Options
from kubesim.api.scale import selector_text
from tests.kubesim.world import World, deployment, pod, refused


@pytest.fixture
def world() -> World:
    return World()


# -- Scale -----------------------------------------------------------------------------------------


def test_a_workload_shows_its_scale(world: World) -> None:
    made = world.create(deployment(replicas=2))
    world.patch("Deployment", "web", {"status": {"replicas": 1}}, subresource="status")
    scale = world.get("Deployment", "web", subresource="scale")
    assert scale == {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": made["metadata"]["uid"],
            "resourceVersion": str(world.api.store.revision),
            "creationTimestamp": "2026-01-05T09:00:00Z",
        },
        "spec": {"replicas": 2},
        "status": {"replicas": 1, "selector": "app=web"},
    }


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet"])
def test_a_workload_is_scaled_whatever_its_kind(world: World, kind: str) -> None:
    world.create({**deployment(), "kind": kind})
    scale = world.get(kind, "web", subresource="scale")
    after = world.api.update(
        world.resource(kind),
        "web",
        {**scale, "spec": {"replicas": 4}},
        namespace="default",
        subresource="scale",
        options=Options(field_manager="kubectl"),
    )
    assert after["spec"] == {"replicas": 4}
    live = world.get(kind, "web")
    assert live["spec"]["replicas"] == 4
    assert live["metadata"]["generation"] == 2
    assert live["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


def test_a_manager_that_scales_owns_the_number_of_replicas(world: World) -> None:
    world.apply(deployment(replicas=1), field_manager="flux")
    patch = {"spec": {"replicas": 4}}
    world.patch("Deployment", "web", patch, subresource="scale", field_manager="kubectl")
    entries = world.get("Deployment", "web")["metadata"]["managedFields"]
    [scaled] = [entry for entry in entries if entry.get("subresource") == "scale"]
    assert scaled["manager"] == "kubectl"
    assert scaled["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    with pytest.raises(ApiError, match=r'with subresource "scale" using apps/v1: \.spec\.replicas'):
        world.apply(deployment(replicas=1), field_manager="flux")


def test_a_scale_from_an_old_state_is_a_conflict(world: World) -> None:
    world.create(deployment())
    scale = world.get("Deployment", "web", subresource="scale")
    world.patch("Deployment", "web", {"spec": {"paused": True}})
    with pytest.raises(ApiError, match="the object has been modified"):
        world.api.update(
            world.resource("Deployment"), "web", scale, namespace="default", subresource="scale"
        )


def test_there_is_no_scale_below_nothing(world: World) -> None:
    world.create(deployment())
    with pytest.raises(ApiError) as refusal:
        world.patch("Deployment", "web", {"spec": {"replicas": -1}}, subresource="scale")
    assert refused(refusal) == (
        422,
        "Invalid",
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: '
        "must be greater than or equal to 0",
    )


def test_what_has_no_scale_cannot_be_scaled(world: World) -> None:
    world.create(pod())
    with pytest.raises(ApiError, match="could not find the requested resource") as refusal:
        world.get("Pod", "web-1", subresource="scale")
    assert refusal.value.code == 404


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({}, ""),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["b", "a"]},
                    {"key": "old", "operator": "DoesNotExist"},
                    {"key": "new", "operator": "Exists"},
                    {"key": "zone", "operator": "NotIn", "values": ["x"]},
                ],
            },
            "app=web,new,!old,tier in (a,b),zone notin (x)",
        ),
        ({"app": "web"}, "app=web"),
    ],
)
def test_a_selector_is_written_as_a_query(selector: dict[str, Any], text: str) -> None:
    assert selector_text(selector) == text


# -- Binding ---------------------------------------------------------------------------------------


def bind(world: World, **binding: Any) -> Object:
    body = {"metadata": {"name": "web-1"}, "target": {"kind": "Node", "name": "n1"}, **binding}
    return world.api.create(world.resource("Pod"), body, namespace="default", subresource="binding")


def test_a_binding_puts_a_pod_on_a_node(world: World) -> None:
    before = world.create(pod())
    assert bind(world)["status"] == "Success"
    after = world.get("Pod", "web-1")
    assert after["spec"]["nodeName"] == "n1"
    assert after["metadata"]["generation"] == 1
    assert after["metadata"]["managedFields"] == before["metadata"]["managedFields"]
    [condition] = after["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    assert condition["lastTransitionTime"] == "2026-01-05T09:00:00Z"


def test_a_binding_takes_the_place_of_an_unschedulable_condition(world: World) -> None:
    world.create(pod())
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    patch = {"status": {"conditions": [condition]}}
    world.patch("Pod", "web-1", patch, subresource="status")
    bind(world, metadata={"name": "web-1", "annotations": {"a": "b"}})
    after = world.get("Pod", "web-1")
    assert [each["status"] for each in after["status"]["conditions"]] == ["True"]
    assert after["metadata"]["annotations"] == {"a": "b"}


def test_a_pod_is_bound_once(world: World) -> None:
    world.create(pod())
    bind(world)
    with pytest.raises(ApiError) as refusal:
        bind(world)
    assert refused(refusal) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on pods/binding "web-1": pod web-1 is already assigned to '
        'node "n1"',
    )


def test_a_gated_pod_is_not_bound(world: World) -> None:
    world.create(pod(schedulingGates=[{"name": "example.com/wait"}]))
    with pytest.raises(ApiError, match=r"pod web-1 has non-empty \.spec\.schedulingGates"):
        bind(world)


def test_a_binding_names_a_node(world: World) -> None:
    world.create(pod())
    with pytest.raises(ApiError, match=r"target\.name: Required value"):
        bind(world, target={})


# -- Eviction --------------------------------------------------------------------------------------


LABELS = {"app": "web"}


@pytest.fixture
def guarded(world: World) -> World:
    """A running, ready pod, under a budget that allows one disruption."""
    world.create(pod(labels=LABELS))
    bind(world)
    running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    world.patch("Pod", "web-1", {"status": running}, subresource="status")
    world.create(budget("web"))
    allow(world, disruptionsAllowed=1, desiredHealthy=1, currentHealthy=2)
    return world


def budget(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": LABELS}, **spec},
    }


def allow(world: World, **status: Any) -> Object:
    patch = {"status": {"observedGeneration": 1, "expectedPods": 2, **status}}
    return world.patch("PodDisruptionBudget", "web", patch, subresource="status")


def evict(world: World, **options: Any) -> Object:
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "web-1"},
        "deleteOptions": options,
    }
    return world.api.create(
        world.resource("Pod"), body, namespace="default", subresource="eviction"
    )


def is_going(world: World) -> bool:
    return "deletionTimestamp" in world.get("Pod", "web-1")["metadata"]


def test_an_eviction_is_charged_to_the_budget(guarded: World) -> None:
    assert evict(guarded)["code"] == 201
    assert is_going(guarded)
    status = guarded.get("PodDisruptionBudget", "web")["status"]
    assert status["disruptionsAllowed"] == 0
    assert status["disruptedPods"] == {"web-1": "2026-01-05T09:00:00Z"}


def test_an_eviction_deletes_as_it_is_told(guarded: World) -> None:
    evict(guarded, gracePeriodSeconds=3)
    assert guarded.get("Pod", "web-1")["metadata"]["deletionGracePeriodSeconds"] == 3


def test_an_eviction_is_a_deletion_by_the_same_user(guarded: World) -> None:
    asked: list[Options] = []
    guarded.api.reviews.append(lambda request: asked.append(request.options))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-1"}}
    guarded.api.create(
        guarded.resource("Pod"),
        body,
        namespace="default",
        subresource="eviction",
        options=Options(user="jane", groups=("drainers",)),
    )
    assert [(each.user, each.groups) for each in asked] == [("jane", ("drainers",))] * 2


def test_an_eviction_waits_for_a_budget_that_is_used_up(guarded: World) -> None:
    allow(guarded, disruptionsAllowed=0, desiredHealthy=2, currentHealthy=2)
    with pytest.raises(ApiError) as refusal:
        evict(guarded)
    assert refused(refusal) == (
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
    )
    message = "The disruption budget web needs 2 healthy pods and has 2 currently"
    assert refusal.value.causes == [{"reason": "DisruptionBudget", "message": message}]
    assert not is_going(guarded)


def test_an_eviction_waits_for_a_budget_that_was_just_changed(guarded: World) -> None:
    guarded.patch("PodDisruptionBudget", "web", {"spec": {"minAvailable": 2}})
    with pytest.raises(ApiError) as refusal:
        evict(guarded)
    assert refusal.value.details == {"retryAfterSeconds": 10}
    [cause] = refusal.value.causes
    assert cause["message"] == ("The disruption budget web is still being processed by the server.")


def test_a_pod_under_two_budgets_cannot_be_evicted(guarded: World) -> None:
    guarded.create(budget("other"))
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget") as refusal:
        evict(guarded)
    assert refusal.value.code == 500


def test_a_pod_that_is_not_ready_goes_freely_while_enough_are(guarded: World) -> None:
    broken = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    guarded.patch("Pod", "web-1", broken, subresource="status")
    allow(guarded, disruptionsAllowed=0, desiredHealthy=2, currentHealthy=1)
    with pytest.raises(ApiError, match="disruption budget"):
        evict(guarded)
    allow(guarded, disruptionsAllowed=0, desiredHealthy=2, currentHealthy=2)
    evict(guarded)
    assert is_going(guarded)


def test_a_broken_pod_may_always_go_if_its_budget_says_so(guarded: World) -> None:
    broken = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    guarded.patch("Pod", "web-1", broken, subresource="status")
    allow(guarded, disruptionsAllowed=0, desiredHealthy=2, currentHealthy=0)
    patch = {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}
    guarded.patch("PodDisruptionBudget", "web", patch)
    evict(guarded)
    assert is_going(guarded)


def test_a_pod_without_a_budget_is_just_deleted(world: World) -> None:
    world.create(pod())
    evict(world)
    assert not world.has("Pod", "web-1")


def test_a_dry_run_of_an_eviction_charges_nothing(guarded: World) -> None:
    revision = guarded.api.store.revision
    evict(guarded, dryRun=["All"])
    assert guarded.api.store.revision == revision


def test_an_eviction_that_is_refused_charges_nothing(guarded: World) -> None:
    with pytest.raises(ApiError, match="UID in the precondition"):
        evict(guarded, preconditions={"uid": "x"})
    assert guarded.get("PodDisruptionBudget", "web")["status"]["disruptionsAllowed"] == 1
