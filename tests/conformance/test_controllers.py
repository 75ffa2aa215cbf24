"""Controllers: what comes about by itself. Tests marked `pods` need nodes that run pods."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, ObjectKey, named
from tests.conformance.conftest import Subject
from tests.conftest import deployment


def owned(subject: Subject, group: str, kind: str, owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [
        obj
        for obj in subject.cluster.list(group, kind, namespace=subject.namespace)
        if any(each["uid"] == uid for each in obj["metadata"].get("ownerReferences", ()))
    ]


def status(subject: Subject, name: str = "web") -> dict[str, Any]:
    found: dict[str, Any] = subject.get(subject.key("Deployment", name, "apps")).get("status", {})
    return found


def test_a_deployment_makes_a_replica_set_that_bears_its_hash(subject: Subject) -> None:
    owner = subject.apply(deployment(replicas=2))
    (made,) = subject.until(lambda: owned(subject, "apps", "ReplicaSet", owner), "a ReplicaSet")
    code = made["metadata"]["labels"]["pod-template-hash"]
    assert made["metadata"]["name"] == f"web-{code}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": code}
    assert made["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_another_image_is_a_new_revision_and_the_old_one_comes_back_under_a_new_number(
    subject: Subject,
) -> None:
    owner = subject.apply(deployment(image="shop:1", replicas=0))

    def revisions() -> dict[str, str]:
        return {
            made["spec"]["template"]["spec"]["containers"][0]["image"]:
            made["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            for made in owned(subject, "apps", "ReplicaSet", owner)
        }  # fmt: skip

    subject.until(lambda: revisions() == {"shop:1": "1"}, "revision 1")
    subject.apply(deployment(image="shop:2", replicas=0))
    subject.until(lambda: revisions() == {"shop:1": "1", "shop:2": "2"}, "revision 2")
    subject.apply(deployment(image="shop:1", replicas=0))
    subject.until(lambda: revisions() == {"shop:1": "3", "shop:2": "2"}, "revision 3")


def test_owners_take_their_dependants_along(subject: Subject) -> None:
    owner = subject.apply(deployment(replicas=1))
    subject.until(lambda: owned(subject, "apps", "ReplicaSet", owner), "a ReplicaSet")
    subject.cluster.delete(subject.key("Deployment", "web", "apps"))
    subject.until(lambda: not owned(subject, "apps", "ReplicaSet", owner), "no ReplicaSet")


def test_orphaned_dependants_stay(subject: Subject) -> None:
    owner = subject.apply(deployment(replicas=0))
    (made,) = subject.until(lambda: owned(subject, "apps", "ReplicaSet", owner), "a ReplicaSet")
    key = subject.key("Deployment", "web", "apps")
    subject.cluster.delete(key, propagation="Orphan")
    subject.until(lambda: subject.cluster.get(key) is None, "no Deployment")
    left = subject.get(ObjectKey.of({**made, "apiVersion": "apps/v1", "kind": "ReplicaSet"}))
    assert not left["metadata"].get("ownerReferences")


def test_foreground_deletion_waits_for_dependants(subject: Subject) -> None:
    owner = subject.apply(deployment(replicas=0))
    subject.until(lambda: owned(subject, "apps", "ReplicaSet", owner), "a ReplicaSet")
    key = subject.key("Deployment", "web", "apps")
    subject.cluster.delete(key, propagation="Foreground")
    subject.until(lambda: subject.cluster.get(key) is None, "no Deployment")
    assert not owned(subject, "apps", "ReplicaSet", owner)


def test_a_namespace_takes_everything_in_it_along(subject: Subject) -> None:
    subject.apply(named("v1", "ConfigMap", "book"))
    key = ObjectKey("", "Namespace", "", subject.namespace)
    subject.cluster.delete(key)
    subject.until(lambda: subject.cluster.get(key) is None, "no Namespace")
    with pytest.raises(ApiError) as refusal:
        subject.apply(named("v1", "ConfigMap", "book"))
    assert refusal.value.code == 404


def test_every_namespace_gets_a_service_account_and_the_clusters_certificate(
    subject: Subject,
) -> None:
    account = subject.key("ServiceAccount", "default")
    subject.until(lambda: subject.cluster.get(account), "the default ServiceAccount")
    bundle = subject.key("ConfigMap", "kube-root-ca.crt")
    assert "ca.crt" in subject.until(lambda: subject.cluster.get(bundle), "the certificate")["data"]


@pytest.mark.pods
def test_a_rollout_completes_and_says_so(subject: Subject) -> None:
    subject.apply(deployment(image="registry.k8s.io/pause:3.10", replicas=2))
    subject.until(lambda: status(subject).get("availableReplicas") == 2, "2 available")
    conditions = {each["type"]: each for each in status(subject)["conditions"]}
    assert conditions["Available"]["reason"] == "MinimumReplicasAvailable"
    subject.until(
        lambda: (
            {each["type"]: each["reason"] for each in status(subject)["conditions"]}.get(
                "Progressing"
            )
            == "NewReplicaSetAvailable"
        ),
        "the rollout is complete",
    )
    assert status(subject)["observedGeneration"] == 1


@pytest.mark.pods
def test_an_image_that_does_not_exist_keeps_the_old_pods_running(subject: Subject) -> None:
    subject.apply(deployment(image="registry.k8s.io/pause:3.10", replicas=2))
    subject.until(lambda: status(subject).get("availableReplicas") == 2, "2 available")
    subject.apply(deployment(image="registry.k8s.io/pause:does-not-exist", replicas=2))

    def reasons() -> set[str]:
        return {
            (container.get("state", {}).get("waiting") or {}).get("reason", "")
            for pod in subject.cluster.list("", "Pod", namespace=subject.namespace)
            for container in pod.get("status", {}).get("containerStatuses", ())
        }

    subject.until(lambda: reasons() & {"ErrImagePull", "ImagePullBackOff"}, "a failed pull")
    assert status(subject)["availableReplicas"] == 2


@pytest.mark.pods
def test_a_service_finds_the_pods_that_are_ready(subject: Subject) -> None:
    ports = [{"port": 80}]
    subject.apply(named("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": ports}))
    subject.apply(deployment(image="registry.k8s.io/pause:3.10", replicas=2))

    def ready() -> int:
        slices = subject.cluster.list(
            "discovery.k8s.io", "EndpointSlice", namespace=subject.namespace,
            labels={"kubernetes.io/service-name": "web"},
        )  # fmt: skip
        return sum(
            endpoint["conditions"].get("ready", False)
            for each in slices
            for endpoint in each.get("endpoints") or ()
        )

    subject.until(lambda: ready() == 2, "2 endpoints")


@pytest.mark.pods
def test_a_deleted_pod_is_replaced(subject: Subject) -> None:
    subject.apply(deployment(image="registry.k8s.io/pause:3.10", replicas=1))
    subject.until(lambda: status(subject).get("availableReplicas") == 1, "1 available")
    (pod,) = subject.cluster.list("", "Pod", namespace=subject.namespace)
    subject.cluster.delete(subject.key("Pod", pod["metadata"]["name"]))

    def replaced() -> bool:
        pods = subject.cluster.list("", "Pod", namespace=subject.namespace)
        uids = [each["metadata"]["uid"] for each in pods]
        return len(uids) == 1 and uids[0] != pod["metadata"]["uid"]

    subject.until(replaced, "another pod")
