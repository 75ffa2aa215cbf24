"""What clients are told of the resources, in both forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from kubesim.http import discovery
from kubesim.resources import Registry, Resource

REGISTRY = Registry.builtin()
CRON_TAB = Resource("stable.example.com", "v1", "CronTab", "crontabs", "crontab", namespaced=True)


def names(items: list[dict[str, Any]], key: str = "name") -> list[str]:
    return [each[key] for each in items]


def entry(api_version: str, name: str) -> dict[str, Any]:
    group, _, version = api_version.rpartition("/")
    listed = discovery.resource_list(REGISTRY, group, version)["resources"]
    found: dict[str, Any] = next(each for each in listed if each["name"] == name)
    return found


def aggregated(path: str, registry: Registry = REGISTRY) -> dict[str, dict[str, Any]]:
    """Resources by group/version/plural."""
    return {
        f"{item['metadata'].get('name', '')}/{version['version']}/{resource['resource']}": resource
        for item in discovery.aggregated(registry, path)["items"]
        for version in item["versions"]
        for resource in version["resources"]
    }


def test_version_tells_major_and_minor_apart() -> None:
    info = discovery.version_info()
    assert info["gitVersion"] == f"v{info['major']}.{info['minor']}.0"


def test_the_core_group_is_told_apart_from_the_others() -> None:
    assert discovery.legacy_versions()["versions"] == ["v1"]
    assert "" not in names(discovery.group_list(REGISTRY)["groups"])


def test_the_preferred_version_comes_first() -> None:
    group = discovery.group(REGISTRY, "autoscaling")
    assert names(group["versions"], "version") == ["v2", "v1"]
    assert group["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}


def test_events_of_the_core_group_come_before_those_of_events_k8s_io() -> None:
    order = list(discovery.groups(REGISTRY))
    assert order[0] == "" and order.index("apps") < order.index("events.k8s.io")


def test_groups_of_custom_resources_come_last() -> None:
    registry = Registry.builtin()
    registry.add(CRON_TAB)
    registry.add(replace(CRON_TAB, group="aaa.example.com"))
    assert list(discovery.groups(registry))[-2:] == ["aaa.example.com", "stable.example.com"]


def test_a_resource_is_listed_with_all_that_clients_go_by() -> None:
    assert entry("apps/v1", "deployments") == {
        "name": "deployments",
        "singularName": "deployment",
        "namespaced": True,
        "kind": "Deployment",
        "verbs": [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ],
        "shortNames": ["deploy"],
        "categories": ["all"],
    }


@pytest.mark.parametrize(
    ("api_version", "name", "kind", "place", "verbs"),
    [
        ("apps/v1", "deployments/scale", "Scale", ("autoscaling", "v1"), "get patch update"),
        ("apps/v1", "deployments/status", "Deployment", None, "get patch update"),
        ("v1", "namespaces/finalize", "Namespace", None, "update"),
        ("v1", "pods/binding", "Binding", None, "create"),
        ("v1", "pods/eviction", "Eviction", ("policy", "v1"), "create"),
        ("v1", "pods/exec", "PodExecOptions", None, "create get"),
        ("v1", "pods/log", "Pod", None, "get"),
        (
            "v1",
            "serviceaccounts/token",
            "TokenRequest",
            ("authentication.k8s.io", "v1"),
            "create",
        ),
        ("v1", "services/proxy", "ServiceProxyOptions", None, "create delete get patch update"),
    ],
)
def test_a_subresource_has_a_kind_and_verbs_of_its_own(
    api_version: str, name: str, kind: str, place: tuple[str, str] | None, verbs: str
) -> None:
    found = entry(api_version, name)
    assert (found["kind"], found["verbs"]) == (kind, verbs.split())
    assert (found.get("group"), found.get("version")) == (place or (None, None))


def test_reviews_can_only_be_created() -> None:
    for name in ("selfsubjectaccessreviews", "subjectaccessreviews", "selfsubjectrulesreviews"):
        assert entry("authorization.k8s.io/v1", name)["verbs"] == ["create"]


def test_every_subresource_of_the_table_is_known() -> None:
    for resource in REGISTRY.all():
        for name in resource.subresources:
            assert discovery.subresource(resource, name).verbs


def test_the_aggregated_form_tells_the_same_as_the_older_one() -> None:
    found = {**aggregated("/api"), **aggregated("/apis")}
    for group, versions in discovery.groups(REGISTRY).items():
        for version in versions:
            for each in discovery.resource_list(REGISTRY, group, version)["resources"]:
                plural, _, below = each["name"].partition("/")
                told = found[f"{group}/{version}/{plural}"]
                if below:
                    told = next(s for s in told["subresources"] if s["subresource"] == below)
                else:
                    assert told["singularResource"] == each["singularName"]
                    assert (told["scope"] == "Namespaced") == each["namespaced"]
                    assert told.get("shortNames") == each.get("shortNames")
                    assert told.get("categories") == each.get("categories")
                assert told["verbs"] == each["verbs"]
                assert told["responseKind"] == {
                    "group": each.get("group", group),
                    "version": each.get("version", version),
                    "kind": each["kind"],
                }
    assert len(found) == len(REGISTRY.all())


def test_the_aggregated_form_has_the_core_group_below_api_alone() -> None:
    assert {place[:4] for place in aggregated("/api")} == {"/v1/"}
    assert not any(place.startswith("/") for place in aggregated("/apis"))


def test_the_aggregated_form_is_also_told_in_its_beta() -> None:
    beta = discovery.aggregated(REGISTRY, "/apis", version="v2beta1")
    assert beta["apiVersion"] == "apidiscovery.k8s.io/v2beta1"
    assert beta["items"] == discovery.aggregated(REGISTRY, "/apis")["items"]


def test_what_is_added_is_discovered_and_what_is_removed_is_not() -> None:
    registry = Registry.builtin()
    registry.add(CRON_TAB)
    assert "stable.example.com/v1/crontabs" in aggregated("/apis", registry)
    registry.remove(CRON_TAB)
    assert "stable.example.com/v1/crontabs" not in aggregated("/apis", registry)


@pytest.mark.parametrize(("group", "version"), [("apps", "v2"), ("example.com", "v1"), ("", "")])
def test_a_group_version_that_is_not_served_is_not_found(group: str, version: str) -> None:
    with pytest.raises(ApiError) as caught:
        discovery.resource_list(REGISTRY, group, version)
    assert caught.value.code == 404


@pytest.mark.parametrize("name", ["example.com", ""])
def test_a_group_that_is_not_served_is_not_found(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        discovery.group(REGISTRY, name)
    assert caught.value.code == 404
