from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.admission.usage import measured
from tests.kubesim.test_limit_ranges import claim, container
from tests.kubesim.world import World, config_map, deployment, namespace, pod, service


def quota(hard: dict[str, str], name: str = "compute", **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name},
        "spec": {"hard": hard, **spec},
    }


def world(hard: dict[str, str], **spec: Any) -> World:
    made = World()
    made.create(quota(hard, **spec))
    return made


def used(in_: World, name: str = "compute") -> dict[str, str]:
    found: dict[str, str] = in_.get("ResourceQuota", name)["status"]["used"]
    return found


def refusal(in_: World, body: Object) -> str:
    with pytest.raises(ApiError) as error:
        in_.create(body)
    assert (error.value.code, error.value.reason) == (403, "Forbidden")
    return str(error.value.message)


def test_one_object_too_many_is_refused() -> None:
    there = world({"pods": "2"})
    there.create(pod("a"))
    there.create(pod("b"))
    assert refusal(there, pod("c")) == (
        'pods "c" is forbidden: exceeded quota: compute, '
        "requested: pods=1, used: pods=2, limited: pods=2"
    )
    assert used(there) == {"pods": "2"}


def test_what_is_used_is_charged_to_the_status_under_the_servers_name() -> None:
    there = world({"requests.memory": "1Gi", "limits.cpu": "4"})
    body = container(requests={"memory": "128Mi"}, limits={"cpu": "1500m"})
    there.create(pod(containers=[body]))
    assert used(there) == {"requests.memory": "128Mi", "limits.cpu": "1500m"}
    made = there.get("ResourceQuota", "compute")
    assert made["status"]["hard"] == {"requests.memory": "1Gi", "limits.cpu": "4"}
    writers = [(e["manager"], e.get("subresource")) for e in made["metadata"]["managedFields"]]
    assert ("kube-apiserver", "status") in writers


def test_several_amounts_that_are_exceeded_are_told_together() -> None:
    there = world({"requests.cpu": "1", "requests.memory": "1Gi", "pods": "5"})
    asked = container(requests={"cpu": "600m", "memory": "700Mi"})
    there.create(pod("a", containers=[asked]))
    assert refusal(there, pod("b", containers=[asked])) == (
        'pods "b" is forbidden: exceeded quota: compute, '
        "requested: requests.cpu=600m,requests.memory=700Mi, "
        "used: requests.cpu=600m,requests.memory=700Mi, "
        "limited: requests.cpu=1,requests.memory=1Gi"
    )


def test_what_a_quota_limits_containers_must_say() -> None:
    there = world({"limits.cpu": "4", "requests.memory": "1Gi", "requests.ephemeral-storage": "9"})
    body = pod(containers=[container(), container("b", limits={"cpu": "1"})])
    assert refusal(there, body) == (
        'pods "web-1" is forbidden: failed quota: compute: '
        "must specify limits.cpu for: web; requests.memory for: b,web"
    )


def test_a_limit_range_says_it_for_them() -> None:
    there = world({"limits.cpu": "4"})
    limits = {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}
    there.create(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "a"}, "spec": limits}
    )
    there.create(pod())
    assert used(there) == {"limits.cpu": "1"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("configmaps", config_map()),
        ("count/configmaps", config_map()),
        ("count/deployments.apps", deployment()),
        ("persistentvolumeclaims", claim("1Gi")),
        ("count/pods", pod()),
    ],
)
def test_objects_of_a_kind_can_be_counted(name: str, body: Object) -> None:
    there = world({name: "0"})
    text = f"exceeded quota: compute, requested: {name}=1, used: {name}=0, limited: {name}=0"
    assert refusal(there, body).endswith(text)


def test_services_are_counted_with_the_one_that_is_there_from_the_start() -> None:
    there = world({"services": "1"})
    assert "requested: services=1, used: services=1, limited: services=1" in refusal(
        there, service()
    )


def test_node_ports_and_load_balancers_are_counted_when_a_service_changes_too() -> None:
    there = world({"services.loadbalancers": "0", "services.nodeports": "1"})
    there.create(service())
    there.patch("Service", "web", {"spec": {"type": "NodePort"}})
    assert used(there) == {"services.loadbalancers": "0", "services.nodeports": "1"}
    with pytest.raises(ApiError, match=r"requested: services\.loadbalancers=1"):
        there.patch("Service", "web", {"spec": {"type": "LoadBalancer"}})


def test_storage_is_counted_by_class_too() -> None:
    name = "fast.storageclass.storage.k8s.io/requests.storage"
    there = world({"requests.storage": "10Gi", name: "2Gi"})
    there.create(claim("3Gi"))
    assert used(there) == {"requests.storage": "3Gi", name: "0"}
    body = claim("3Gi", storageClassName="fast")
    assert f"used: {name}=0, limited: {name}=2Gi" in refusal(
        there, {**body, "metadata": {"name": "b"}}
    )


def test_a_refused_or_dry_run_write_is_not_charged() -> None:
    there = world({"pods": "2"})
    there.create(pod("a"))
    there.create(pod("b"), dry_run=True)
    with pytest.raises(ApiError, match="already exists"):
        there.create(pod("a"))
    assert used(there) == {"pods": "1"}


def test_a_dry_run_is_refused_as_well() -> None:
    there = world({"pods": "0"})
    with pytest.raises(ApiError, match="exceeded quota"):
        there.create(pod(), dry_run=True)


def test_a_quota_that_comes_late_counts_what_is_there() -> None:
    there = World()
    there.create(pod("a"))
    there.create(quota({"pods": "1"}))
    assert "used: pods=1, limited: pods=1" in refusal(there, pod("b"))


def test_a_quota_is_about_its_own_namespace() -> None:
    there = world({"configmaps": "0"})
    there.create(namespace("other"))
    resource = there.resource("ConfigMap")
    there.api.create(resource, config_map(), namespace="other")


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        ("BestEffort", {}, {"containers": [container(requests={"cpu": "1"})]}),
        ("NotBestEffort", {"containers": [container(requests={"cpu": "1"})]}, {}),
        ("Terminating", {"activeDeadlineSeconds": 5}, {}),
        ("NotTerminating", {}, {"activeDeadlineSeconds": 5}),
        ("PriorityClass", {"priorityClassName": "system-node-critical"}, {}),
    ],
)
def test_a_scope_says_which_pods_count(scope: str, inside: Object, outside: Object) -> None:
    there = world({"pods": "0"}, scopes=[scope])
    there.create(pod("outside", **outside))
    assert "exceeded quota" in refusal(there, pod("inside", **inside))


def test_a_scope_selector_chooses_priority_classes() -> None:
    expression = {
        "scopeName": "PriorityClass",
        "operator": "In",
        "values": ["system-node-critical"],
    }
    there = world({"pods": "0"}, scopeSelector={"matchExpressions": [expression]})
    there.create(pod("a", priorityClassName="system-cluster-critical"))
    there.create(pod("b"))
    assert "exceeded" in refusal(there, pod("c", priorityClassName="system-node-critical"))


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("count/widgets.example.com", ("example.com", "widgets")),
        ("count/pods", ("", "pods")),
        ("requests.nvidia.com/gpu", ("", "pods")),
        ("hugepages-2Mi", ("", "pods")),
        ("limits.ephemeral-storage", ("", "pods")),
        ("a.storageclass.storage.k8s.io/persistentvolumeclaims", ("", "persistentvolumeclaims")),
        ("services.nodeports", ("", "services")),
        ("nonsense", None),
    ],
)
def test_a_name_tells_whose_objects_are_measured(
    name: str, resource: tuple[str, str] | None
) -> None:
    assert measured(name) == resource


def test_a_pod_that_has_ended_uses_nothing_but_is_still_an_object() -> None:
    there = world({"pods": "5", "count/pods": "5"})
    made = there.create(pod())
    there.update({**made, "status": {**made["status"], "phase": "Succeeded"}}, "status")
    there.api.store.update(
        ("", "resourcequotas", "default", "compute"),
        {**there.get("ResourceQuota", "compute"), "status": {}},
    )
    there.create(pod("other"))
    assert used(there) == {"pods": "1", "count/pods": "2"}


def test_overhead_init_containers_and_the_pod_as_a_whole_count() -> None:
    there = world({"requests.cpu": "10"})
    asked = {"requests": {"cpu": "1"}}
    there.create(
        pod(
            "a",
            containers=[container(**asked)],
            initContainers=[container("large", requests={"cpu": "3"})],
        )
    )
    assert used(there) == {"requests.cpu": "3"}
    there.create(pod("b", containers=[container()], resources={"requests": {"cpu": "2"}}))
    assert used(there) == {"requests.cpu": "5"}
