"""Defaulting, against what a Kubernetes 1.37 API server answers to the same bodies."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.admission import default, prepared
from kubesim.admission.pod_defaults import pull_policy, qos_class
from kubesim.admission.service_defaults import with_all_addresses
from kubesim.resources import Registry
from kubesim.schema import Node, builtin, decode

APPS = Path(__file__).parents[3] / "shared" / "apps"
REGISTRY = Registry.builtin()


def defaulted(api_version: str, kind: str, old: Object | None = None, **body: Any) -> Object:
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **body}
    resource = REGISTRY.by_kind(api_version, kind)
    obj = default(decode(obj, resource.node)[0], resource, old=old)
    return prepared(obj, resource) if old is None else obj


def spec_of(api_version: str, kind: str, **spec: Any) -> Object:
    spec_: Object = defaulted(api_version, kind, spec=spec)["spec"]
    return spec_


def pod_spec(**spec: Any) -> Object:
    return spec_of("v1", "Pod", **{"containers": [{"name": "a", "image": "a:1"}], **spec})


def container(**fields: Any) -> Object:
    [one] = pod_spec(containers=[{"name": "a", "image": "a:1", **fields}])["containers"]
    return dict(one)


def template_container(**fields: Any) -> Object:
    template = {"spec": {"containers": [{"name": "a", "image": "a:1", **fields}]}}
    [one] = spec_of("apps/v1", "Deployment", template=template)["template"]["spec"]["containers"]
    return dict(one)


def volume(**source: Any) -> Object:
    [one] = pod_spec(volumes=[{"name": "v", **source}])["volumes"]
    return {key: value for key, value in one.items() if key != "name"}


def test_a_deployment_comes_back_as_the_real_server_returns_it() -> None:
    labels = {"app": "web"}
    body = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "shop:1"}]},
        },
    }
    assert defaulted("apps/v1", "Deployment", spec=body) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {
            "progressDeadlineSeconds": 600,
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": labels},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
            },
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "shop:1",
                            "imagePullPolicy": "IfNotPresent",
                            "resources": {},
                            "terminationMessagePath": "/dev/termination-log",
                            "terminationMessagePolicy": "File",
                        }
                    ],
                    "dnsPolicy": "ClusterFirst",
                    "restartPolicy": "Always",
                    "schedulerName": "default-scheduler",
                    "securityContext": {},
                    "terminationGracePeriodSeconds": 30,
                },
            },
        },
        "status": {},
    }


def test_what_was_given_stays() -> None:
    spec = spec_of("apps/v1", "Deployment", replicas=0, strategy={"type": "Recreate"})
    assert spec["replicas"] == 0
    assert spec["strategy"] == {"type": "Recreate"}


def test_an_empty_text_is_no_answer() -> None:
    assert pod_spec(restartPolicy="", dnsPolicy="")["restartPolicy"] == "Always"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("shop", "Always"),
        ("shop:latest", "Always"),
        ("registry:5000/shop", "Always"),
        ("registry:5000/shop:1", "IfNotPresent"),
        ("shop:1.0", "IfNotPresent"),
        ("shop@sha256:" + "a" * 64, "IfNotPresent"),
        ("shop:latest@sha256:" + "a" * 64, "Always"),
        ("", "IfNotPresent"),
    ],
)
def test_only_an_image_that_moves_is_always_pulled(image: str, policy: str) -> None:
    assert pull_policy(image) == policy
    assert container(image=image)["imagePullPolicy"] == policy


def test_the_pull_policy_outlives_a_change_of_the_image() -> None:
    assert container(image="shop:2", imagePullPolicy="Always")["imagePullPolicy"] == "Always"


def test_every_kind_of_container_is_defaulted() -> None:
    spec = pod_spec(
        initContainers=[{"name": "i", "image": "i"}],
        ephemeralContainers=[{"name": "e", "image": "e:1"}],
    )
    assert spec["initContainers"][0]["imagePullPolicy"] == "Always"
    assert spec["ephemeralContainers"][0]["terminationMessagePolicy"] == "File"


def test_ports_are_tcp() -> None:
    [port] = container(ports=[{"containerPort": 80}])["ports"]
    assert port == {"containerPort": 80, "protocol": "TCP"}


@pytest.mark.parametrize("name", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_probes_have_times_and_thresholds(name: str) -> None:
    probe = container(**{name: {"httpGet": {"port": 80}, "timeoutSeconds": 0}})[name]
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_a_grpc_probe_asks_for_the_service_without_a_name() -> None:
    probe = container(livenessProbe={"grpc": {"port": 50051}})["livenessProbe"]
    assert probe["grpc"] == {"port": 50051, "service": ""}


def test_a_hook_gets_over_http() -> None:
    lifecycle = container(lifecycle={"preStop": {"httpGet": {"port": 80}}})["lifecycle"]
    assert lifecycle["preStop"]["httpGet"] == {"port": 80, "path": "/", "scheme": "HTTP"}


def test_references_to_fields_have_a_version_and_a_divisor() -> None:
    env = container(
        env=[
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "PLAIN", "value": "1"},
        ]
    )["env"]
    assert env[0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert env[1]["valueFrom"]["resourceFieldRef"]["divisor"] == "0"
    assert env[2] == {"name": "PLAIN", "value": "1"}


def test_a_pod_requests_what_it_is_limited_to() -> None:
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}
    assert container(resources=resources)["resources"] == {
        "limits": {"cpu": "1", "memory": "1Gi"},
        "requests": {"cpu": "500m", "memory": "1Gi"},
    }


def test_a_template_requests_only_what_it_says() -> None:
    resources = {"limits": {"cpu": "1"}}
    assert template_container(resources=resources)["resources"] == resources


def test_a_pod_on_the_hosts_network_binds_the_hosts_ports() -> None:
    ports = [{"containerPort": 80}]
    own = {"name": "a", "image": "a:1", "ports": ports}
    assert pod_spec(hostNetwork=True, containers=[own])["containers"][0]["ports"] == [
        {"containerPort": 80, "hostPort": 80, "protocol": "TCP"}
    ]
    assert "hostPort" not in template_container(ports=ports)["ports"][0]


def test_only_pods_say_that_services_are_linked() -> None:
    assert pod_spec()["enableServiceLinks"] is True
    template: Object = {"spec": {"containers": []}}
    spec = spec_of("apps/v1", "ReplicaSet", template=template)["template"]["spec"]
    assert "enableServiceLinks" not in spec


@pytest.mark.parametrize("given_as", ["serviceAccountName", "serviceAccount"])
def test_the_service_account_has_two_names_for_one_field(given_as: str) -> None:
    spec = pod_spec(**{given_as: "robot"})
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("robot", "robot")


def test_the_new_name_of_the_service_account_field_wins() -> None:
    spec = pod_spec(serviceAccountName="new", serviceAccount="old")
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("new", "new")


@pytest.mark.parametrize(
    ("given_as", "source"),
    [
        ({}, {"emptyDir": {}}),
        (
            {"configMap": {"name": "c"}},
            {"configMap": {"name": "c", "defaultMode": 420}},
        ),
        (
            {"secret": {"secretName": "s", "defaultMode": 256}},
            {"secret": {"secretName": "s", "defaultMode": 256}},
        ),
        (
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "f"}}]}},
            {
                "downwardAPI": {
                    "defaultMode": 420,
                    "items": [{"path": "p", "fieldRef": {"fieldPath": "f", "apiVersion": "v1"}}],
                }
            },
        ),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                }
            },
        ),
        ({"hostPath": {"path": "/"}}, {"hostPath": {"path": "/", "type": ""}}),
        ({"image": {"reference": "a"}}, {"image": {"reference": "a", "pullPolicy": "Always"}}),
        (
            {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
            {
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "metadata": {},
                        "spec": {"resources": {}, "volumeMode": "Filesystem"},
                    }
                }
            },
        ),
    ],
)
def test_volumes_have_modes_and_sources(given_as: Object, source: Object) -> None:
    assert volume(**given_as) == source


def test_a_pod_is_pending_at_first() -> None:
    own = {"containers": [{"name": "a", "image": "a:1"}]}
    assert defaulted("v1", "Pod", spec=own)["status"] == {
        "phase": "Pending",
        "qosClass": "BestEffort",
    }
    running = {"phase": "Running", "qosClass": "Burstable"}
    assert defaulted("v1", "Pod", spec=own, status=running)["status"] == running


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, "Burstable"),
        (
            {
                "limits": {"cpu": "1", "memory": "1Gi"},
                "requests": {"cpu": "1", "memory": "1Gi"},
            },
            "Guaranteed",
        ),
        (
            {
                "limits": {"cpu": "1", "memory": "1Gi"},
                "requests": {"cpu": "500m", "memory": "1Gi"},
            },
            "Burstable",
        ),
    ],
)
def test_quality_of_service_follows_from_requests_and_limits(resources: Object, qos: str) -> None:
    assert qos_class({"containers": [{"resources": resources}]}) == qos


def test_a_stateful_set_rolls_in_order_and_keeps_its_claims() -> None:
    spec = spec_of("apps/v1", "StatefulSet", volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    template = spec.pop("template")
    assert template["spec"]["restartPolicy"] == "Always"
    assert spec == {
        "selector": None,
        "serviceName": "",
        "podManagementPolicy": "OrderedReady",
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"partition": 0, "maxUnavailable": 1},
        },
        "volumeClaimTemplates": [
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data"},
                "spec": {"resources": {}, "volumeMode": "Filesystem"},
                "status": {"phase": "Pending"},
            }
        ],
    }


def test_a_stateful_set_that_says_only_rolling_update_gets_no_partition() -> None:
    strategy = {"type": "RollingUpdate"}
    assert spec_of("apps/v1", "StatefulSet", updateStrategy=strategy)["updateStrategy"] == strategy


def test_a_daemon_set_replaces_one_pod_at_a_time() -> None:
    spec = spec_of("apps/v1", "DaemonSet")
    assert spec["revisionHistoryLimit"] == 10
    assert spec["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    on_delete = {"type": "OnDelete"}
    assert spec_of("apps/v1", "DaemonSet", updateStrategy=on_delete)["updateStrategy"] == on_delete


def test_a_job_runs_once_and_tries_again_six_times() -> None:
    spec = spec_of("batch/v1", "Job")
    del spec["template"]
    assert spec == {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "completions": 1,
        "manualSelector": False,
        "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
    }


def test_a_work_queue_has_no_number_of_completions() -> None:
    assert "completions" not in spec_of("batch/v1", "Job", parallelism=3)


def test_a_job_that_counts_failures_by_index_has_no_limit_on_all_of_them() -> None:
    assert spec_of("batch/v1", "Job", backoffLimitPerIndex=1)["backoffLimit"] == 2**31 - 1


def test_a_pod_failure_policy_waits_for_the_failed_pod() -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]
    spec = spec_of("batch/v1", "Job", podFailurePolicy={"rules": rules})
    assert spec["podReplacementPolicy"] == "Failed"
    [condition] = spec["podFailurePolicy"]["rules"][0]["onPodConditions"]
    assert condition["status"] == "True"


def test_a_new_job_selects_its_own_pods_by_its_uid() -> None:
    meta = {"name": "migrate", "uid": "u-1"}
    spec = {"template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": []}}}
    job = defaulted("batch/v1", "Job", metadata=meta, spec=spec)
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert job["spec"]["template"]["metadata"]["labels"] == {
        "app": "shop",
        "controller-uid": "u-1",
        "job-name": "migrate",
        "batch.kubernetes.io/controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "migrate",
    }
    assert job["metadata"]["labels"] == {"app": "shop"}


def test_a_job_without_labels_takes_those_of_its_pods() -> None:
    job = defaulted("batch/v1", "Job", metadata={"name": "migrate", "uid": "u-1"})
    assert job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"]


def test_a_job_with_a_selector_of_its_own_keeps_it() -> None:
    meta = {"name": "migrate", "uid": "u-1"}
    spec = {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}}
    job = defaulted("batch/v1", "Job", metadata=meta, spec=spec)
    assert job["spec"]["selector"] == {"matchLabels": {"a": "b"}}


def test_a_cron_jobs_template_gets_pod_defaults_and_no_job_defaults() -> None:
    own = {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}}}
    spec = spec_of("batch/v1", "CronJob", schedule="* * * * *", jobTemplate=own)
    job = spec.pop("jobTemplate")["spec"]
    assert job.pop("template")["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert job == {}
    assert spec == {
        "schedule": "* * * * *",
        "concurrencyPolicy": "Allow",
        "failedJobsHistoryLimit": 1,
        "successfulJobsHistoryLimit": 3,
        "suspend": False,
    }


def test_a_service_is_a_cluster_ip_on_tcp() -> None:
    service = defaulted("v1", "Service", spec={"ports": [{"port": 80}], "selector": {"a": "b"}})
    assert service["spec"] == {
        "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "selector": {"a": "b"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }
    assert service["status"] == {"loadBalancer": {}}


def test_a_named_port_keeps_its_name() -> None:
    [port] = spec_of("v1", "Service", ports=[{"port": 80, "targetPort": "http"}])["ports"]
    assert port["targetPort"] == "http"


def test_a_service_reached_from_outside_says_how_its_traffic_goes() -> None:
    for kind in ("NodePort", "LoadBalancer"):
        assert spec_of("v1", "Service", type=kind)["externalTrafficPolicy"] == "Cluster"
    assert spec_of("v1", "Service", externalIPs=["1.2.3.4"])["externalTrafficPolicy"] == "Cluster"
    assert "externalTrafficPolicy" not in spec_of("v1", "Service")
    assert spec_of("v1", "Service", type="LoadBalancer")["allocateLoadBalancerNodePorts"] is True


def test_a_service_that_is_a_name_has_no_addresses() -> None:
    spec = spec_of("v1", "Service", type="ExternalName", externalName="example.com")
    assert spec == {
        "type": "ExternalName",
        "externalName": "example.com",
        "sessionAffinity": "None",
    }


def test_client_affinity_lasts_three_hours() -> None:
    spec = spec_of("v1", "Service", sessionAffinity="ClientIP")
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    gone = spec_of("v1", "Service", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 1}})
    assert "sessionAffinityConfig" not in gone


def test_a_headless_service_has_no_address_in_either_field() -> None:
    service = defaulted("v1", "Service", spec={"clusterIP": "None", "selector": {"a": "b"}})
    assert with_all_addresses(service)["spec"]["clusterIPs"] == ["None"]


def given_before(**spec: Any) -> Object:
    return {
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.96.0.7",
            "clusterIPs": ["10.96.0.7"],
            "ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 81}],
            **spec,
        }
    }


def test_a_service_sent_again_keeps_its_addresses() -> None:
    spec = {"ports": [{"port": 80}]}
    service = defaulted("v1", "Service", old=given_before(), spec=spec)
    assert service["spec"]["clusterIP"] == "10.96.0.7"
    assert service["spec"]["clusterIPs"] == ["10.96.0.7"]


def test_a_service_that_becomes_a_name_gives_its_addresses_up() -> None:
    spec = {"type": "ExternalName", "externalName": "example.com"}
    service = defaulted("v1", "Service", old=given_before(), spec=spec)
    assert "clusterIP" not in service["spec"]


def test_a_service_sent_again_keeps_its_node_ports_by_name() -> None:
    ports = [
        {"name": "http", "port": 80, "nodePort": 30001},
        {"name": "admin", "port": 81, "nodePort": 30002},
    ]
    old = given_before(type="LoadBalancer", ports=ports, healthCheckNodePort=30003)
    again = [{"name": "admin", "port": 82}, {"name": "new", "port": 83, "nodePort": 30001}]
    spec = {"type": "NodePort", "ports": [*again, {"name": "http", "port": 80}]}
    service = defaulted("v1", "Service", old=old, spec=spec)
    assert [port.get("nodePort") for port in service["spec"]["ports"]] == [30002, 30001, None]
    assert "healthCheckNodePort" not in service["spec"]
    inside = defaulted("v1", "Service", old=old, spec={"ports": again[:1]})
    assert "nodePort" not in inside["spec"]["ports"][0]


def test_a_load_balancer_keeps_the_port_of_its_health_check() -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    old = given_before(**local, healthCheckNodePort=30003)
    service = defaulted("v1", "Service", old=old, spec=local)
    assert service["spec"]["healthCheckNodePort"] == 30003


def test_a_new_address_replaces_the_list_of_the_old_ones() -> None:
    spec = {"clusterIP": "10.96.0.8", "clusterIPs": ["10.96.0.7"]}
    service = defaulted("v1", "Service", old=given_before(), spec=spec)
    assert with_all_addresses(service)["spec"]["clusterIPs"] == ["10.96.0.8"]


def test_a_patched_type_loses_what_only_the_old_type_needs() -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30001}]
    old = defaulted("v1", "Service", **given_before(type="LoadBalancer", ports=ports))
    assert old["spec"]["externalTrafficPolicy"] == "Cluster"
    inside = defaulted("v1", "Service", old=old, spec={**old["spec"], "type": "ClusterIP"})
    assert inside["spec"] == spec_of(
        "v1",
        "Service",
        clusterIP="10.96.0.7",
        clusterIPs=["10.96.0.7"],
        ports=[{"name": "http", "port": 80}],
    )
    named = {**old["spec"], "type": "ExternalName", "externalName": "example.com"}
    service = defaulted("v1", "Service", old=old, spec=named)
    gone = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "externalTrafficPolicy"}
    assert not gone & service["spec"].keys()


def test_what_was_changed_together_with_the_type_is_left_to_validation() -> None:
    old = given_before(type="NodePort", ports=[{"port": 80, "nodePort": 30001}])
    spec = {"type": "ClusterIP", "ports": [{"port": 80, "nodePort": 30002}]}
    service = defaulted("v1", "Service", old=old, spec=spec)
    assert service["spec"]["ports"][0]["nodePort"] == 30002


def test_a_secret_takes_plain_text_in_as_bytes() -> None:
    secret = defaulted("v1", "Secret", data={"a": "b2xk", "b": "Yg=="}, stringData={"a": "new"})
    assert secret["data"] == {"a": "bmV3", "b": "Yg=="}
    assert "stringData" not in secret
    assert secret["type"] == "Opaque"


def test_a_namespace_carries_its_name_as_a_label() -> None:
    obj = defaulted("v1", "Namespace", metadata={"name": "shop", "labels": {"a": "b"}})
    assert obj["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "shop"}
    assert obj["spec"] == {"finalizers": ["kubernetes"]}
    assert obj["status"] == {"phase": "Active"}


def test_a_namespace_gets_its_finalizer_only_when_it_is_new() -> None:
    old = defaulted("v1", "Namespace")
    assert "finalizers" not in defaulted("v1", "Namespace", old=old, spec={})["spec"]


def test_a_namespace_whose_name_is_to_be_made_has_no_label_yet() -> None:
    assert defaulted("v1", "Namespace", metadata={"generateName": "a-"})["metadata"] == {
        "generateName": "a-"
    }


def test_a_limit_for_containers_is_also_what_they_get() -> None:
    limits = [
        {"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1", "memory": "1Mi"}},
        {"type": "Pod", "max": {"cpu": "2"}},
    ]
    assert spec_of("v1", "LimitRange", limits=limits)["limits"] == [
        {
            "type": "Container",
            "max": {"cpu": "2"},
            "min": {"cpu": "1", "memory": "1Mi"},
            "default": {"cpu": "2"},
            "defaultRequest": {"cpu": "2", "memory": "1Mi"},
        },
        {"type": "Pod", "max": {"cpu": "2"}},
    ]


def test_an_autoscaler_aims_at_80_percent_of_the_cpu() -> None:
    spec = spec_of("autoscaling/v2", "HorizontalPodAutoscaler", maxReplicas=3)
    assert spec["minReplicas"] == 1
    assert spec["metrics"] == [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 80},
            },
        }
    ]
    assert "behavior" not in spec
    v1 = spec_of("autoscaling/v1", "HorizontalPodAutoscaler", maxReplicas=3)
    assert v1 == {
        "minReplicas": 1,
        "maxReplicas": 3,
        "scaleTargetRef": {"kind": "", "name": ""},
        "targetCPUUtilizationPercentage": 80,
    }


def test_an_autoscalers_behaviour_is_completed_only_if_it_has_one() -> None:
    spec = spec_of(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        behavior={"scaleDown": {"stabilizationWindowSeconds": 60}},
    )
    assert spec["behavior"] == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 60,
            "selectPolicy": "Max",
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        },
    }


def test_a_network_policy_is_about_what_comes_in() -> None:
    spec = spec_of("networking.k8s.io/v1", "NetworkPolicy", ingress=[{"ports": [{"port": 80}]}])
    assert spec["policyTypes"] == ["Ingress"]
    assert spec["podSelector"] == {}
    assert spec["ingress"][0]["ports"] == [{"port": 80, "protocol": "TCP"}]
    both = spec_of("networking.k8s.io/v1", "NetworkPolicy", egress=[{"ports": [{"port": 53}]}])
    assert both["policyTypes"] == ["Ingress", "Egress"]


def test_a_role_binding_is_about_rbac_users_and_groups() -> None:
    binding = defaulted(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        roleRef={"kind": "Role", "name": "r"},
        subjects=[{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}],
    )
    group = "rbac.authorization.k8s.io"
    assert binding["roleRef"]["apiGroup"] == group
    assert [subject.get("apiGroup") for subject in binding["subjects"]] == [group, None]


@pytest.mark.parametrize(
    ("api_version", "kind", "fields"),
    [
        (
            "scheduling.k8s.io/v1",
            "PriorityClass",
            {"value": 0, "preemptionPolicy": "PreemptLowerPriority"},
        ),
        (
            "storage.k8s.io/v1",
            "StorageClass",
            {"provisioner": "", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            {
                "spec": {"resources": {}, "volumeMode": "Filesystem"},
                "status": {"phase": "Pending"},
            },
        ),
        (
            "v1",
            "PersistentVolume",
            {
                "spec": {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"},
                "status": {"phase": "Pending"},
            },
        ),
        ("networking.k8s.io/v1", "Ingress", {"spec": {}, "status": {"loadBalancer": {}}}),
        (
            "policy/v1",
            "PodDisruptionBudget",
            {
                "spec": {},
                "status": {
                    "currentHealthy": 0,
                    "desiredHealthy": 0,
                    "disruptionsAllowed": 0,
                    "expectedPods": 0,
                },
            },
        ),
        ("v1", "ConfigMap", {}),
        ("v1", "ServiceAccount", {}),
    ],
)
def test_kinds_with_few_defaults(api_version: str, kind: str, fields: Object) -> None:
    obj = defaulted(api_version, kind)
    assert {key: obj[key] for key in obj if key not in ("apiVersion", "kind", "metadata")} == fields


def test_a_status_counter_is_written_even_if_it_is_zero() -> None:
    assert defaulted("apps/v1", "ReplicaSet")["status"] == {"replicas": 0}
    status = {"replicas": 2, "readyReplicas": 1}
    assert defaulted("apps/v1", "ReplicaSet", status=status)["status"] == status


def test_a_custom_resource_definition_names_its_singular_and_its_list() -> None:
    spec = spec_of(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        names={"kind": "Widget", "plural": "widgets"},
    )
    assert spec["names"] == {
        "kind": "Widget",
        "plural": "widgets",
        "singular": "widget",
        "listKind": "WidgetList",
    }
    assert spec["conversion"] == {"strategy": "None"}


def test_a_webhook_fails_closed_after_ten_seconds() -> None:
    hook = {
        "name": "h",
        "clientConfig": {"service": {"name": "s", "namespace": "n"}},
        "rules": [{"operations": ["*"]}],
    }
    api_version = "admissionregistration.k8s.io/v1"
    [one] = defaulted(api_version, "MutatingWebhookConfiguration", webhooks=[hook])["webhooks"]
    assert one == {
        "name": "h",
        "clientConfig": {"service": {"name": "s", "namespace": "n", "port": 443}},
        "rules": [{"operations": ["*"], "scope": "*"}],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "reinvocationPolicy": "Never",
        "timeoutSeconds": 10,
        "sideEffects": None,
        "admissionReviewVersions": None,
    }
    [two] = defaulted(api_version, "ValidatingWebhookConfiguration", webhooks=[hook])["webhooks"]
    assert "reinvocationPolicy" not in two


def test_an_admission_policy_matches_every_scope() -> None:
    spec = spec_of(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
        matchConstraints={"resourceRules": [{"resources": ["pods"]}]},
    )
    assert spec == {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [{"resources": ["pods"], "scope": "*"}],
        },
    }


def test_the_ports_of_endpoints_are_tcp() -> None:
    api_version = "discovery.k8s.io/v1"
    piece = defaulted(api_version, "EndpointSlice", ports=[{"port": 80}], endpoints=[{}])
    assert piece["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]
    assert piece["endpoints"] == [{"addresses": None, "conditions": {}}]
    old = defaulted("v1", "Endpoints", subsets=[{"ports": [{"port": 80}]}])
    assert old["subsets"] == [{"ports": [{"port": 80, "protocol": "TCP"}]}]


def test_no_two_places_share_a_default() -> None:
    own = [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]
    spec = pod_spec(containers=own)
    assert spec["containers"][0]["resources"] is not spec["containers"][1]["resources"]
    assert spec["securityContext"] is not pod_spec()["securityContext"]


# Laws


def values(node: Node, depth: int) -> st.SearchStrategy[Any]:
    """Values of a type, some of whose fields are there."""
    if node.kind == "struct":
        names = sorted(node.fields) if depth else []
        some = st.lists(st.sampled_from(names), max_size=6, unique=True) if names else st.just([])
        return some.flatmap(
            lambda chosen: st.fixed_dictionaries(
                {name: values(node.fields[name], depth - 1) for name in chosen}
            )
        )
    if node.kind in ("map", "list"):
        item = node.item
        assert item is not None
        if node.kind == "map":
            return st.dictionaries(st.sampled_from(["a", "cpu"]), values(item, depth), max_size=2)
        return st.lists(values(item, depth), max_size=2)
    return {
        "string": st.sampled_from(["", "a", "RollingUpdate", "ClientIP", "NodePort", "None"]),
        "boolean": st.booleans(),
        "quantity": st.sampled_from(["0", "500m", "1Gi"]),
        "date-time": st.just("2026-01-05T09:00:00Z"),
    }.get(node.type, st.integers(0, 3))


KINDS = sorted((each.api_version, each.kind) for each in REGISTRY.all() if "update" in each.verbs)


def assert_lawful(api_version: str, kind: str, body: Object) -> None:
    resource = REGISTRY.by_kind(api_version, kind)
    obj, _ = decode({**body, "metadata": {"name": "x", "uid": "u"}}, resource.node)
    before = deepcopy(obj)
    once = default(obj, resource)
    assert obj == before
    assert default(once, resource) is once
    assert default(once, resource, old=once) is once
    decoded, findings = decode(once, resource.node)
    assert findings.unknown == []
    assert {fault.path for fault in findings.invalid} <= {
        fault.path for fault in decode(obj, resource.node)[1].invalid
    }
    assert decoded is once


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_defaulting_is_idempotent_and_never_mutates(data: st.DataObject) -> None:
    api_version, kind = data.draw(st.sampled_from(KINDS))
    assert_lawful(api_version, kind, data.draw(values(REGISTRY.by_kind(api_version, kind).node, 5)))


POD = builtin().definition("io.k8s.api.core.v1.PodSpec")
PARTS = {name: POD.fields[name] for name in ("containers", "initContainers", "volumes")}


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({}, optional={name: values(PARTS[name], 4) for name in PARTS}))
def test_defaulting_pods_and_templates_is_idempotent_and_never_mutates(spec: Object) -> None:
    assert_lawful("v1", "Pod", {"spec": spec})
    assert_lawful("apps/v1", "Deployment", {"spec": {"template": {"spec": spec}}})


def manifests() -> list[Object]:
    found = []
    for path in sorted(APPS.rglob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text()):
            if isinstance(body, dict) and "kustomize" not in body.get("apiVersion", ""):
                found.append(body)
    return found


@pytest.mark.skipif(not APPS.is_dir(), reason="the sample applications are not at hand")
def test_real_applications_are_decoded_and_defaulted_without_a_finding() -> None:
    kinds = set()
    for body in manifests():
        try:
            resource = REGISTRY.by_kind(body["apiVersion"], body["kind"])
        except ApiError:
            continue  # a custom resource, or a transformer's configuration
        decoded, findings = decode(body, resource.node)
        assert not findings, (body["metadata"], findings)
        full = default(decoded, resource)
        assert default(full, resource) is full
        assert not decode(full, resource.node)[1]
        kinds.add(body["kind"])
    assert kinds >= {"Deployment", "Service", "ServiceAccount", "HorizontalPodAutoscaler"}
