"""Strategic merge patches: lists are merged as their items' nature demands.

Source: Kubernetes documentation, "Update API Objects in Place Using kubectl patch", and
apimachinery `strategicpatch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.conftest import Subject
from tests.conftest import deployment

PLACE = "apps/v1/deployments"


@pytest.fixture
def web(subject: Subject) -> Iterator[Subject]:
    """A Deployment that runs nothing: two containers, the first with ports and variables."""
    body = deployment(replicas=0, paused=True)
    body["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
    body["spec"]["template"]["spec"] = {
        "containers": [
            {
                "name": "web", "image": "web:1", "args": ["a", "b"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"containerPort": 80}, {"containerPort": 81}],
            },
            {"name": "side", "image": "side:1"},
        ],
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "nodeSelector": {"disk": "fast"},
    }  # fmt: skip
    subject.requests.create(PLACE, body)
    yield subject
    subject.requests.patch(PLACE, "web", {"metadata": {"finalizers": None}})


def patched(subject: Subject, pod: dict[str, Any]) -> Any:
    """The pods' spec after a strategic merge patch of it."""
    change = {"spec": {"template": {"spec": pod}}}
    live = subject.requests.patch(PLACE, "web", change, type="strategic")
    return live["spec"]["template"]["spec"]


def test_containers_are_merged_by_their_names(web: Subject) -> None:
    spec = patched(web, {"containers": [{"name": "web", "image": "web:2"}]})
    assert [(each["name"], each["image"]) for each in spec["containers"]] == [
        ("web", "web:2"), ("side", "side:1"),
    ]  # fmt: skip
    assert spec["containers"][0]["args"] == ["a", "b"]


def test_a_new_container_is_added(web: Subject) -> None:
    spec = patched(web, {"containers": [{"name": "new", "image": "new:1"}]})
    assert sorted(each["name"] for each in spec["containers"]) == ["new", "side", "web"]


def test_an_item_is_deleted_by_a_directive(web: Subject) -> None:
    spec = patched(web, {"containers": [{"name": "side", "$patch": "delete"}]})
    assert [each["name"] for each in spec["containers"]] == ["web"]


def test_a_list_is_replaced_by_a_directive(web: Subject) -> None:
    new = [{"name": "new", "image": "new:1"}, {"$patch": "replace"}]
    spec = patched(web, {"containers": new})
    assert [each["name"] for each in spec["containers"]] == ["new"]


def test_an_order_of_elements_is_kept(web: Subject) -> None:
    spec = patched(
        web,
        {
            "$setElementOrder/containers": [{"name": "side"}, {"name": "web"}],
            "containers": [{"name": "web", "image": "web:2"}],
        },
    )
    assert [each["name"] for each in spec["containers"]] == ["side", "web"]


def test_variables_are_merged_by_their_names_and_ports_by_their_numbers(web: Subject) -> None:
    change = {
        "name": "web",
        "env": [{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}],
        "ports": [{"containerPort": 81, "name": "more"}],
    }
    container = patched(web, {"containers": [change]})["containers"][0]
    assert container["env"] == [{"name": "B", "value": "3"}]
    assert [(each["containerPort"], each.get("name")) for each in container["ports"]] == [
        (80, None), (81, "more"),
    ]  # fmt: skip


def test_lists_without_a_merge_key_are_replaced(web: Subject) -> None:
    other = {"key": "b", "operator": "Exists"}
    spec = patched(web, {"tolerations": [other], "containers": [{"name": "web", "args": ["c"]}]})
    assert spec["tolerations"] == [other]
    assert spec["containers"][0]["args"] == ["c"]


def test_null_removes(web: Subject) -> None:
    spec = patched(web, {"nodeSelector": None, "containers": [{"name": "web", "env": None}]})
    assert "nodeSelector" not in spec and "env" not in spec["containers"][0]


def test_a_map_is_merged_or_replaced_by_a_directive(web: Subject) -> None:
    spec = patched(web, {"nodeSelector": {"zone": "a"}})
    assert spec["nodeSelector"] == {"disk": "fast", "zone": "a"}
    spec = patched(web, {"nodeSelector": {"zone": "b", "$patch": "replace"}})
    assert spec["nodeSelector"] == {"zone": "b"}


def test_a_union_keeps_only_the_keys_that_are_retained(web: Subject) -> None:
    strategy = {"$retainKeys": ["type"], "type": "Recreate"}
    live = web.requests.patch(PLACE, "web", {"spec": {"strategy": strategy}}, type="strategic")
    assert live["spec"]["strategy"] == {"type": "Recreate"}


def test_finalizers_are_merged_and_taken_out_one_by_one(web: Subject) -> None:
    change: Any = {"metadata": {"finalizers": ["example.com/c"]}}
    live = web.requests.patch(PLACE, "web", change, type="strategic")
    assert sorted(live["metadata"]["finalizers"]) == [f"example.com/{name}" for name in "abc"]
    change = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/b"]}}
    live = web.requests.patch(PLACE, "web", change, type="strategic")
    assert sorted(live["metadata"]["finalizers"]) == ["example.com/a", "example.com/c"]
