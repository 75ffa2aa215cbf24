"""The table of resources, held against what the official Python client knows of the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from gitops_lab.errors import ApiError
from kubesim.resources import ALL_VERBS, Registry, Resource, priority
from kubesim.schema import KUBERNETES_VERSION

# A method of the client's API classes ends in a call that names its HTTP method and its path.
CALL = re.compile(r"resource_path='/(?:api|apis)/([^']+)',\s+method='(\w+)'", re.ASCII)
CALL_REVERSED = re.compile(r"method='(\w+)',\s+resource_path='/(?:api|apis)/([^']+)'", re.ASCII)
GENERAL = re.compile(r"v\d+")
ON_COLLECTION = {"POST": "create", "GET": "list", "DELETE": "deletecollection"}
ON_ONE = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

Place = tuple[str, str]  # apiVersion and plural


class Known:
    """What the client knows of one resource."""

    def __init__(self) -> None:
        self.verbs: set[str] = set()
        self.subresources: set[str] = set()
        self.namespaced = False


@cache
def known() -> dict[Place, Known]:
    """The generally available resources by place, read from the client's source text."""
    spec = find_spec("kubernetes")
    assert spec is not None
    assert spec.submodule_search_locations
    found: dict[Place, Known] = {}
    for file in sorted(Path(spec.submodule_search_locations[0], "client/api").glob("*_api.py")):
        text = file.read_text()
        calls = [(method, path) for path, method in CALL.findall(text)]
        for method, path in calls + CALL_REVERSED.findall(text):
            segments = path.strip("/").split("/")
            group = [] if GENERAL.fullmatch(segments[0]) else [segments.pop(0)]
            if not segments or not GENERAL.fullmatch(segments[0]):
                continue  # a version that is off by default, or no resource
            api_version = "/".join([*group, segments.pop(0)])
            namespaced = segments[:2] == ["namespaces", "{namespace}"] and len(segments) > 2
            if namespaced:
                segments = segments[2:]
            if segments:
                _note(found.setdefault((api_version, segments[0]), Known()), segments, method)
                found[api_version, segments[0]].namespaced |= namespaced
    return found


def _note(resource: Known, segments: list[str], method: str) -> None:
    if len(segments) > 2:
        resource.subresources.add(segments[2])
    elif len(segments) == 2:
        resource.verbs.add(ON_ONE[method])
    else:
        resource.verbs.add(ON_COLLECTION[method])


@pytest.fixture
def registry() -> Registry:
    return Registry.builtin()


def table() -> dict[Place, Resource]:
    return {(each.api_version, each.plural): each for each in Registry.builtin().all()}


def test_the_client_is_of_the_simulated_version() -> None:
    spec = find_spec("kubernetes")
    assert spec is not None
    assert spec.origin is not None
    versions = re.findall(r'__version__ = "(\d+)\.', Path(spec.origin).read_text())
    assert versions == [KUBERNETES_VERSION.removeprefix("1.")]


def test_the_table_has_what_the_client_has_and_nothing_else() -> None:
    assert table().keys() == known().keys()


def test_each_resource_lives_in_namespaces_or_not_as_the_client_says() -> None:
    theirs = {place: resource.namespaced for place, resource in known().items()}
    assert {place: each.namespaced for place, each in table().items()} == theirs


def test_each_resource_has_the_subresources_the_client_knows() -> None:
    theirs = {place: sorted(resource.subresources) for place, resource in known().items()}
    assert {place: sorted(each.subresources) for place, each in table().items()} == theirs


def test_each_resource_has_the_verbs_the_client_knows() -> None:
    theirs = {place: resource.verbs for place, resource in known().items()}
    ours = {place: set(each.verbs) - {"watch"} for place, each in table().items()}
    assert ours == theirs


def test_what_can_be_listed_and_changed_can_be_watched() -> None:
    for each in table().values():
        assert ("watch" in each.verbs) == ({"list", "update"} <= set(each.verbs)), each


def test_each_resource_has_a_schema() -> None:
    for each in table().values():
        assert set(each.node.fields) >= {"apiVersion", "kind", "metadata"}, each


def test_status_is_a_subresource_only_of_what_has_a_status() -> None:
    for each in table().values():
        if "status" in each.subresources:
            assert "status" in each.node.fields, each


def test_short_names_mean_one_resource() -> None:
    # Two groups serve Events; the core group comes first and wins.
    names = [(name, each.plural) for each in table().values() for name in each.short_names]
    meanings: dict[str, set[str]] = {}
    for name, plural in names:
        meanings.setdefault(name, set()).add(plural)
    assert all(len(plurals) == 1 for plurals in meanings.values())


@pytest.mark.parametrize(
    ("word", "plural"),
    [
        ("po", "pods"),
        ("svc", "services"),
        ("deploy", "deployments"),
        ("cm", "configmaps"),
        ("hpa", "horizontalpodautoscalers"),
        ("crds", "customresourcedefinitions"),
        ("netpol", "networkpolicies"),
        ("sts", "statefulsets"),
        ("pdb", "poddisruptionbudgets"),
    ],
)
def test_short_names_are_those_of_kubectl(word: str, plural: str) -> None:
    assert {each.plural for each in table().values() if word in each.short_names} == {plural}


def test_get_all_means_the_workloads_and_services() -> None:
    assert sorted({each.plural for each in table().values() if "all" in each.categories}) == [
        "cronjobs",
        "daemonsets",
        "deployments",
        "horizontalpodautoscalers",
        "jobs",
        "pods",
        "replicasets",
        "replicationcontrollers",
        "services",
        "statefulsets",
    ]


def test_a_resource_says_its_names(registry: Registry) -> None:
    deployments = registry.by_kind("apps/v1", "Deployment")
    assert deployments.api_version == "apps/v1"
    assert deployments.group_resource == "deployments.apps"
    assert deployments.singular == "deployment"
    assert deployments.verbs == ALL_VERBS
    assert registry.by_plural("", "v1", "pods").group_resource == "pods"


def test_specs_move_the_generation_of_workloads_but_not_of_plain_objects(
    registry: Registry,
) -> None:
    assert registry.by_kind("apps/v1", "Deployment").generation
    assert not registry.by_kind("v1", "ConfigMap").generation
    assert not registry.by_kind("v1", "Service").generation


def test_the_newest_general_version_is_preferred(registry: Registry) -> None:
    assert registry.preferred("autoscaling", "HorizontalPodAutoscaler").version == "v2"
    assert registry.preferred("", "Pod").version == "v1"


def test_versions_rank_as_kubernetes_ranks_them() -> None:
    ranked = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "foo"]
    shuffled = Random(1).sample(ranked, len(ranked))
    assert sorted(shuffled, key=priority, reverse=True) == ranked


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda registry: registry.by_kind("example.com/v1", "Foo"),
            'no matches for kind "Foo" in version "example.com/v1"',
        ),
        (
            lambda registry: registry.by_plural("", "v1", "foos"),
            "the server could not find the requested resource",
        ),
        (
            lambda registry: registry.preferred("example.com", "Foo"),
            'no matches for kind "Foo" in group "example.com"',
        ),
    ],
)
def test_what_is_not_served_is_not_found(
    registry: Registry, ask: Callable[[Registry], Resource], message: str
) -> None:
    with pytest.raises(ApiError) as refused:
        ask(registry)
    assert (refused.value.code, refused.value.reason) == (404, "NotFound")
    assert refused.value.message == message


def test_beta_and_alpha_versions_are_not_served(registry: Registry) -> None:
    assert all(GENERAL.fullmatch(each.version) for each in registry.all())


def test_a_resource_added_to_one_cluster_is_not_in_another(registry: Registry) -> None:
    other = Registry.builtin()
    widget = replace(
        registry.by_kind("v1", "ConfigMap"), group="example.com", kind="Widget", plural="widgets"
    )
    registry.add(widget)
    assert registry.by_kind("example.com/v1", "Widget") is widget
    with pytest.raises(ApiError):
        other.by_kind("example.com/v1", "Widget")


def test_the_preferred_version_follows_what_is_added_and_removed(registry: Registry) -> None:
    base = registry.by_kind("v1", "ConfigMap")
    old, new = (
        replace(base, group="example.com", version=version, kind="Widget", plural="widgets")
        for version in ("v1beta1", "v1")
    )
    registry.add(old)
    registry.add(new)
    assert registry.preferred("example.com", "Widget") is new
    registry.remove(new)
    assert registry.preferred("example.com", "Widget") is old
    registry.remove(old)
    registry.remove(old)
    with pytest.raises(ApiError):
        registry.preferred("example.com", "Widget")
