"""Every namespace has a ServiceAccount and the cluster's certificate."""

from __future__ import annotations

import pytest

from tests.kubesim.controllers.world import World

SPACE = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"
DEFAULTS = [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")]


@pytest.mark.parametrize(("kind", "name"), DEFAULTS)
@pytest.mark.parametrize("namespace", ["default", "shop"])
def test_each_namespace_gets_it(kind: str, name: str, namespace: str) -> None:
    world = World()
    world.create(SPACE)
    assert world.find(kind, name, namespace=namespace) is not None


@pytest.mark.parametrize(("kind", "name"), DEFAULTS)
def test_it_comes_back_when_it_is_deleted(kind: str, name: str) -> None:
    world = World()
    before = world.get(kind, name)
    world.delete(kind, name)
    assert world.get(kind, name)["metadata"]["uid"] != before["metadata"]["uid"]


@pytest.mark.parametrize(("kind", "name"), DEFAULTS)
def test_it_does_not_come_back_into_a_namespace_that_goes(kind: str, name: str) -> None:
    world = World()
    world.create(SPACE)
    keep = {"name": "keep", "finalizers": ["example.org/keep"]}
    world.create("{apiVersion: v1, kind: Secret}", metadata=keep, namespace="shop")
    world.delete("Namespace", "shop")
    world.run(10)
    assert world.find(kind, name, namespace="shop") is None


def test_the_certificate_is_put_right_and_the_account_left_alone() -> None:
    world = World()
    data = world.get("ConfigMap", "kube-root-ca.crt")["data"]
    world.patch("ConfigMap", "kube-root-ca.crt", {"data": {"ca.crt": "forged"}})
    assert world.get("ConfigMap", "kube-root-ca.crt")["data"] == data
    world.patch("ServiceAccount", "default", {"metadata": {"labels": {"mine": "yes"}}})
    assert world.get("ServiceAccount", "default")["metadata"]["labels"] == {"mine": "yes"}
