"""What objects must be like, what can never change, and how one is told."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conformance.requests import refused
from tests.conftest import deployment

CONTAINER: Any = {"name": "web", "image": "web:1"}
PODS: Any = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
SELECTOR = {"matchLabels": {"app": "web"}}
RBAC = "rbac.authorization.k8s.io/v1"


def pod(**spec: Any) -> Object:
    # For a node that there is not: nothing touches it.
    whole = {"containers": [CONTAINER], "nodeName": "nowhere", **spec}
    return named("v1", "Pod", "web", spec=whole)


@pytest.mark.parametrize(
    ("spec", "field", "why"),
    [
        ({"containers": []}, "spec.containers", "Required value"),
        ({"containers": [CONTAINER] * 2}, "spec.containers[1].name", 'Duplicate value: "web"'),
        ({"containers": [{"name": "web"}]}, "spec.containers[0].image", "Required value"),
        ({"containers": [{**CONTAINER, "name": "Web"}]}, "spec.containers[0].name",
         "a lowercase RFC 1123 label must consist of"),
        ({"restartPolicy": "Sometimes"}, "spec.restartPolicy",
         'Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'),
        ({"containers": [{**CONTAINER, "ports": [{"containerPort": 0}]}]},
         "spec.containers[0].ports[0].containerPort", "Required value"),
        ({"containers": [{**CONTAINER, "ports": [{"containerPort": 65536}]}]},
         "spec.containers[0].ports[0].containerPort", "must be between 1 and 65535, inclusive"),
        ({"containers": [{**CONTAINER, "volumeMounts": [{"name": "a", "mountPath": "/a"}]}]},
         "spec.containers[0].volumeMounts[0].name", 'Not found: "a"'),
        ({"containers": [{**CONTAINER, "resources":
          {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]},
         "spec.containers[0].resources.requests",
         'Invalid value: "2": must be less than or equal to cpu limit of 1'),
        ({"volumes": [{"name": "a", "emptyDir": {}, "configMap": {"name": "a"}}]},
         "spec.volumes[0].configMap", "may not specify more than 1 volume type"),
        ({"containers": [{**CONTAINER, "livenessProbe": {}}]},
         "spec.containers[0].livenessProbe", "must specify a handler type"),
    ],
)  # fmt: skip
def test_a_pod_that_cannot_be_is_refused(
    subject: Subject, spec: dict[str, Any], field: str, why: str
) -> None:
    with refused(422, "Invalid", 'Pod "web" is invalid', why, field=field):
        subject.requests.create("pods", pod(**spec))


def test_every_fault_is_told_at_once(subject: Subject) -> None:
    body = deployment(replicas=-1, strategy={"type": "Sideways"})
    with refused(422, "Invalid", "is invalid: [", field="spec.strategy"):
        subject.requests.create("apps/v1/deployments", body)
    with refused(422, "Invalid", field="spec.replicas"):
        subject.requests.create("apps/v1/deployments", body)


def test_a_deployments_pods_begin_again_always(subject: Subject) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    why = 'Unsupported value: "Never": supported values: "Always"'
    with refused(422, "Invalid", why, field="spec.template.spec.restartPolicy"):
        subject.requests.create("apps/v1/deployments", body)


def test_a_jobs_pods_do_not(subject: Subject) -> None:
    template = {"spec": {"containers": [CONTAINER]}}
    field = "spec.template.spec.restartPolicy"
    with refused(422, "Invalid", "Required value: valid values: ", field=field):
        subject.requests.create(
            "batch/v1/jobs", named("batch/v1", "Job", "work", spec={"template": template})
        )


def test_a_rolling_update_must_be_able_to_begin(subject: Subject) -> None:
    rolling = {"maxSurge": 0, "maxUnavailable": 0}
    body = deployment(strategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    why = "may not be 0 when `maxSurge` is 0"
    with refused(422, "Invalid", why, field="spec.strategy.rollingUpdate.maxUnavailable"):
        subject.requests.create("apps/v1/deployments", body)


def test_services_have_ports_of_different_names(subject: Subject) -> None:
    spec: Any = {"ports": [{"port": 80}, {"port": 81}]}
    with refused(422, "Invalid", "Required value", field="spec.ports[0].name"):
        subject.requests.create("services", named("v1", "Service", "web", spec=spec))
    spec = {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]}
    with refused(422, "Invalid", 'Duplicate value: "a"', field="spec.ports[1].name"):
        subject.requests.create("services", named("v1", "Service", "web", spec=spec))


def test_a_schedule_must_be_one(subject: Subject) -> None:
    template = {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
    spec = {"schedule": "at noon", "jobTemplate": {"spec": {"template": template}}}
    with refused(422, "Invalid", 'Invalid value: "at noon"', field="spec.schedule"):
        subject.requests.create("batch/v1/cronjobs", named("batch/v1", "CronJob", "a", spec=spec))


def test_an_autoscaler_has_a_least_below_its_most(subject: Subject) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 2}
    body = named("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec)
    why = "must be greater than or equal to `minReplicas`"
    with refused(422, "Invalid", why, field="spec.maxReplicas"):
        subject.requests.create("autoscaling/v2/horizontalpodautoscalers", body)


# -- What can never change ------------------------------------------------------------------------


def test_of_a_pods_spec_hardly_anything_changes(subject: Subject) -> None:
    subject.requests.create("pods", pod())
    why = "pod updates may not change fields other than `spec.containers[*].image`"
    with refused(422, "Invalid", why, field="spec"):
        subject.requests.patch("pods", "web", {"spec": {"hostNetwork": True}})
    other = [{**CONTAINER, "image": "web:2"}]
    live = subject.requests.patch("pods", "web", {"spec": {"containers": other}}, type="strategic")
    assert live["spec"]["containers"][0]["image"] == "web:2"


def test_a_service_keeps_its_address(subject: Subject) -> None:
    spec = {"ports": [{"port": 80}]}
    subject.requests.create("services", named("v1", "Service", "web", spec=spec))
    change = {"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}
    with refused(422, "Invalid", "may not change once set", field="spec.clusterIPs[0]"):
        subject.requests.patch("services", "web", change)


def test_a_stateful_set_keeps_its_service(subject: Subject) -> None:
    spec = {"serviceName": "web", "replicas": 0, "selector": SELECTOR, "template": PODS}
    place = "apps/v1/statefulsets"
    subject.requests.create(place, named("apps/v1", "StatefulSet", "web", spec=spec))
    why = "updates to statefulset spec for fields other than 'replicas'"
    with refused(422, "Invalid", why, field="spec"):
        subject.requests.patch(place, "web", {"spec": {"serviceName": "other"}})
    live = subject.requests.patch(place, "web", {"spec": {"minReadySeconds": 3}})
    assert live["metadata"]["generation"] == 2


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "ReplicaSet"])
def test_a_selector_never_changes(subject: Subject, kind: str) -> None:
    place = f"apps/v1/{kind.lower()}s"
    spec = {"selector": SELECTOR, "template": PODS}
    subject.requests.create(place, named("apps/v1", kind, "web", spec=spec))
    labels = {"app": "web", "tier": "front"}
    template = {"metadata": {"labels": labels}}
    change = {"spec": {"selector": {"matchLabels": labels}, "template": template}}
    with refused(422, "Invalid", "field is immutable", field="spec.selector"):
        subject.requests.patch(place, "web", change)


def test_a_job_keeps_its_template(subject: Subject) -> None:
    template: Any = {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
    body = named("batch/v1", "Job", "work", spec={"parallelism": 0, "template": template})
    subject.requests.create("batch/v1/jobs", body)
    other = {"containers": [{**CONTAINER, "image": "web:2"}]}
    with refused(422, "Invalid", "field is immutable", field="spec.template.spec"):
        subject.requests.patch("batch/v1/jobs", "work", {"spec": {"template": {"spec": other}}})


def test_a_claim_keeps_its_spec(subject: Subject) -> None:
    spec = {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": {"requests": {"storage": "1Gi"}},
    }  # fmt: skip
    body = named("v1", "PersistentVolumeClaim", "disk", spec=spec)
    subject.requests.create("persistentvolumeclaims", body)
    why = "spec is immutable after creation except resources.requests"
    with refused(422, "Invalid", why, field="spec"):
        change = {"spec": {"accessModes": ["ReadWriteMany"]}}
        subject.requests.patch("persistentvolumeclaims", "disk", change)


def test_a_binding_keeps_its_role(subject: Subject) -> None:
    body = {
        **named(RBAC, "RoleBinding", "readers"),
        "roleRef": {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"},
    }
    subject.requests.create(f"{RBAC}/rolebindings", body)
    with refused(422, "Invalid", "cannot change roleRef", field="roleRef"):
        subject.requests.patch(f"{RBAC}/rolebindings", "readers", {"roleRef": {"name": "writer"}})


@pytest.mark.parametrize(("place", "kind"), [("configmaps", "ConfigMap"), ("secrets", "Secret")])
def test_what_was_declared_immutable_is(subject: Subject, place: str, kind: str) -> None:
    subject.requests.create(place, named("v1", kind, "fixed", data={"a": "MQ=="}, immutable=True))
    why = "field is immutable when `immutable` is set"
    with refused(422, "Invalid", why, field="data"):
        subject.requests.patch(place, "fixed", {"data": {"a": "Mg=="}})
    with refused(422, "Invalid", why, field="immutable"):
        subject.requests.patch(place, "fixed", {"immutable": False})
    labelled = subject.requests.patch(place, "fixed", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["labels"] == {"a": "b"}


def test_a_secret_keeps_its_type(subject: Subject) -> None:
    subject.requests.create("secrets", named("v1", "Secret", "key"))
    with refused(422, "Invalid", "field is immutable", field="type"):
        subject.requests.patch("secrets", "key", {"type": "example.com/other"})
