"""The algebra of field sets, held against sets of paths."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim import fieldsets
from kubesim.fieldsets import Fields
from kubesim.schema import Node, builtin

Path = tuple[str, ...]
NAMES = ["f:a", 'k:{"name":"x"}']


def members(fields: Fields, prefix: Path = ()) -> set[Path]:
    found = set()
    for element, below in fields.items():
        if element == ".":
            continue
        if below == {} or "." in below:
            found.add((*prefix, element))
        found |= members(below, (*prefix, element))
    return found


def tree(paths: set[Path]) -> Fields:
    """The FieldsV1 tree of some paths, made the plain way."""
    fields: Fields = {}
    for first in sorted({path[0] for path in paths}):
        below = {path[1:] for path in paths if path[0] == first and len(path) > 1}
        dot: Fields = {".": {}} if below and (first,) in paths else {}
        fields[first] = {**dot, **tree(below)}
    return fields


sets = st.sets(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple), max_size=8)


@given(sets)
def test_a_tree_holds_the_paths_it_was_made_of(paths: set[Path]) -> None:
    assert members(tree(paths)) == paths


@given(sets, sets)
def test_union_difference_and_intersection_are_those_of_sets(
    one: set[Path], two: set[Path]
) -> None:
    a, b = tree(one), tree(two)
    before = deepcopy((a, b))
    assert fieldsets.union(a, b) == tree(one | two)
    assert fieldsets.difference(a, b) == tree(one - two)
    assert fieldsets.intersection(a, b) == tree(one & two)
    assert (a, b) == before


@given(sets, sets)
def test_a_set_that_does_not_change_is_shared(one: set[Path], two: set[Path]) -> None:
    a = tree(one | two)
    assert fieldsets.union(a, tree(two)) is a
    assert fieldsets.difference(a, tree(two - one - two)) is a


def test_paths_name_members_before_what_is_below_them_and_numbers_by_size() -> None:
    ports: Fields = {f'k:{{"containerPort":{port},"protocol":"TCP"}}': {} for port in (443, 80)}
    containers = {'k:{"name":"web"}': {".": {}, "f:image": {}, "f:ports": ports}}
    fields = {
        "f:spec": {"f:replicas": {}, "f:containers": containers},
        "f:metadata": {"f:finalizers": {'v:"keep"': {}}},
    }
    assert list(fieldsets.paths(fields)) == [
        '.metadata.finalizers[="keep"]',
        ".spec.replicas",
        '.spec.containers[name="web"]',
        '.spec.containers[name="web"].image',
        '.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]',
        '.spec.containers[name="web"].ports[containerPort=443,protocol="TCP"]',
    ]


def node_at(*path: str) -> Node:
    deployment = builtin().node("apps/v1", "Deployment")
    assert deployment is not None
    found = deployment.at(*path)
    assert found is not None
    return found


POD = ("spec", "template", "spec")


@pytest.mark.parametrize(
    ("path", "item", "element"),
    [
        ((*POD, "containers"), {"name": "web"}, 'k:{"name":"web"}'),
        ((*POD, "containers"), {"name": 'q"ü'}, 'k:{"name":"q\\"ü"}'),
        (
            (*POD, "containers", "*", "ports"),
            {"protocol": "UDP", "containerPort": 53},
            'k:{"containerPort":53,"protocol":"UDP"}',
        ),
        (
            (*POD, "containers", "*", "ports"),
            {"containerPort": 80},
            'k:{"containerPort":80,"protocol":"TCP"}',
        ),
        (("metadata", "finalizers"), "keep", 'v:"keep"'),
    ],
)
def test_an_item_is_told_by_its_keys_in_order_with_their_defaults(
    path: tuple[str, ...], item: Any, element: str
) -> None:
    assert fieldsets.item_element(item, node_at(*path)) == element


def test_a_missing_key_without_default_is_left_out_of_the_element() -> None:
    devices = builtin().node("resource.k8s.io/v1", "ResourceClaim")
    assert devices is not None
    node = devices.at("status", "devices")
    assert node is not None
    item = {"driver": "d", "device": "gpu", "pool": "p"}
    assert fieldsets.item_element(item, node) == 'k:{"device":"gpu","driver":"d","pool":"p"}'


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        ("abc", "cxa", "bcxa"),
        ("abcd", "ad", "abcd"),
        ("a", "xa", "xa"),
        ("azb", "ba", "zba"),
        ("ab", "", "ab"),
        ("ab", "cd", "abcd"),
        ("abc", "cba", "cba"),
    ],
)
def test_stated_items_take_their_order_and_others_their_place(
    live: str, config: str, merged: str
) -> None:
    node = node_at(*POD, "containers")
    result = fieldsets.merge(
        [{"name": name, "image": "live"} for name in live],
        [{"name": name} for name in config],
        node,
    )
    assert "".join(item["name"] for item in result) == merged
    assert [item.get("image") for item in result] == [
        "live" if name in live else None for name in merged
    ]


def test_a_repeated_live_item_stays_if_the_configuration_does_not_have_it() -> None:
    node = node_at(*POD, "containers", "*", "env")
    live = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    assert fieldsets.merge(live, [{"name": "B"}], node) == [*live, {"name": "B"}]
    assert fieldsets.merge(live, [{"name": "A"}], node) == [{"name": "A"}]


def test_what_cannot_be_granular_is_replaced_as_a_whole() -> None:
    selector = node_at("spec", "selector")
    live = {"matchLabels": {"app": "web"}}
    assert fieldsets.merge(live, {"matchLabels": {}}, selector) == {"matchLabels": {}}
    args = node_at(*POD, "containers", "*", "args")
    assert fieldsets.merge(["a", "b"], ["c"], args) == ["c"]


def test_values_are_printed_as_go_prints_them() -> None:
    assert fieldsets.as_go([{"b": True, "a": "x"}, 1, None]) == "[map[a:x b:true] 1 <nil>]"
