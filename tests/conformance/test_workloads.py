"""Workloads over time: rollouts, jobs, volumes, evictions, and what goes with its owner.

Tests marked `pods` need nodes that run pods; the others get by with the controllers.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conformance.requests import names, refused
from tests.conftest import deployment

PAUSE = "registry.k8s.io/pause:3.10"
SELECTOR = {"matchLabels": {"app": "web"}}
PLACE = "apps/v1/deployments"


def workload(kind: str, **spec: Any) -> Object:
    """A workload of a kind of apps/v1, of pods that do nothing."""
    container = {"name": "web", "image": PAUSE}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    whole = {"selector": SELECTOR, "template": template, **spec}
    return named("apps/v1", kind, "web", spec=whole)


def replica_sets(subject: Subject) -> dict[str, Object]:
    """The ReplicaSets by the revision that they were last."""
    found = subject.requests.list("apps/v1/replicasets")["items"]
    return {
        each["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: each for each in found
    }


def has_revision(subject: Subject, number: str) -> bool:
    return number in replica_sets(subject)


def gone(subject: Subject, place: str, name: str) -> bool:
    return name not in names(subject.requests.list(place))


def owned_by(owner: Object, name: str, **reference: Any) -> Object:
    """A ConfigMap that belongs to another object."""
    body = named("v1", "ConfigMap", name)
    body["metadata"]["ownerReferences"] = [
        {
            "apiVersion": owner.get("apiVersion", "v1"),
            "kind": owner.get("kind", "ConfigMap"),
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            **reference,
        }
    ]
    return body


# -- Deployments ----------------------------------------------------------------------------------


def test_a_deployment_says_up_to_which_generation_it_has_come(subject: Subject) -> None:
    subject.requests.create(PLACE, deployment(replicas=0))

    def seen() -> int:
        found = subject.requests.read(PLACE, "web").get("status", {})
        return int(found.get("observedGeneration", 0))

    subject.until(lambda: seen() == 1, "it has seen generation 1")
    subject.requests.patch(PLACE, "web", {"spec": {"minReadySeconds": 1}})
    subject.until(lambda: seen() == 2, "it has seen generation 2")


def test_a_paused_deployment_rolls_nothing_out(subject: Subject) -> None:
    subject.requests.create(PLACE, deployment(replicas=0, paused=True))

    def reason() -> Any:
        conditions = subject.requests.read(PLACE, "web").get("status", {}).get("conditions") or ()
        return {each["type"]: each["reason"] for each in conditions}.get("Progressing", "")

    subject.until(lambda: reason() == "DeploymentPaused", "it says that it is paused")
    assert replica_sets(subject) == {}
    subject.requests.patch(PLACE, "web", {"spec": {"paused": False}})
    subject.until(lambda: replica_sets(subject), "a ReplicaSet")
    assert reason() != "DeploymentPaused"


def test_only_so_many_old_revisions_are_kept(subject: Subject) -> None:
    subject.requests.create(PLACE, deployment("web", "web:1", replicas=0, revisionHistoryLimit=1))
    for number in (2, 3):
        subject.until(lambda: replica_sets(subject), "a ReplicaSet")
        step: Any = [
            {
                "op": "replace",
                "path": "/spec/template/spec/containers/0/image",
                "value": f"web:{number}",
            }
        ]
        subject.requests.patch(PLACE, "web", step, type="json")
        subject.until(partial(has_revision, subject, str(number)), f"revision {number}")
    subject.until(lambda: set(replica_sets(subject)) == {"2", "3"}, "revision 1 is gone")


def test_who_scales_rolls_nothing_out(subject: Subject) -> None:
    subject.requests.create(PLACE, deployment(replicas=0))
    subject.until(lambda: set(replica_sets(subject)) == {"1"}, "revision 1")
    subject.requests.patch(PLACE, "web", {"spec": {"replicas": 1}}, sub="scale")
    subject.until(lambda: replica_sets(subject)["1"]["spec"]["replicas"] == 1, "it is scaled")
    assert set(replica_sets(subject)) == {"1"}


@pytest.mark.parametrize(
    ("template", "is_new"),
    [({"metadata": {"annotations": {"restarted": "now"}}}, True), ({"metadata": {}}, False)],
)
def test_another_template_is_another_revision(
    subject: Subject, template: Object, is_new: bool
) -> None:
    """As `kubectl rollout restart` makes one."""
    subject.requests.create(PLACE, deployment(replicas=0))
    subject.until(lambda: set(replica_sets(subject)) == {"1"}, "revision 1")
    change = {"spec": {"template": template, "minReadySeconds": 1}}
    subject.requests.patch(PLACE, "web", change)
    subject.until(
        lambda: subject.requests.read(PLACE, "web")["status"].get("observedGeneration") == 2,
        "it has seen the change",
    )
    subject.pass_time(1)
    assert set(replica_sets(subject)) == ({"1", "2"} if is_new else {"1"})


def test_a_replica_set_makes_pods_that_bear_its_name(subject: Subject) -> None:
    subject.requests.create("apps/v1/replicasets", workload("ReplicaSet", replicas=2))
    pods = subject.until(
        lambda: len(found := subject.requests.list("pods")["items"]) == 2 and found, "two pods"
    )
    for pod in pods:
        assert pod["metadata"]["generateName"] == "web-"
        (reference,) = pod["metadata"]["ownerReferences"]
        assert (reference["kind"], reference["controller"]) == ("ReplicaSet", True)


def test_a_replica_set_takes_pods_in_that_match_and_lets_others_go(subject: Subject) -> None:
    spec = {"containers": [{"name": "web", "image": PAUSE}]}
    lonely = named("v1", "Pod", "lonely", spec=spec)
    lonely["metadata"]["labels"] = {"app": "web"}
    subject.requests.create("pods", lonely)
    subject.requests.create("apps/v1/replicasets", workload("ReplicaSet", replicas=1))

    def owners() -> list[str]:
        metadata = subject.requests.read("pods", "lonely")["metadata"]
        return [each["name"] for each in metadata.get("ownerReferences") or ()]

    subject.until(lambda: owners() == ["web"], "it is adopted")
    assert names(subject.requests.list("pods", labels="app=web")) == ["lonely"]
    subject.requests.patch("pods", "lonely", {"metadata": {"labels": {"app": "other"}}})
    subject.until(lambda: not owners(), "it is released")
    subject.until(
        lambda: len(names(subject.requests.list("pods", labels="app=web"))) == 1, "another pod"
    )


# -- What goes with its owner ---------------------------------------------------------------------


def test_who_has_an_owner_goes_with_it(subject: Subject) -> None:
    owner = subject.requests.create("configmaps", named("v1", "ConfigMap", "owner"))
    subject.requests.create("configmaps", owned_by(owner, "owned"))
    subject.requests.delete("configmaps", "owner", propagation="Background")
    subject.until(lambda: gone(subject, "configmaps", "owned"), "it is gone")


def test_who_has_another_owner_stays_and_forgets_the_first(subject: Subject) -> None:
    one, two = (
        subject.requests.create("configmaps", named("v1", "ConfigMap", name)) for name in "ab"
    )
    body = owned_by(one, "owned")
    body["metadata"]["ownerReferences"] += owned_by(two, "owned")["metadata"]["ownerReferences"]
    subject.requests.create("configmaps", body)
    subject.requests.delete("configmaps", "a", propagation="Background")

    def owners() -> list[str]:
        metadata = subject.requests.read("configmaps", "owned")["metadata"]
        return [each["name"] for each in metadata["ownerReferences"]]

    subject.until(lambda: owners() == ["b"], "the first owner is forgotten")


def test_who_names_an_owner_that_never_was_goes(subject: Subject) -> None:
    never = {"metadata": {"name": "never", "uid": "00000000-0000-4000-8000-000000000000"}}
    subject.requests.create("configmaps", owned_by(never, "owned"))
    subject.until(lambda: gone(subject, "configmaps", "owned"), "it is gone")


def test_an_owner_waits_for_those_who_block_its_deletion(subject: Subject) -> None:
    owner = subject.requests.create("configmaps", named("v1", "ConfigMap", "owner"))
    held = owned_by(owner, "owned", blockOwnerDeletion=True)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    subject.requests.create("configmaps", held)
    going = subject.requests.delete("configmaps", "owner", propagation="Foreground")
    assert going["metadata"]["finalizers"] == ["foregroundDeletion"]
    subject.until(
        lambda: "deletionTimestamp" in subject.requests.read("configmaps", "owned")["metadata"],
        "the owned one is to go",
    )
    assert not gone(subject, "configmaps", "owner")
    subject.requests.patch("configmaps", "owned", {"metadata": {"finalizers": None}})
    subject.until(lambda: gone(subject, "configmaps", "owner"), "both are gone")


def test_an_owner_does_not_wait_for_the_others(subject: Subject) -> None:
    owner = subject.requests.create("configmaps", named("v1", "ConfigMap", "owner"))
    held = owned_by(owner, "owned")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    subject.requests.create("configmaps", held)
    subject.requests.delete("configmaps", "owner", propagation="Foreground")
    subject.until(lambda: gone(subject, "configmaps", "owner"), "the owner is gone")
    subject.requests.patch("configmaps", "owned", {"metadata": {"finalizers": None}})
    subject.until(lambda: gone(subject, "configmaps", "owned"), "both are gone")


def test_who_is_orphaned_stays(subject: Subject) -> None:
    owner = subject.requests.create("configmaps", named("v1", "ConfigMap", "owner"))
    subject.requests.create("configmaps", owned_by(owner, "owned"))
    subject.requests.delete("configmaps", "owner", propagation="Orphan")
    subject.until(lambda: gone(subject, "configmaps", "owner"), "the owner is gone")
    left = subject.requests.read("configmaps", "owned")["metadata"]
    assert not left.get("ownerReferences")


def test_a_way_to_propagate_must_be_one(subject: Subject) -> None:
    subject.requests.create("configmaps", named("v1", "ConfigMap", "owner"))
    with refused(422, "Invalid", 'Unsupported value: "Sideways"', field="propagationPolicy"):
        subject.requests.delete("configmaps", "owner", propagation="Sideways")


def test_a_namespace_that_is_to_go_takes_nothing_in(subject: Subject) -> None:
    held = named("v1", "ConfigMap", "held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    subject.requests.create("configmaps", held)
    subject.requests.delete("namespaces", subject.namespace)
    assert subject.requests.read("namespaces", subject.namespace)["status"]["phase"] == (
        "Terminating"
    )
    why = f"unable to create new content in namespace {subject.namespace} because it is being"
    with refused(403, "Forbidden", why):
        subject.requests.create("configmaps", named("v1", "ConfigMap", "late"))
    subject.requests.patch("configmaps", "held", {"metadata": {"finalizers": None}})
    subject.until(lambda: gone(subject, "namespaces", subject.namespace), "the namespace is gone")


# -- With nodes that run pods ---------------------------------------------------------------------


def job(*command: str, **spec: Any) -> Object:
    container = {"name": "work", "image": "busybox:1.36", "command": list(command)}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    return named("batch/v1", "Job", "work", spec={"template": template, **spec})


@pytest.mark.pods
def test_a_job_is_complete_once_its_pods_have_succeeded(subject: Subject) -> None:
    subject.requests.create("batch/v1/jobs", job("true", completions=2))

    def done() -> bool:
        status = subject.requests.read("batch/v1/jobs", "work").get("status", {})
        return any(
            each["type"] == "Complete" and each["status"] == "True"
            for each in status.get("conditions") or ()
        )

    subject.until(done, "it is complete")
    status = subject.requests.read("batch/v1/jobs", "work")["status"]
    assert status["succeeded"] == 2 and status["completionTime"] >= status["startTime"]
    pods = subject.requests.list("pods", labels="batch.kubernetes.io/job-name=work")["items"]
    assert {pod["status"]["phase"] for pod in pods} == {"Succeeded"}


@pytest.mark.pods
def test_a_suspended_job_runs_nothing_until_it_is_resumed(subject: Subject) -> None:
    subject.requests.create("batch/v1/jobs", job("true", suspend=True))

    def condition(type_: str) -> Any:
        status = subject.requests.read("batch/v1/jobs", "work").get("status", {})
        found = {each["type"]: each["status"] for each in status.get("conditions") or ()}
        return found.get(type_, "")

    subject.until(lambda: condition("Suspended") == "True", "it says so")
    assert names(subject.requests.list("pods")) == []
    subject.requests.patch("batch/v1/jobs", "work", {"spec": {"suspend": False}})
    subject.until(lambda: condition("Complete") == "True", "it is complete")
    assert condition("Suspended") == "False"


@pytest.mark.pods
def test_a_claim_is_bound_when_a_pod_wants_it(subject: Subject) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    subject.requests.create(
        "persistentvolumeclaims", named("v1", "PersistentVolumeClaim", "disk", spec=spec)
    )
    volume = {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}
    container = {"name": "web", "image": PAUSE}
    pod = named("v1", "Pod", "web", spec={"containers": [container], "volumes": [volume]})
    subject.requests.create("pods", pod)

    def phase() -> str:
        return str(subject.requests.read("persistentvolumeclaims", "disk")["status"]["phase"])

    subject.until(lambda: phase() == "Bound", "the claim is bound")
    claim = subject.requests.read("persistentvolumeclaims", "disk")
    held = subject.requests.read("persistentvolumes", claim["spec"]["volumeName"])
    reference = held["spec"]["claimRef"]
    assert (reference["name"], reference["uid"]) == ("disk", claim["metadata"]["uid"])
    # While a pod uses it, the claim is only marked.
    subject.requests.delete("persistentvolumeclaims", "disk")
    subject.pass_time(2)
    assert not gone(subject, "persistentvolumeclaims", "disk")
    subject.requests.delete("pods", "web")
    subject.until(lambda: gone(subject, "persistentvolumeclaims", "disk"), "the claim is gone")


@pytest.mark.pods
def test_a_stateful_set_makes_its_pods_one_after_the_other(subject: Subject) -> None:
    service = named("v1", "Service", "web", spec={"clusterIP": "None", "selector": {"app": "web"}})
    subject.requests.create("services", service)
    subject.requests.create(
        "apps/v1/statefulsets", workload("StatefulSet", replicas=2, serviceName="web")
    )

    def ready() -> int:
        found = subject.requests.read("apps/v1/statefulsets", "web").get("status", {})
        return int(found.get("readyReplicas", 0))

    subject.until(lambda: ready() == 2, "both are ready")
    first, second = subject.requests.list("pods")["items"]
    assert [first["metadata"]["name"], second["metadata"]["name"]] == ["web-0", "web-1"]
    assert second["metadata"]["creationTimestamp"] >= first["metadata"]["creationTimestamp"]
    assert first["spec"]["hostname"] == "web-0"
    subject.requests.patch("apps/v1/statefulsets", "web", {"spec": {"replicas": 1}})
    subject.until(lambda: names(subject.requests.list("pods")) == ["web-0"], "the last one goes")


@pytest.mark.pods
def test_a_daemon_set_has_a_pod_on_each_node(subject: Subject) -> None:
    subject.requests.create("apps/v1/daemonsets", workload("DaemonSet"))

    def status() -> Any:
        return subject.requests.read("apps/v1/daemonsets", "web").get("status", {})

    subject.until(
        lambda: status().get("numberReady") == status().get("desiredNumberScheduled", -1) > 0,
        "all are ready",
    )
    nodes = [pod["spec"]["nodeName"] for pod in subject.requests.list("pods")["items"]]
    assert len(nodes) == len(set(nodes)) == status()["desiredNumberScheduled"]


@pytest.mark.pods
def test_a_budget_holds_an_eviction_back(subject: Subject) -> None:
    subject.requests.create(PLACE, deployment(image=PAUSE, replicas=1))
    spec = {"minAvailable": 1, "selector": SELECTOR}
    place = "policy/v1/poddisruptionbudgets"
    budget = named("policy/v1", "PodDisruptionBudget", "web", spec=spec)
    subject.requests.create(place, budget)
    subject.until(
        lambda: subject.requests.read(place, "web").get("status", {}).get("currentHealthy") == 1,
        "the budget counts the pod",
    )
    (name,) = names(subject.requests.list("pods"))
    eviction = named("policy/v1", "Eviction", name)
    why = "Cannot evict pod as it would violate the pod's disruption budget."
    with refused(429, "TooManyRequests", why):
        subject.requests.create("pods", eviction, name=name, sub="eviction")
    subject.requests.delete(place, "web")
    assert subject.requests.create("pods", eviction, name=name, sub="eviction")["status"] == (
        "Success"
    )
    subject.until(lambda: gone(subject, "pods", name), "it is evicted")


def test_an_eviction_may_be_of_the_older_version(subject: Subject) -> None:
    spec = {"containers": [{"name": "a", "image": PAUSE}], "schedulerName": "none"}
    subject.requests.create("pods", named("v1", "Pod", "a", spec=spec))
    eviction = named("policy/v1beta1", "Eviction", "a")
    told = subject.requests.create("pods", eviction, name="a", sub="eviction")
    assert (told["kind"], told["status"]) == ("Status", "Success")
    subject.until(lambda: gone(subject, "pods", "a"), "it is evicted")


@pytest.mark.pods
def test_an_undone_rollout_is_the_newest_revision(subject: Subject) -> None:
    """What `kubectl rollout undo` does: the template of an older ReplicaSet is put back."""
    subject.requests.create(PLACE, deployment(image=PAUSE, replicas=1))

    def complete(generation: int) -> bool:
        status = subject.requests.read(PLACE, "web").get("status", {})
        reasons = {each["type"]: each["reason"] for each in status.get("conditions") or ()}
        return (
            status.get("observedGeneration") == generation
            and reasons.get("Progressing") == "NewReplicaSetAvailable"
            and status.get("updatedReplicas") == status.get("replicas") == 1
        )

    subject.until(lambda: complete(1), "revision 1 is complete")
    broken = deployment(image="registry.k8s.io/pause:does-not-exist", replicas=1)
    subject.requests.patch(PLACE, "web", broken, type="strategic")
    subject.until(lambda: "2" in replica_sets(subject), "revision 2")
    old = replica_sets(subject)["1"]["spec"]["template"]
    del old["metadata"]["labels"]["pod-template-hash"]
    step = [{"op": "replace", "path": "/spec/template", "value": old}]
    subject.requests.patch(PLACE, "web", step, type="json")
    subject.until(lambda: complete(3), "the undo is complete")
    assert set(replica_sets(subject)) == {"2", "3"}
    live = subject.requests.read(PLACE, "web")
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


@pytest.mark.pods
def test_a_rollout_that_does_not_get_on_says_so(subject: Subject) -> None:
    body = deployment(
        image="registry.k8s.io/pause:does-not-exist", replicas=1, progressDeadlineSeconds=5
    )
    subject.requests.create(PLACE, body)

    def progress() -> tuple[str, str]:
        status = subject.requests.read(PLACE, "web").get("status", {})
        found = {each["type"]: each for each in status.get("conditions") or ()}
        condition = found.get("Progressing", {"status": "", "reason": ""})
        return condition["status"], condition["reason"]

    subject.until(lambda: progress() == ("False", "ProgressDeadlineExceeded"), "it says so")


@pytest.mark.pods
def test_a_pod_that_runs_has_time_to_end(subject: Subject) -> None:
    spec = {"containers": [{"name": "web", "image": PAUSE}], "terminationGracePeriodSeconds": 3}
    subject.requests.create("pods", named("v1", "Pod", "web", spec=spec))
    subject.until(
        lambda: subject.requests.read("pods", "web")["status"]["phase"] == "Running", "it runs"
    )
    going = subject.requests.delete("pods", "web")
    assert going["metadata"]["deletionGracePeriodSeconds"] == 3
    assert going["metadata"]["deletionTimestamp"]
    subject.until(lambda: gone(subject, "pods", "web"), "it is gone")


@pytest.mark.pods
def test_a_pod_that_fits_nowhere_says_why(subject: Subject) -> None:
    spec = {"containers": [{"name": "web", "image": PAUSE}], "nodeSelector": {"no": "where"}}
    subject.requests.create("pods", named("v1", "Pod", "web", spec=spec))

    def told() -> str:
        conditions = subject.requests.read("pods", "web")["status"].get("conditions") or ()
        return next((c["message"] for c in conditions if c.get("reason") == "Unschedulable"), "")

    message = subject.until(told, "it says so")
    assert "nodes are available" in message
    assert "didn't match Pod's node affinity/selector" in message


def test_a_selector_without_pods_is_no_error(subject: Subject) -> None:
    ports = [{"port": 80}]
    spec = {"selector": {"app": "none"}, "ports": ports}
    subject.requests.create("services", named("v1", "Service", "web", spec=spec))

    def slices() -> Any:
        return subject.requests.list(
            "discovery.k8s.io/v1/endpointslices", labels="kubernetes.io/service-name=web"
        )["items"]

    (found,) = subject.until(slices, "a slice")
    assert not found.get("endpoints")
    assert found["metadata"]["ownerReferences"][0]["kind"] == "Service"
    subject.requests.delete("services", "web")
    subject.until(lambda: not slices(), "the slice is gone")


@pytest.mark.pods
def test_a_pod_is_bound_once(subject: Subject) -> None:
    spec = {"containers": [{"name": "web", "image": PAUSE}]}
    subject.requests.create("pods", named("v1", "Pod", "web", spec=spec))
    subject.until(
        lambda: subject.requests.read("pods", "web")["spec"].get("nodeName"), "it is bound"
    )
    binding = {
        **named("v1", "Binding", "web"),
        "target": {"apiVersion": "v1", "kind": "Node", "name": "other"},
    }
    with pytest.raises(ApiError) as refusal:
        subject.requests.create("pods", binding, name="web", sub="binding")
    assert refusal.value.code == 409
    assert "is already assigned to node" in refusal.value.message
