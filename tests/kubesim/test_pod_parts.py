"""The parts of a running pod that have an endpoint of their own."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from tests.kubesim.test_limit_ranges import container, limit_range
from tests.kubesim.test_quotas import quota, used
from tests.kubesim.world import World, pod, refused

BURSTABLE = {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m", "memory": "1Gi"}}


@pytest.fixture
def world() -> World:
    made = World()
    made.create(
        pod(
            containers=[container(**BURSTABLE), container("b", requests={"cpu": "100m"})],
            initContainers=[container("setup")],
        )
    )
    return made


def amounts(name: str = "web", kind: str = "containers", **resources: Any) -> Object:
    return {"spec": {kind: [{"name": name, "resources": resources}]}}


def resize(in_: World, patch: Object) -> Object:
    return in_.patch("Pod", "web-1", patch, "strategic", "resize")


def refusal(in_: World, patch: Object, subresource: str = "resize", type: str = "strategic") -> str:
    with pytest.raises(ApiError) as error:
        in_.patch("Pod", "web-1", patch, type, subresource)
    code, reason, message = refused(error)
    assert (code, reason) == (422, "Invalid")
    return message.removeprefix('Pod "web-1" is invalid: ')


def test_a_running_pod_can_be_given_more_or_less(world: World) -> None:
    made = resize(world, amounts(requests={"cpu": "200m"}, limits={"memory": "2Gi"}))
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "200m", "memory": "1Gi"},
        "limits": {"cpu": "500m", "memory": "2Gi"},
    }
    assert made["metadata"]["generation"] == 2
    assert world.get("Pod", "web-1", subresource="resize") == made


def test_the_pod_itself_cannot_be_resized_any_other_way(world: World) -> None:
    with pytest.raises(ApiError, match="pod updates may not change fields other than"):
        world.patch("Pod", "web-1", amounts(requests={"cpu": "1m"}), "strategic")


def test_a_resize_leaves_everything_else_alone(world: World) -> None:
    patch = amounts(requests={"cpu": "200m"})
    patch["metadata"] = {"labels": {"a": "b"}}
    patch["spec"]["containers"][0]["image"] = "web:2"
    made = resize(world, patch)
    assert "labels" not in made["metadata"]
    assert made["spec"]["containers"][0]["image"] == "web:1"


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (
            amounts(requests={"cpu": "1"}),
            'spec.containers[0].resources.requests: Invalid value: "1": '
            "must be less than or equal to cpu limit of 500m",
        ),
        (
            amounts("b", requests={"cpu": None}),
            "spec.containers[1].resources.requests: Forbidden: resource requests cannot be removed",
        ),
        (
            amounts(limits={"memory": None}),
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
        ),
        (
            amounts(limits={"ephemeral-storage": "1Gi"}),
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            amounts("setup", "initContainers", requests={"cpu": "1"}),
            "spec.initContainers[0].resources: Forbidden: "
            "resources for non-sidecar init containers are immutable",
        ),
    ],
)
def test_what_a_resize_cannot_do(world: World, patch: Object, text: str) -> None:
    assert refusal(world, patch) == text


def test_containers_are_not_renamed_by_a_resize(world: World) -> None:
    patch = {"spec": {"containers": [container("b"), container("web")]}}
    text = refusal(world, patch, type="merge")
    assert "spec.containers[0].name: Forbidden: containers may not be renamed or reordered" in text


def test_a_resize_keeps_the_class_of_the_pod() -> None:
    world = World()
    world.create(pod())
    assert refusal(world, amounts(requests={"cpu": "1"})) == (
        'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'
    )


def test_a_resize_is_limited_and_charged_like_a_new_pod() -> None:
    world = World()
    world.create(quota({"requests.cpu": "500m"}))
    world.create(pod(containers=[container(requests={"cpu": "100m"})]))
    world.create(limit_range({"type": "Container", "max": {"memory": "1Gi"}}))
    resize(world, amounts(requests={"cpu": "400m"}))
    assert used(world) == {"requests.cpu": "400m"}
    with pytest.raises(ApiError, match=r"exceeded quota: compute, requested: requests\.cpu=200m"):
        resize(world, amounts(requests={"cpu": "600m"}))
    with pytest.raises(ApiError, match="maximum memory usage per Container is 1Gi"):
        resize(world, amounts(limits={"memory": "2Gi"}))


DEBUGGER = {"name": "debugger", "image": "busybox:1", "targetContainerName": "web"}


def debugged(*containers: Object) -> Object:
    return {"spec": {"ephemeralContainers": list(containers)}}


def test_an_ephemeral_container_joins_a_pod_that_runs(world: World) -> None:
    made = world.patch("Pod", "web-1", debugged(DEBUGGER), "strategic", "ephemeralcontainers")
    [found] = made["spec"]["ephemeralContainers"]
    assert found.items() >= DEBUGGER.items()
    assert found["imagePullPolicy"] == "IfNotPresent"
    world.patch("Pod", "web-1", {"metadata": {"labels": {"a": "b"}}})
    second = {"name": "second", "image": "busybox:1"}
    made = world.patch("Pod", "web-1", debugged(second), "strategic", "ephemeralcontainers")
    assert {each["name"] for each in made["spec"]["ephemeralContainers"]} == {"debugger", "second"}


def test_an_ephemeral_container_stays_as_it_is(world: World) -> None:
    world.patch("Pod", "web-1", debugged(DEBUGGER), "strategic", "ephemeralcontainers")
    changed = debugged({"name": "debugger", "image": "other:1"})
    path = "spec.ephemeralContainers: Forbidden: existing ephemeral containers"
    assert refusal(world, changed, "ephemeralcontainers").strip() == (
        f'{path} "debugger" may not be changed'
    )
    assert refusal(world, debugged(), "ephemeralcontainers", "merge").strip() == (
        f'{path} "debugger" may not be removed'
    )


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ({"name": "web", "image": "a"}, '[0].name: Duplicate value: "web"'),
        ({"name": "a"}, "[0].image: Required value"),
        (
            {"name": "a", "image": "a", "targetContainerName": "b-side"},
            '[0].targetContainerName: Not found: "b-side"',
        ),
        (
            {"name": "a", "image": "a", "resources": {"limits": {"cpu": "1"}}},
            "[0].resources: Forbidden: cannot be set for an Ephemeral Container",
        ),
    ],
)
def test_what_an_ephemeral_container_cannot_be(world: World, container: Object, text: str) -> None:
    message = refusal(world, debugged(container), "ephemeralcontainers")
    assert message == f"spec.ephemeralContainers{text}"


def test_a_resize_can_be_applied_and_its_manager_owns_the_amounts(world: World) -> None:
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"},
            **amounts(requests={"cpu": "200m"})}  # fmt: skip
    with pytest.raises(ApiError, match="conflict with"):
        world.apply(body, "resize")
    made = world.apply(body, "resize", force=True)
    assert made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "200m"
    [entry] = [each for each in made["metadata"]["managedFields"] if each["manager"] == "test"]
    assert (entry["operation"], entry["subresource"]) == ("Apply", "resize")


def test_only_pods_have_these_parts(world: World) -> None:
    with pytest.raises(ApiError) as error:
        world.patch("Namespace", "default", {}, "merge", "resize")
    assert error.value.code == 404
