"""Objects that the API accepts and nobody would write: the controllers live with them."""

from __future__ import annotations

import pytest

from tests.kubesim.controllers.world import World


@pytest.mark.parametrize(
    "text",
    [
        "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: x}}",
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: x}}",
    ],
)
def test_a_controller_lives_with(text: str) -> None:
    world = World()
    world.create(text)
    world.create(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, "
        "spec: {containers: [{name: c, image: 'web:1'}]}}"
    )
    world.run(60)
    assert world.get("Pod", "p")["status"]["phase"] == "Running"
