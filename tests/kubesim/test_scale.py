"""The scale subresource: a number of replicas, and nothing else."""

from __future__ import annotations

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from tests.kubesim.world import World, deployment, refused


@pytest.fixture
def world() -> World:
    world = World()
    world.create(deployment(replicas=1))
    return world


def rescale(world: World, scale: Object) -> Object:
    return world.api.update(
        world.resource("Deployment"), "web", scale, namespace="default", subresource="scale"
    )


def scale(replicas: int, **metadata: str) -> Object:
    return {"metadata": {"name": "web", **metadata}, "spec": {"replicas": replicas}}


def test_a_scale_gives_a_workload_its_number_of_replicas(world: World) -> None:
    assert rescale(world, scale(3))["spec"] == {"replicas": 3}
    assert world.get("Deployment", "web")["spec"]["replicas"] == 3


@pytest.mark.parametrize("metadata", [{}, {"namespace": "default"}, {"uid": "another"}])
def test_a_scale_has_no_fewer_than_no_replicas(world: World, metadata: dict[str, str]) -> None:
    with pytest.raises(ApiError) as error:
        rescale(world, scale(-1, **metadata))
    assert refused(error) == (
        422,
        "Invalid",
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater '
        "than or equal to 0",
    )
    assert error.value.causes == [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: -1: must be greater than or equal to 0",
            "field": "spec.replicas",
        }
    ]


def test_a_patch_of_the_scale_is_checked_like_an_update(world: World) -> None:
    with pytest.raises(ApiError, match=r"spec\.replicas: Invalid value: -2"):
        world.patch("Deployment", "web", {"spec": {"replicas": -2}}, subresource="scale")
    assert world.get("Deployment", "web")["spec"]["replicas"] == 1


def test_a_scale_is_for_the_object_whose_uid_it_names(world: World) -> None:
    with pytest.raises(ApiError) as error:
        rescale(world, scale(2, uid="another"))
    assert (error.value.code, error.value.reason) == (409, "Conflict")
