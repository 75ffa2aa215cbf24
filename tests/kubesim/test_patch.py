"""The three kinds of patch, as RFC 6902, RFC 7386 and apimachinery's strategicpatch have them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.patch import json_patch, merge_patch, strategic_merge_patch
from kubesim.schema import Node, builtin


def node(api_version: str, kind: str) -> Node:
    found = builtin().node(api_version, kind)
    assert found is not None
    return found


DEPLOYMENT = node("apps/v1", "Deployment")
SERVICE = node("v1", "Service")
BUDGET = node("policy/v1", "PodDisruptionBudget")


def refusal(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ApiError) as refused:
        call()
    return refused.value.code, refused.value.reason, refused.value.message


# -- JSON patch -----------------------------------------------------------------------------------


def test_operations_are_done_one_after_the_other() -> None:
    obj = {"metadata": {"labels": {"a": "1"}}, "list": [1, 2]}
    before = deepcopy(obj)
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/labels/a", "value": "1"},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/example.org~1x", "value": "y"},
        {"op": "remove", "path": "/metadata/labels"},
        {"op": "replace", "path": "/list/0", "value": 7},
        {"op": "add", "path": "/list/-", "value": 3},
        {"op": "move", "from": "/list", "path": "/numbers"},
        {"op": "copy", "from": "/numbers/0", "path": "/first"},
    ]
    asked = deepcopy(operations)
    assert json_patch(obj, operations) == {
        "metadata": {"annotations": {"example.org/x": "y"}},
        "numbers": [7, 2, 3],
        "first": 7,
    }
    assert (obj, operations) == (before, asked)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "frobnicate", "path": "/a"},
        {"op": "add", "value": 1},
        {"op": "add", "path": "no-slash"},
        {"op": "replace", "path": "", "value": "text"},
    ],
)
def test_an_operation_that_cannot_be_done_is_unprocessable(operation: dict[str, Any]) -> None:
    message = "the server rejected our request due to an error in our request"
    obj = {"a": 1, "list": []}
    assert refusal(lambda: json_patch(obj, [operation])) == (422, "Invalid", message)


@pytest.mark.parametrize("patch", [{"op": "add"}, ["add"], "add"])
def test_a_json_patch_is_a_list_of_operations(patch: Any) -> None:
    code, reason, message = refusal(lambda: json_patch({}, patch))
    assert (code, reason) == (400, "BadRequest")
    assert message.startswith("error decoding patch: json: cannot unmarshal")


def test_a_json_patch_has_an_end() -> None:
    operations = [{"op": "add", "path": "/a", "value": 1}] * 10_001
    code, reason, message = refusal(lambda: json_patch({}, operations))
    assert (code, reason) == (413, "RequestEntityTooLarge")
    assert message.endswith("The allowed maximum operations in a JSON patch is 10000, got 10001")


# -- Merge patch ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_does_what_the_examples_of_its_rfc_say(
    obj: Object, patch: Object, result: Object
) -> None:
    before = deepcopy((obj, patch))
    assert merge_patch(obj, patch) == result
    assert (obj, patch) == before


def test_a_merge_patch_that_says_nothing_new_returns_the_object_itself() -> None:
    obj = {"a": {"b": [1]}}
    assert merge_patch(obj, {"a": {"b": [1], "c": None}}) is obj


@pytest.mark.parametrize("apply", [merge_patch, lambda o, p: strategic_merge_patch(o, p, SERVICE)])
def test_a_merge_patch_is_an_object(apply: Callable[[Any, Any], Any]) -> None:
    code, reason, message = refusal(lambda: apply({}, [1]))
    assert (code, reason) == (400, "BadRequest")
    assert "cannot unmarshal array into Go value" in message


# -- Strategic merge patch ------------------------------------------------------------------------


def pod_spec(**fields: Any) -> Object:
    return {"spec": {"template": {"spec": fields}}}


def containers(*names: str) -> Object:
    return pod_spec(containers=[{"name": name, "image": f"{name}:1"} for name in names])


def patched(live: Object, patch: Object, type_: Node = DEPLOYMENT) -> Any:
    before = deepcopy((live, patch))
    result = strategic_merge_patch(live, patch, type_)
    assert (live, patch) == before
    return result


def names(obj: Object) -> list[str]:
    return [item["name"] for item in obj["spec"]["template"]["spec"]["containers"]]


def test_items_are_paired_by_their_merge_key() -> None:
    patch = pod_spec(containers=[{"name": "b", "image": "b:2"}])
    assert patched(containers("a", "b"), patch) == pod_spec(
        containers=[{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]
    )


def test_a_new_item_stands_before_the_live_ones_it_has_no_order_with() -> None:
    patch = pod_spec(containers=[{"name": "x", "image": "x:1"}])
    assert names(patched(containers("a", "b"), patch)) == ["x", "a", "b"]


def test_a_list_without_merge_strategy_is_replaced() -> None:
    live = pod_spec(tolerations=[{"key": "a"}, {"key": "b"}])
    patch = pod_spec(tolerations=[{"key": "c"}])
    assert patched(live, patch) == patch


def test_null_removes_a_field_and_maps_are_merged() -> None:
    live = {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"paused": True}}
    patch = {"metadata": {"labels": {"a": None, "c": "3"}}, "spec": {"paused": None}}
    assert patched(live, patch) == {"metadata": {"labels": {"b": "2", "c": "3"}}, "spec": {}}


def test_an_item_is_deleted_by_directive() -> None:
    patch = pod_spec(containers=[{"$patch": "delete", "name": "a"}])
    assert names(patched(containers("a", "b"), patch)) == ["b"]


def test_a_list_is_replaced_by_directive() -> None:
    patch = pod_spec(containers=[{"$patch": "replace"}, {"name": "x", "image": "x:1"}])
    assert names(patched(containers("a", "b"), patch)) == ["x"]


def test_a_map_is_replaced_or_emptied_by_directive() -> None:
    live = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    patch = {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}
    assert patched(live, patch) == {"metadata": {"labels": {"c": "3"}}}
    patch = {"metadata": {"labels": {"$patch": "delete"}}}
    assert patched(live, patch) == {"metadata": {"labels": {}}}


def test_directives_in_something_new_are_carried_out_not_stored() -> None:
    new = {
        "name": "a",
        "env": [{"name": "A", "value": "1"}],
        "$setElementOrder/env": [{"name": "A"}],
    }
    gone = {"name": "b", "$patch": "delete"}
    assert patched({}, pod_spec(containers=[new, gone])) == pod_spec(
        containers=[{"name": "a", "env": [{"name": "A", "value": "1"}]}]
    )


def test_retain_keys_leaves_only_what_it_names() -> None:
    live = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patched(live, patch) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_retain_keys_changes_the_kind_of_a_volume() -> None:
    live = pod_spec(volumes=[{"name": "v", "emptyDir": {}}])
    volume = {"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}
    assert patched(live, pod_spec(volumes=[volume])) == pod_spec(
        volumes=[{"name": "v", "configMap": {"name": "c"}}]
    )


def test_values_are_added_to_and_taken_from_a_set() -> None:
    live = {"metadata": {"finalizers": ["a", "b"]}}
    patch: Object = {"metadata": {"finalizers": ["c", "a"]}}
    assert sorted(patched(live, patch)["metadata"]["finalizers"]) == ["a", "b", "c"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "x"]}}
    assert patched(live, patch) == {"metadata": {"finalizers": ["b"]}}
    assert patched({"metadata": {}}, patch) == {"metadata": {}}


def test_items_take_the_order_that_the_patch_asks_for() -> None:
    order = [{"name": name} for name in "ca"]
    patch = pod_spec(**{"$setElementOrder/containers": order})
    assert names(patched(containers("a", "b", "c"), patch)) == ["b", "c", "a"]
    patch["spec"]["template"]["spec"]["containers"] = [{"name": "c", "image": "c:2"}]
    assert names(patched(containers("a", "b", "c"), patch)) == ["b", "c", "a"]


def test_a_set_takes_the_order_that_the_patch_asks_for() -> None:
    live = {"metadata": {"finalizers": ["a", "b", "c"]}}
    patch = {
        "metadata": {
            "$setElementOrder/finalizers": ["c", "d", "a"],
            "$deleteFromPrimitiveList/finalizers": ["b"],
            "finalizers": ["d"],
        }
    }
    assert patched(live, patch)["metadata"]["finalizers"] == ["c", "d", "a"]


def test_a_field_whose_strategy_is_replace_is_replaced() -> None:
    live = {"spec": {"selector": {"matchLabels": {"a": "1"}}}}
    patch = {"spec": {"selector": {"matchLabels": {"b": "2"}}}}
    assert patched(live, patch, BUDGET) == patch


def test_two_items_with_the_same_merge_key_both_survive() -> None:
    ports = [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    live = {"spec": {"ports": ports}}
    patch = {"spec": {"ports": [{"port": 53, "targetPort": 5353}]}}
    assert patched(live, patch, SERVICE) == {
        "spec": {"ports": [{**ports[0], "targetPort": 5353}, ports[1]]}
    }


def test_live_items_of_the_same_merge_key_stay_where_the_first_one_is() -> None:
    tcp, web, udp = (
        {"port": port, "name": name} for port, name in [(53, "t"), (80, "w"), (53, "u")]
    )
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    ports = patched({"spec": {"ports": [tcp, web, udp]}}, patch, SERVICE)["spec"]["ports"]
    assert ports == [tcp, udp, {**web, "targetPort": 8080}]


def test_a_patch_that_says_nothing_new_returns_the_object_itself() -> None:
    live = containers("a", "b")
    assert strategic_merge_patch(live, containers("b"), DEPLOYMENT) is live


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        (
            pod_spec(containers=[{"image": "httpd"}]),
            500,
            "map: map[image:httpd] does not contain declared merge key: name",
        ),
        (
            pod_spec(containers=[{"name": "a", "$patch": "explode"}]),
            500,
            "unknown patch type: explode in map: map[$patch:explode name:a]",
        ),
        (
            pod_spec(containers=[{"name": "a", "$patch": "merge"}]),
            500,
            "merging lists cannot yet be specified in the patch",
        ),
        (
            {"spec": {"$patch": "merge"}},
            500,
            "unknown patch type: merge in map: map[$patch:merge]",
        ),
        (
            {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}},
            400,
            "invalid patch format of retainKeys",
        ),
        (
            {"spec": {"strategy": {"$retainKeys": "type"}}},
            400,
            "invalid patch format of retainKeys",
        ),
        (
            {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
            400,
            "invalid patch format of primitive list",
        ),
        (
            pod_spec(**{"$setElementOrder/containers": {}}),
            400,
            "invalid patch format of setElementOrder list",
        ),
        (
            pod_spec(
                **{"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}]},
                containers=[{"name": "b"}, {"name": "a"}],
            ),
            500,
            "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match "
            "$setElementOrder list:\n[map[name:a] map[name:b]]\n",
        ),
        (pod_spec(containers=["a"]), 500, "expected a map[string]interface {}, but received a"),
        (pod_spec(containers=[{"name": {}}]), 500, "expected a scalar, but received map[]"),
        (
            {"metadata": {"finalizers": [["a"]]}},
            500,
            "expected a scalar, but received [a]",
        ),
    ],
)
def test_a_malformed_patch_is_refused_in_the_servers_words(
    patch: Object, code: int, message: str
) -> None:
    live = containers("a", "b") | {"metadata": {"finalizers": ["a"]}}
    live["spec"]["strategy"] = {"type": "Recreate"}
    assert refusal(lambda: strategic_merge_patch(live, patch, DEPLOYMENT))[::2] == (code, message)


# -- Laws -----------------------------------------------------------------------------------------

letters = st.sampled_from("abc")
bodies = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "labels": st.dictionaries(letters, letters),
                "finalizers": st.lists(letters, unique=True),
            },
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "replicas": st.integers(0, 2),
                "template": st.builds(
                    lambda names: {"spec": {"containers": [{"name": name} for name in names]}},
                    st.lists(letters, unique=True),
                ),
            },
        ),
    },
)
few = settings(max_examples=60, deadline=None)


@few
@given(bodies, bodies)
def test_a_patch_done_twice_is_a_patch_done_once(live: Object, patch: Object) -> None:
    for kind in (merge_patch, lambda o, p: strategic_merge_patch(o, p, DEPLOYMENT)):
        once = kind(live, patch)
        assert kind(once, patch) is once


@few
@given(bodies, bodies)
def test_a_strategic_merge_keeps_every_item_and_sets_every_value(
    live: Object, patch: Object
) -> None:
    result = patched(live, patch)

    def names_in(body: Object) -> set[str]:
        template = body.get("spec", {}).get("template", {"spec": {"containers": []}})
        return {item["name"] for item in template["spec"]["containers"]}

    assert names_in(result) == names_in(live) | names_in(patch)
    labels = patch.get("metadata", {}).get("labels", {})
    assert labels.items() <= result.get("metadata", {}).get("labels", {}).items()


def test_a_json_patch_may_copy_but_not_without_end() -> None:
    obj = {"data": {"a": "x" * 100}}
    copy = [{"op": "copy", "from": "/data", "path": "/more"}]
    assert json_patch(obj, copy)["more"] == obj["data"]
    doubling = [{"op": "copy", "from": "/data", "path": f"/data/{each}"} for each in range(60)]
    with pytest.raises(ApiError) as refused:
        json_patch(obj, doubling)
    assert refused.value.code == 422
