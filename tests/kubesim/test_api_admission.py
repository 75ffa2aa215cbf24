"""What the server adds to pods and Services on their way in."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.api.addresses import NODE_PORTS
from tests.kubesim.world import World, deployment, namespace, pod, refused, service

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
def world() -> World:
    return World()


def account(name: str, **fields: Any) -> Object:
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, **fields}


def priority_class(name: str, value: int, **fields: Any) -> Object:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        **fields,
    }


# -- Pods ------------------------------------------------------------------------------------------


def test_a_pod_gets_its_accounts_token_as_files(world: World) -> None:
    spec = world.create(pod())["spec"]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    [volume] = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert volume["projected"] == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {
                "configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }
            },
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
    }
    [container] = spec["containers"]
    assert container["volumeMounts"] == [
        {"name": volume["name"], "mountPath": TOKEN, "readOnly": True}
    ]


def test_init_containers_get_the_token_too(world: World) -> None:
    spec = world.create(pod(initContainers=[{"name": "first", "image": "x:1"}]))["spec"]
    assert spec["initContainers"][0]["volumeMounts"][0]["mountPath"] == TOKEN


def test_a_pod_or_its_account_may_do_without_a_token(world: World) -> None:
    spec = world.create(pod("a", automountServiceAccountToken=False))["spec"]
    assert "volumes" not in spec
    world.create(account("quiet", automountServiceAccountToken=False))
    assert "volumes" not in world.create(pod("b", serviceAccountName="quiet"))["spec"]
    loud = pod("c", serviceAccountName="quiet", automountServiceAccountToken=True)
    assert world.create(loud)["spec"]["volumes"]


def test_a_mount_of_ones_own_is_left_alone(world: World) -> None:
    own = {"name": "mine", "mountPath": TOKEN}
    body = pod(volumes=[{"name": "mine", "emptyDir": {}}])
    body["spec"]["containers"][0]["volumeMounts"] = [own]
    spec = world.create(body)["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["mine"]


def test_an_accounts_pull_secrets_are_its_pods(world: World) -> None:
    world.create(account("private", imagePullSecrets=[{"name": "registry"}]))
    spec = world.create(pod(serviceAccountName="private"))["spec"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]


def test_an_account_must_exist(world: World) -> None:
    with pytest.raises(ApiError) as refusal:
        world.create(pod(serviceAccountName="missing"))
    assert refused(refusal) == (
        403,
        "Forbidden",
        'pods "web-1" is forbidden: error looking up service account default/missing: '
        'serviceaccount "missing" not found',
    )


def test_a_pod_leaves_a_lost_node_after_five_minutes(world: World) -> None:
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    spec = world.create(pod(tolerations=[own]))["spec"]
    assert spec["tolerations"] == [
        own,
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        },
    ]


def test_a_pod_that_tolerates_everything_gets_no_toleration(world: World) -> None:
    spec = world.create(pod(tolerations=[{"operator": "Exists"}]))["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}]


def test_a_pod_has_the_priority_of_its_class(world: World) -> None:
    spec = world.create(pod("a"))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    world.create(priority_class("high", 1000, preemptionPolicy="Never"))
    spec = world.create(pod("b", priorityClassName="high"))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")


def test_pods_without_a_class_take_the_default_one(world: World) -> None:
    world.create(priority_class("usual", 10, globalDefault=True))
    spec = world.create(pod())["spec"]
    assert (spec["priorityClassName"], spec["priority"]) == ("usual", 10)


def test_a_priority_class_must_exist(world: World) -> None:
    with pytest.raises(ApiError, match="no PriorityClass with name high was found") as refusal:
        world.create(pod(priorityClassName="high"))
    assert refusal.value.code == 403


def test_a_priority_comes_from_the_class_alone(world: World) -> None:
    with pytest.raises(ApiError, match=r"the integer value of priority \(5\) must not be"):
        world.create(pod(priority=5))


def test_what_admission_adds_belongs_to_missing(world: World) -> None:
    [entry] = world.create(pod(), field_manager="me")["metadata"]["managedFields"]
    assert not entry["fieldsV1"]["f:spec"].keys() & {
        "f:volumes",
        "f:tolerations",
        "f:priority",
        "f:serviceAccountName",
    }


def test_templates_are_not_admitted_as_pods_are(world: World) -> None:
    template = world.create(deployment())["spec"]["template"]["spec"]
    assert not template.keys() & {"volumes", "tolerations", "priority", "serviceAccountName"}


# -- Services --------------------------------------------------------------------------------------


def test_a_service_gets_an_address_of_its_own(world: World) -> None:
    services = [world.create(service(f"s{number}")) for number in range(20)]
    addresses = [each["spec"]["clusterIP"] for each in services]
    assert len(set(addresses)) == 20
    for each in services:
        first, second, third, _ = (int(part) for part in each["spec"]["clusterIP"].split("."))
        assert (first, second) == (10, 96)
        assert third > 0  # the lower part is for those who ask
        assert each["spec"]["clusterIPs"] == [each["spec"]["clusterIP"]]


def test_a_service_may_ask_for_an_address(world: World) -> None:
    made = world.create(service(clusterIP="10.96.0.10"))
    assert made["spec"]["clusterIPs"] == ["10.96.0.10"]
    with pytest.raises(ApiError) as refusal:
        world.create(service("dns", clusterIP="10.96.0.10"))
    assert refused(refusal) == (
        422,
        "Invalid",
        'Service "dns" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: '
        "failed to allocate IP 10.96.0.10: provided IP is already allocated",
    )


def test_an_address_is_free_again_when_its_service_is_gone(world: World) -> None:
    world.create(service(clusterIP="10.96.0.10"))
    world.delete("Service", "web")
    assert world.create(service("dns", clusterIP="10.96.0.10"))


def test_some_services_have_no_address(world: World) -> None:
    headless = world.create(service("a", clusterIP="None"))["spec"]
    assert headless["clusterIPs"] == ["None"]
    outside = world.create(service("b", type="ExternalName", externalName="example.com"))["spec"]
    assert not outside.keys() & {"clusterIP", "clusterIPs"}


def test_a_node_port_service_gets_a_port_for_each_port(world: World) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "metrics", "port": 90}]
    made = world.create(service(type="NodePort", ports=ports))["spec"]["ports"]
    numbers = [port["nodePort"] for port in made]
    assert len(set(numbers)) == 2
    assert all(number in NODE_PORTS for number in numbers)


def test_a_node_port_may_be_asked_for_once(world: World) -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    world.create(service("a", type="NodePort", ports=ports))
    with pytest.raises(ApiError) as refusal:
        world.create(service("b", type="NodePort", ports=ports))
    assert refusal.value.message == (
        'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: '
        "provided port is already allocated"
    )
    other = [{"port": 80, "nodePort": 30080, "protocol": "UDP"}]
    assert world.create(service("c", type="NodePort", ports=other))


def test_a_node_port_lies_in_the_range(world: World) -> None:
    with pytest.raises(ApiError, match="The range of valid ports is 30000-32767"):
        world.create(service(type="NodePort", ports=[{"port": 80, "nodePort": 80}]))


def test_a_balancer_may_do_without_node_ports(world: World) -> None:
    made = world.create(service(type="LoadBalancer", allocateLoadBalancerNodePorts=False))
    assert "nodePort" not in made["spec"]["ports"][0]


def test_a_service_keeps_what_it_was_given(world: World) -> None:
    before = world.create(service(type="NodePort"))["spec"]
    after = world.update(service(type="NodePort", selector={"app": "other"}))["spec"]
    assert after["clusterIP"] == before["clusterIP"]
    assert after["ports"] == before["ports"]


def test_a_service_is_given_what_its_new_type_needs(world: World) -> None:
    address = world.create(service())["spec"]["clusterIP"]
    ported = world.patch("Service", "web", {"spec": {"type": "NodePort"}})["spec"]
    assert ported["ports"][0]["nodePort"] in NODE_PORTS
    assert ported["clusterIP"] == address
    plain = world.patch("Service", "web", {"spec": {"type": "ClusterIP"}})["spec"]
    assert "nodePort" not in plain["ports"][0]
    outside = {"type": "ExternalName", "externalName": "example.com"}
    assert "clusterIP" not in world.patch("Service", "web", {"spec": outside})["spec"]
    assert world.patch("Service", "web", {"spec": {"type": "ClusterIP"}})["spec"]["clusterIP"]


def test_services_of_all_namespaces_share_the_addresses(world: World) -> None:
    world.create(namespace("shop"))
    world.create(service(clusterIP="10.96.0.10"))
    with pytest.raises(ApiError, match="already allocated"):
        world.api.create(
            world.resource("Service"), service(clusterIP="10.96.0.10"), namespace="shop"
        )


# -- Classes ---------------------------------------------------------------------------------------


def ingress(name: str = "web", **spec: Any) -> Object:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"defaultBackend": backend, **spec},
    }


def ingress_class(name: str, usual: str = "true") -> Object:
    annotations = {"ingressclass.kubernetes.io/is-default-class": usual}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"controller": "example.com/controller"},
    }


def test_an_ingress_that_names_no_class_gets_the_newest_default(world: World) -> None:
    assert "ingressClassName" not in world.create(ingress("early"))["spec"]
    world.create(ingress_class("old"))
    world.now += 10
    world.create(ingress_class("new"))
    world.create(ingress_class("other", usual="false"))
    assert world.create(ingress())["spec"]["ingressClassName"] == "new"
    assert world.create(ingress("own", ingressClassName="mine"))["spec"]["ingressClassName"] == (
        "mine"
    )


def test_an_ingress_that_names_its_class_the_old_way_keeps_it(world: World) -> None:
    world.create(ingress_class("usual"))
    body = ingress()
    body["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "mine"}
    assert "ingressClassName" not in world.create(body)["spec"]


def bound_claim(world: World, size: str, *, expandable: bool) -> None:
    """A claim of a class that lets its volumes grow, or does not."""
    world.create(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "disks"},
            "provisioner": "example.com/disks",
            "allowVolumeExpansion": expandable,
        }
    )
    made = world.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {
                "storageClassName": "disks",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": size}},
            },
        }
    )
    status = {"phase": "Bound", "capacity": {"storage": size}}
    world.update({**made, "status": status}, "status")


def grown(size: str) -> Object:
    return {"spec": {"resources": {"requests": {"storage": size}}}}


def test_a_claim_grows_if_its_class_allows_it(world: World) -> None:
    bound_claim(world, "1Gi", expandable=True)
    changed = world.patch("PersistentVolumeClaim", "data", grown("2Gi"))
    assert changed["spec"]["resources"]["requests"]["storage"] == "2Gi"


def test_a_claim_does_not_grow_if_its_class_does_not_allow_it(world: World) -> None:
    bound_claim(world, "1Gi", expandable=False)
    with pytest.raises(ApiError) as error:
        world.patch("PersistentVolumeClaim", "data", grown("2Gi"))
    assert refused(error) == (
        403,
        "Forbidden",
        'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be '
        "resized and the storageclass that provisions the pvc must support resize",
    )


def test_a_claim_never_shrinks_below_what_it_has(world: World) -> None:
    bound_claim(world, "2Gi", expandable=True)
    with pytest.raises(ApiError, match=r"field can not be less than status\.capacity"):
        world.patch("PersistentVolumeClaim", "data", grown("1Gi"))
