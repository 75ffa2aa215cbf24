from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from kubesim.api.quotas import counted
from kubesim.quantity import Quantity
from tests.kubesim.controllers.world import World, condition

QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: compute}
spec: {hard: {pods: "2", services.nodeports: "2"}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: "web:1"}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
"""


def used(world: World, name: str = "pods") -> str:
    found: str = world.get("ResourceQuota", "compute")["status"]["used"][name]
    return found


def test_a_new_quota_tells_what_is_limited_and_used() -> None:
    world = World()
    world.create(POD)
    made = world.create(QUOTA)
    assert made["status"] == {}
    assert world.get("ResourceQuota", "compute")["status"] == {
        "hard": {"pods": "2", "services.nodeports": "2"},
        "used": {"pods": "1", "services.nodeports": "0"},
    }


def test_what_is_deleted_is_given_back() -> None:
    world = World()
    world.create(QUOTA)
    world.create(POD)
    assert used(world) == "1"
    world.delete("Pod", "web", grace_period=0)
    assert used(world) == "0"


def test_a_pod_that_ends_is_given_back() -> None:
    world = World()
    world.create(QUOTA)
    world.create(POD)
    pod = world.get("Pod", "web")
    world.api.update(
        world.resource("Pod"),
        "web",
        {**pod, "status": {**pod["status"], "phase": "Failed"}},
        namespace="default",
        subresource="status",
    )
    world.run()
    assert used(world) == "0"


def test_a_service_gives_its_node_ports_back_when_it_changes() -> None:
    world = World()
    world.create(QUOTA)
    world.create(SERVICE)
    assert used(world, "services.nodeports") == "1"
    world.patch("Service", "web", {"spec": {"type": "ClusterIP"}})
    assert used(world, "services.nodeports") == "0"


def test_a_changed_quota_is_counted_again() -> None:
    world = World()
    world.create(POD)
    world.create(QUOTA)
    world.patch("ResourceQuota", "compute", {"spec": {"hard": {"configmaps": "5"}}})
    status = world.get("ResourceQuota", "compute")["status"]
    assert status["hard"].keys() == {"pods", "services.nodeports", "configmaps"}
    assert status["used"]["configmaps"] == "1"  # the cluster's certificate


def test_a_deployment_tells_that_its_pods_are_refused_and_goes_on_when_there_is_room() -> None:
    world = World()
    world.create(QUOTA)
    world.create(DEPLOYMENT)
    world.run(10)
    replica_set = world.all("ReplicaSet")[0]
    failure = condition(replica_set, "ReplicaFailure")
    assert failure["status"] == "True"
    assert failure["reason"] == "FailedCreate"
    text = "exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2"
    assert text in failure["message"]
    assert condition(world.get("Deployment", "web"), "ReplicaFailure")["reason"] == "FailedCreate"
    told = world.told(replica_set["metadata"]["name"], kind="ReplicaSet")
    assert any(each.startswith("FailedCreate: Error creating: pods") for each in told)
    assert len(world.all("Pod")) == 2
    world.patch("ResourceQuota", "compute", {"spec": {"hard": {"pods": "5"}}})
    world.until(lambda: len(world.all("Pod")) == 3, limit=1000)
    assert not condition(world.all("ReplicaSet")[0], "ReplicaFailure")


def test_a_rollout_under_a_full_quota_stands_still_until_there_is_room() -> None:
    world = World()
    world.create(QUOTA)
    world.create(DEPLOYMENT.replace("replicas: 3", "replicas: 2"))
    world.run(30)
    image = {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}
    world.patch("Deployment", "web", {"spec": {"template": image}}, type="strategic")
    world.run(120)

    def images() -> list[str]:
        return [pod["spec"]["containers"][0]["image"] for pod in world.all("Pod")]

    assert images() == ["web:1", "web:1"]
    assert world.get("Deployment", "web")["status"]["availableReplicas"] == 2
    world.patch("ResourceQuota", "compute", {"spec": {"hard": {"pods": "3"}}})
    world.until(lambda: images() == ["web:2", "web:2"], limit=2000)


def test_charges_and_counting_agree() -> None:
    world = World()
    world.create(QUOTA)
    world.create(DEPLOYMENT)
    world.create(SERVICE)
    world.run(60)
    charged = world.get("ResourceQuota", "compute")["status"]["used"]
    world.patch("ResourceQuota", "compute", {"metadata": {"labels": {"count": "again"}}})
    assert world.get("ResourceQuota", "compute")["status"]["used"] == charged


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["create", "delete", "end", "resize"]), st.integers(0, 3)),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(ACTIONS)
def test_whatever_happens_no_more_is_used_than_allowed_and_the_status_is_true(
    actions: list[tuple[str, int]],
) -> None:
    world = World()
    world.create(QUOTA, spec={"hard": {"pods": "3", "requests.cpu": "350m", "count/pods": "9"}})
    for action, number in actions:
        name = f"pod-{number}"
        try:
            _act(world, action, name)
        except ApiError as error:
            assert error.code in (403, 404, 409, 422)
        status = world.get("ResourceQuota", "compute")["status"]
        for what, amount in status["used"].items():
            assert Quantity.of(amount) <= Quantity.of(status["hard"][what])
        assert status == counted(world.api.store, world.get("ResourceQuota", "compute"))


def _act(world: World, action: str, name: str) -> None:
    if action == "create":
        requests = {"requests": {"cpu": "100m"}}
        containers = [{"name": "web", "image": "web:1", "resources": requests}]
        world.create(POD, metadata={"name": name}, spec={"containers": containers})
    elif action == "delete":
        world.delete("Pod", name, grace_period=0)
    elif action == "resize":
        container = {"name": "web", "resources": {"requests": {"cpu": "200m"}}}
        patch = {"spec": {"containers": [container]}}
        world.patch("Pod", name, patch, type="strategic", subresource="resize")
    else:
        world.patch("Pod", name, {"status": {"phase": "Failed"}}, subresource="status")
