"""Going over from client-side to server-side apply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.lastapplied import ANNOTATION
from tests.kubesim.world import World


def book(**data: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "book"}, "data": data}


@pytest.fixture
def world() -> World:
    return World()


def applied_by_the_client(world: World, config: Object) -> None:
    text = json.dumps(config) + "\n"
    annotated = {**config, "metadata": {**config["metadata"], "annotations": {ANNOTATION: text}}}
    world.create(annotated, field_manager="kubectl-client-side-apply")


def apply(world: World, config: Object, manager: str = "kubectl") -> Object:
    return world.apply(config, field_manager=manager)


def last(obj: Object) -> Any:
    return json.loads(obj["metadata"]["annotations"][ANNOTATION])["data"]


def test_what_the_client_applied_may_be_changed_without_conflict(world: World) -> None:
    applied_by_the_client(world, book(page="1"))
    assert apply(world, book(page="2"))["data"] == {"page": "2"}


def test_what_somebody_changed_since_is_still_a_conflict(world: World) -> None:
    applied_by_the_client(world, book(page="1"))
    world.patch("ConfigMap", "book", {"data": {"page": "5"}})
    with pytest.raises(ApiError, match="conflict with"):
        apply(world, book(page="2"))


def test_another_manager_is_told_of_the_conflict(world: World) -> None:
    applied_by_the_client(world, book(page="1"))
    with pytest.raises(ApiError, match='conflict with "kubectl-client-side-apply"'):
        apply(world, book(page="2"), "another")


def test_the_annotation_follows_what_kubectl_has_the_server_apply(world: World) -> None:
    applied_by_the_client(world, book(page="1"))
    assert last(apply(world, book(page="2"))) == {"page": "2"}
    revision = apply(world, book(page="3"))["metadata"]["resourceVersion"]
    assert apply(world, book(page="3"))["metadata"]["resourceVersion"] == revision


def test_who_never_had_the_annotation_does_not_get_it(world: World) -> None:
    assert "annotations" not in apply(world, book(page="1"))["metadata"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', '{"data": 5}', "null"])
def test_nonsense_in_the_annotation_yields_nothing(world: World, text: str) -> None:
    annotated = {**book(page="1"), "metadata": {"name": "book", "annotations": {ANNOTATION: text}}}
    world.create(annotated, field_manager="one")
    with pytest.raises(ApiError, match="conflict with"):
        apply(world, book(page="2"))
