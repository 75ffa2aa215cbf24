"""What the server adds to objects that do not say everything."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conformance.requests import refused
from tests.conftest import deployment

CONTAINER = {"name": "web", "image": "web:1"}
PODS: Any = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
SELECTOR = {"matchLabels": {"app": "web"}}


def pod(**spec: Any) -> Object:
    return named("v1", "Pod", "web", spec={"containers": [CONTAINER], **spec})


def made(subject: Subject, place: str, body: Object) -> Any:
    return subject.requests.create(place, body)


def test_a_pod_gets_its_defaults(subject: Subject) -> None:
    spec = made(subject, "pods", pod())["spec"]
    assert spec["serviceAccountName"] == "default"
    assert spec["schedulerName"] == "default-scheduler"
    assert spec["securityContext"] == {}
    assert spec["enableServiceLinks"] is True
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    tolerated = {(each["key"], each["tolerationSeconds"]) for each in spec["tolerations"]}
    assert tolerated == {
        ("node.kubernetes.io/not-ready", 300), ("node.kubernetes.io/unreachable", 300),
    }  # fmt: skip
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"


def test_a_new_pod_is_pending_and_of_some_quality(subject: Subject) -> None:
    status = made(subject, "pods", pod())["status"]
    assert (status["phase"], status["qosClass"]) == ("Pending", "BestEffort")
    cpu = {"limits": {"cpu": "1", "memory": "1Gi"}}
    sure = {**pod(containers=[{**CONTAINER, "resources": cpu}]), "metadata": {"name": "sure"}}
    assert made(subject, "pods", sure)["status"]["qosClass"] == "Guaranteed"


def test_requests_are_what_limits_are(subject: Subject) -> None:
    container = {**CONTAINER, "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Gi"}}}
    spec = made(subject, "pods", pod(containers=[container]))["spec"]
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}


def test_probes_get_their_times(subject: Subject) -> None:
    container = {**CONTAINER, "readinessProbe": {"httpGet": {"port": 80}}}
    spec = made(subject, "pods", pod(containers=[container]))["spec"]
    assert spec["containers"][0]["readinessProbe"] == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    }  # fmt: skip


def test_volumes_get_their_modes(subject: Subject) -> None:
    volumes = [
        {"name": "a", "configMap": {"name": "a"}},
        {"name": "b", "secret": {"secretName": "b"}},
        {"name": "c"},
    ]
    spec = made(subject, "pods", pod(volumes=volumes))["spec"]
    assert spec["volumes"][:3] == [
        {"name": "a", "configMap": {"name": "a", "defaultMode": 420}},
        {"name": "b", "secret": {"secretName": "b", "defaultMode": 420}},
        {"name": "c", "emptyDir": {}},
    ]


def test_a_field_of_the_pod_is_read_in_version_one(subject: Subject) -> None:
    env = [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    spec = made(subject, "pods", pod(containers=[{**CONTAINER, "env": env}]))["spec"]
    found = spec["containers"][0]["env"][0]["valueFrom"]["fieldRef"]
    assert found == {"apiVersion": "v1", "fieldPath": "metadata.name"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [("web", "Always"), ("web:latest", "Always"), ("web:1", "IfNotPresent"),
     ("registry.example:5000/web", "Always"), ("web@sha256:" + "a" * 64, "IfNotPresent")],
)  # fmt: skip
def test_an_image_that_may_move_is_always_pulled(subject: Subject, image: str, policy: str) -> None:
    spec = made(subject, "pods", pod(containers=[{"name": "web", "image": image}]))["spec"]
    assert spec["containers"][0]["imagePullPolicy"] == policy


def test_a_service_with_node_ports_gets_them(subject: Subject) -> None:
    spec = {"type": "NodePort", "ports": [{"port": 80}], "selector": {"app": "web"}}
    live = made(subject, "services", named("v1", "Service", "web", spec=spec))["spec"]
    assert 30000 <= live["ports"][0]["nodePort"] <= 32767
    assert (live["sessionAffinity"], live["externalTrafficPolicy"]) == ("None", "Cluster")
    assert (live["ipFamilyPolicy"], live["internalTrafficPolicy"]) == ("SingleStack", "Cluster")


def test_a_headless_service_has_no_address(subject: Subject) -> None:
    spec = {"clusterIP": "None", "selector": {"app": "web"}}
    live = made(subject, "services", named("v1", "Service", "web", spec=spec))["spec"]
    assert (live["clusterIP"], live["clusterIPs"]) == ("None", ["None"])


def test_a_service_keeps_the_address_it_asks_for_and_nobody_else_gets_it(subject: Subject) -> None:
    ports = [{"port": 80}]
    first = made(subject, "services", named("v1", "Service", "a", spec={"ports": ports}))["spec"]
    asked = {"clusterIP": first["clusterIP"], "ports": ports}
    with refused(422, "Invalid", "provided IP is already allocated", field="spec.clusterIPs"):
        made(subject, "services", named("v1", "Service", "b", spec=asked))


def test_a_stateful_set_gets_its_defaults(subject: Subject) -> None:
    spec = {"serviceName": "web", "replicas": 0, "selector": SELECTOR, "template": PODS}
    live = made(subject, "apps/v1/statefulsets", named("apps/v1", "StatefulSet", "web", spec=spec))
    spec = live["spec"]
    assert spec["podManagementPolicy"] == "OrderedReady"
    assert spec["updateStrategy"]["type"] == "RollingUpdate"
    assert spec["updateStrategy"]["rollingUpdate"]["partition"] == 0
    assert spec["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain", "whenScaled": "Retain",
    }  # fmt: skip


def test_a_daemon_set_gets_its_defaults(subject: Subject) -> None:
    body = named("apps/v1", "DaemonSet", "web", spec={"selector": SELECTOR, "template": PODS})
    spec = made(subject, "apps/v1/daemonsets", body)["spec"]
    assert spec["updateStrategy"] == {
        "type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    }  # fmt: skip
    assert spec["revisionHistoryLimit"] == 10


def test_a_job_gets_its_defaults_and_a_selector_of_its_own(subject: Subject) -> None:
    template = {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
    body = named("batch/v1", "Job", "work", spec={"suspend": True, "template": template})
    live = made(subject, "batch/v1/jobs", body)
    spec, uid = live["spec"], live["metadata"]["uid"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert spec["completionMode"] == "NonIndexed"
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "work"


def test_a_cron_job_gets_its_defaults(subject: Subject) -> None:
    template = {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
    spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}
    live = made(subject, "batch/v1/cronjobs", named("batch/v1", "CronJob", "report", spec=spec))
    spec = live["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)


def test_an_autoscaler_looks_at_the_processor(subject: Subject) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "maxReplicas": 3}
    body = named("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec)
    spec = made(subject, "autoscaling/v2/horizontalpodautoscalers", body)["spec"]
    assert spec["minReplicas"] == 1
    assert spec["metrics"] == [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
            },
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, ["Ingress"]),
        ({"egress": [{}]}, ["Ingress", "Egress"]),
        ({"egress": [{}], "policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_a_network_policy_is_for_what_it_speaks_of(
    subject: Subject, spec: dict[str, Any], types: list[str]
) -> None:
    body = named("networking.k8s.io/v1", "NetworkPolicy", "web", spec={"podSelector": {}, **spec})
    live = made(subject, "networking.k8s.io/v1/networkpolicies", body)
    assert live["spec"]["policyTypes"] == types


def test_a_claim_is_for_a_file_system(subject: Subject) -> None:
    spec = {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": {"requests": {"storage": "1Gi"}},
    }  # fmt: skip
    live = made(
        subject, "persistentvolumeclaims", named("v1", "PersistentVolumeClaim", "a", spec=spec)
    )
    assert (live["spec"]["volumeMode"], live["status"]) == ("Filesystem", {"phase": "Pending"})
    assert live["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


def test_a_namespace_bears_its_name(subject: Subject) -> None:
    live = subject.requests.read("namespaces", subject.namespace)
    assert live["metadata"]["labels"] == {"kubernetes.io/metadata.name": subject.namespace}
    assert (live["spec"], live["status"]) == (
        {"finalizers": ["kubernetes"]}, {"phase": "Active"},
    )  # fmt: skip


def test_a_binding_gets_the_groups_of_its_parts(subject: Subject) -> None:
    group = "rbac.authorization.k8s.io"
    body = {
        **named(f"{group}/v1", "RoleBinding", "readers"),
        "roleRef": {"kind": "Role", "name": "reader", "apiGroup": group},
        "subjects": [
            {"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "default"},
        ],
    }  # fmt: skip
    live = made(subject, f"{group}/v1/rolebindings", body)
    assert [each.get("apiGroup", "") for each in live["subjects"]] == [group, ""]


def test_what_has_its_defaults_gets_no_others(subject: Subject) -> None:
    place = "apps/v1/deployments"
    first = made(subject, place, deployment(replicas=0, paused=True))
    del first["metadata"]["resourceVersion"]  # a controller may have told its status since
    again = subject.requests.update(place, "web", first)
    assert again["spec"] == first["spec"]
    assert again["metadata"]["generation"] == 1


def test_a_default_comes_back_when_it_is_removed(subject: Subject) -> None:
    place = "apps/v1/deployments"
    made(subject, place, deployment(replicas=0, paused=True, revisionHistoryLimit=2))
    live = subject.requests.patch(place, "web", {"spec": {"revisionHistoryLimit": None}})
    assert live["spec"]["revisionHistoryLimit"] == 10
