"""Pods from the moment they are bound to a node until they are gone."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from gitops_lab.model import Object
from kubesim.clock import EPOCH, timestamp
from kubesim.controllers import Controllers
from kubesim.controllers.images import Behaviour, Catalogue
from tests.kubesim.controllers.world import STEADY, World, condition

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: 'web:1'}]}
"""


@pytest.fixture
def world() -> World:
    return World()


def spec(**container: Any) -> Object:
    return {"containers": [{"name": "web", "image": "web:1", **container}]}


def run_pod(world: World, *, restart: str = "Always", **container: Any) -> None:
    world.create(POD, spec={**spec(**container), "restartPolicy": restart})


def phase(world: World, name: str = "web") -> str:
    found: str = world.pod(name)["status"]["phase"]
    return found


# -- from bound to ready ------------------------------------------------------------------------


def test_a_pod_is_pulled_then_runs_then_gets_ready(world: World) -> None:
    world.create(POD)
    assert (phase(world), world.state()) == ("Pending", "ContainerCreating")
    world.run(1.9)
    assert world.state() == "ContainerCreating"
    world.run(0.1)
    assert (phase(world), world.state()) == ("Running", "running")
    assert condition(world.pod(), "Ready")["status"] == "False"
    world.run(3)
    assert condition(world.pod(), "Ready")["status"] == "True"


def test_the_events_of_a_start_are_the_kubelets(world: World) -> None:
    world.create(POD)
    world.run(10)
    assert world.told("web") == [
        "Scheduled: Successfully assigned default/web to node-1",
        'Pulling: Pulling image "web:1"',
        world.told("web")[2],
        "Created: Container created",
        "Started: Container started",
    ]
    assert world.told("web")[2].startswith(
        'Pulled: Successfully pulled image "web:1" in 2s (2s including waiting). Image size: '
    )


def test_a_pod_that_waits_says_why_in_its_conditions(world: World) -> None:
    world.create(POD)
    pod = world.pod()
    assert [each["type"] for each in pod["status"]["conditions"]] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    for each in ("Ready", "ContainersReady"):
        assert condition(pod, each)["reason"] == "ContainersNotReady"
        assert condition(pod, each)["message"] == "containers with unready status: [web]"
    assert condition(pod, "PodScheduled")["status"] == "True"
    assert condition(pod, "Initialized")["status"] == "True"


def test_a_running_pod_reports_where_and_what_it_is(world: World) -> None:
    world.create(POD)
    world.run(10)
    status, container = world.pod()["status"], world.container()
    assert status["podIP"] == "10.244.0.2"
    assert status["podIPs"] == [{"ip": "10.244.0.2"}]
    assert status["hostIP"] == "172.18.0.2"
    assert status["startTime"] == timestamp(EPOCH)
    assert status["qosClass"] == "BestEffort"
    assert status["observedGeneration"] == world.pod()["metadata"]["generation"]
    assert container["image"] == "docker.io/library/web:1"
    assert container["imageID"].startswith("docker.io/library/web@sha256:")
    assert container["containerID"].startswith("containerd://")
    assert (container["ready"], container["started"], container["restartCount"]) == (True, True, 0)
    assert container["state"] == {"running": {"startedAt": timestamp(EPOCH + 2)}}


def test_conditions_change_their_time_only_with_their_status(world: World) -> None:
    world.create(POD)
    world.run(10)
    assert condition(world.pod(), "PodScheduled")["lastTransitionTime"] == timestamp(EPOCH)
    assert condition(world.pod(), "Ready")["lastTransitionTime"] == timestamp(EPOCH + 5)


def test_a_pod_at_rest_is_not_written_again(world: World) -> None:
    world.create(POD)
    world.run(10)
    before = world.pod()["metadata"]["resourceVersion"]
    world.run(3000)
    assert world.pod()["metadata"]["resourceVersion"] == before


def test_every_pod_has_an_address_of_its_own(world: World) -> None:
    for name in "abcde":
        world.create(POD, metadata={"name": name})
    world.run(10)
    addresses = [pod["status"]["podIP"] for pod in world.all("Pod")]
    assert len(set(addresses)) == 5


def test_addresses_of_pods_that_are_gone_come_round_again() -> None:
    world = World(STEADY.with_("*", pull_seconds=0, stop_seconds=0))
    for _ in range(300):
        world.create(POD)
        world.delete("Pod", "web", grace_period=0)
    world.create(POD)
    assert world.pod()["status"]["podIP"].startswith("10.244.0.")


def test_a_pod_on_the_hosts_network_has_the_hosts_address(world: World) -> None:
    world.create(POD, spec={**spec(), "hostNetwork": True})
    world.run(10)
    assert world.pod()["status"]["podIP"] == world.pod()["status"]["hostIP"]


def test_a_foreign_condition_stays(world: World) -> None:
    world.create(POD)
    mine = {"type": "example.org/Checked", "status": "True"}
    conditions = [*world.pod()["status"]["conditions"], mine]
    world.patch("Pod", "web", {"status": {"conditions": conditions}}, subresource="status")
    world.run(10)
    assert condition(world.pod(), "example.org/Checked")["status"] == "True"
    assert condition(world.pod(), "Ready")["status"] == "True"


def test_a_readiness_gate_keeps_a_pod_unready_until_it_opens(world: World) -> None:
    gate = "example.org/Checked"
    world.create(POD, spec={**spec(), "readinessGates": [{"conditionType": gate}]})
    world.run(10)
    assert condition(world.pod(), "ContainersReady")["status"] == "True"
    assert condition(world.pod(), "Ready")["reason"] == "ReadinessGatesNotReady"
    conditions = [*world.pod()["status"]["conditions"], {"type": gate, "status": "True"}]
    world.patch("Pod", "web", {"status": {"conditions": conditions}}, subresource="status")
    assert condition(world.pod(), "Ready")["status"] == "True"


# -- images -------------------------------------------------------------------------------------


def test_an_image_that_is_on_the_node_is_not_pulled_again(world: World) -> None:
    world.create(POD)
    world.run(10)
    world.create(POD, metadata={"name": "second"})
    assert world.state("second") == "running"
    assert (
        'Pulled: Container image "web:1" already present on machine and can be accessed by the pod'
        in world.told("second")
    )


def test_two_pods_share_one_pull(world: World) -> None:
    world.create(POD)
    world.run(1)
    world.create(POD, metadata={"name": "second"})
    world.run(1)
    assert world.state("second") == "running"


def test_each_node_pulls_for_itself() -> None:
    world = World(nodes=2)
    world.create(POD)
    world.run(10)
    first = world.pod()["spec"]["nodeName"]
    world.create(POD, metadata={"name": "second"})
    assert world.pod("second")["spec"]["nodeName"] != first
    assert world.state("second") == "ContainerCreating"


def test_with_the_policy_always_the_registry_is_asked_again(world: World) -> None:
    world.create(POD)
    world.run(10)
    pod = spec(imagePullPolicy="Always")
    world.create(POD, metadata={"name": "second"}, spec=pod)
    assert world.state("second") == "ContainerCreating"
    world.run(1)
    assert world.state("second") == "running"
    assert 'Pulling: Pulling image "web:1"' in world.told("second")


def test_with_the_policy_never_only_an_image_that_is_there_is_used(world: World) -> None:
    run_pod(world, imagePullPolicy="Never")
    world.run(600)
    assert world.state() == "ErrImageNeverPull"
    assert (
        'ErrImageNeverPull: Container image "web:1" is not present with pull policy of Never'
        in world.told("web")
    )


def test_an_image_that_does_not_exist_is_tried_again_ever_more_rarely(world: World) -> None:
    run_pod(world, image="web:missing")
    states: list[tuple[int, str]] = []
    for second in range(120):
        states.append((second, world.state()))
        world.run(1)
    turns = [
        state for before, state in zip([(0, ""), *states], states, strict=False)
        if before[1] != state[1]
    ]  # fmt: skip
    assert turns == [
        (0, "ContainerCreating"),
        (1, "ErrImagePull"),
        (2, "ImagePullBackOff"),
        (12, "ErrImagePull"),
        (13, "ImagePullBackOff"),
        (33, "ErrImagePull"),
        (34, "ImagePullBackOff"),
        (74, "ErrImagePull"),
        (75, "ImagePullBackOff"),
    ]
    assert phase(world) == "Pending"


def test_a_failed_pull_says_what_containerd_says(world: World) -> None:
    run_pod(world, image="web:missing")
    world.run(1)
    why = (
        "rpc error: code = NotFound desc = failed to pull and unpack image "
        '"docker.io/library/web:missing": failed to resolve reference '
        '"docker.io/library/web:missing": docker.io/library/web:missing: not found'
    )
    assert world.container()["state"]["waiting"] == {"reason": "ErrImagePull", "message": why}
    assert f'Failed: Failed to pull image "web:missing": {why}' in world.told("web")
    world.run(1)
    assert world.container()["state"]["waiting"] == {
        "reason": "ImagePullBackOff",
        "message": f'Back-off pulling image "web:missing": ErrImagePull: {why}',
    }
    assert 'BackOff: Back-off pulling image "web:missing"' in world.told("web")
    assert "Failed: Error: ImagePullBackOff" in world.told("web")


@pytest.mark.parametrize(("error", "text"), [("denied", "pull access denied"), ("timeout", "i/o")])
def test_a_pull_fails_for_the_declared_reason(error: str, text: str) -> None:
    world = World(STEADY.with_("web", pull_error=error))
    world.create(POD)
    world.run(5)
    assert text in world.container()["state"]["waiting"]["message"]


def test_a_registry_that_comes_back_lets_the_pod_start(world: World) -> None:
    world.kubelet.images = STEADY.with_("web", pull_error="timeout")
    world.create(POD)
    world.run(30)
    world.kubelet.images = STEADY
    world.run(60)
    assert world.state() == "running"


def test_the_wait_between_pulls_ends_at_five_minutes(world: World) -> None:
    run_pod(world, image="web:missing")
    world.run(3600)
    world.until(lambda: world.state() == "ErrImagePull")
    world.run(2)
    # A second to be told of it, as long as that is shown, then five minutes from the failure.
    assert world.until(lambda: world.state() == "ErrImagePull") == 300 + 1 - 2


def test_a_name_that_is_no_image_is_refused(world: World) -> None:
    run_pod(world, image="Web:1")
    assert world.state() == "InvalidImageName"
    assert "InspectFailed" in world.reasons("web")


def test_another_image_in_a_live_pod_restarts_the_container(world: World) -> None:
    world.create(POD)
    world.run(10)
    world.patch("Pod", "web", {"spec": spec(image="web:2")}, type="strategic")
    world.run(10)
    assert "Killing: Container web definition changed, will be restarted" in world.told("web")
    assert world.container()["image"] == "docker.io/library/web:2"
    assert world.container()["restartCount"] == 1


def test_another_image_ends_the_wait_for_one_that_does_not_exist(world: World) -> None:
    run_pod(world, image="web:missing")
    world.run(400)
    world.patch("Pod", "web", {"spec": spec(image="web:2")}, type="strategic")
    assert world.until(lambda: world.state() == "running") == 2


# -- ends and restarts --------------------------------------------------------------------------


def has_started(world: World, restarts: int) -> bool:
    """Whether the container runs after so many restarts."""
    return world.state() == "running" and world.container()["restartCount"] == restarts


def test_a_container_that_crashes_is_restarted_with_real_backoff(world: World) -> None:
    run_pod(world, image="web:crash")
    starts: list[float] = []
    for count in range(9):
        started = partial(has_started, world, count)
        world.until(started, limit=400)
        starts.append(world.now)
    # It ends a second after each start, and the wait counts from there.
    waits = [later - earlier - 1 for earlier, later in pairwise(starts)]
    assert waits == [1, 10, 20, 40, 80, 160, 300, 300]


def test_a_crash_loop_shows_error_then_backoff_and_keeps_the_last_end(world: World) -> None:
    run_pod(world, image="web:crash")
    world.run(3)
    assert world.state() == "Error"
    assert world.container()["state"]["terminated"]["exitCode"] == 1
    world.run(3)
    assert world.state() == "CrashLoopBackOff"
    pod = world.pod()
    waiting = world.container()["state"]["waiting"]
    uid = pod["metadata"]["uid"]
    assert waiting["message"] == (
        f"back-off 10s restarting failed container=web pod=web_default({uid})"
    )
    assert world.container()["lastState"]["terminated"]["exitCode"] == 1
    assert world.container()["restartCount"] == 1
    assert phase(world) == "Running"
    assert condition(pod, "Ready")["status"] == "False"
    backoff = f"BackOff: Back-off restarting failed container web in pod web_default({uid})"
    assert backoff in world.told("web")


def test_ten_quiet_minutes_make_the_backoff_start_again() -> None:
    world = World(STEADY.with_("web", crash_after=601))
    world.create(POD)
    for _ in range(4):
        world.run(604.5)
    assert world.container()["restartCount"] == 4  # three, had the second restart waited
    assert world.state() == "running"


@pytest.mark.parametrize(
    ("restart", "image", "ends"),
    [
        ("Never", "job:1", "Succeeded"),
        ("OnFailure", "job:1", "Succeeded"),
        ("Never", "job:crash", "Failed"),
        ("OnFailure", "job:crash", "Running"),
    ],
)
def test_the_restart_policy_decides_how_a_task_ends(restart: str, image: str, ends: str) -> None:
    world = World()
    run_pod(world, restart=restart, image=image)
    world.run(30)
    assert phase(world) == ends


def test_a_pod_that_completed_says_so(world: World) -> None:
    run_pod(world, restart="Never")
    world.run(30)
    assert world.state() == "Completed"
    assert world.container()["state"]["terminated"]["exitCode"] == 0
    assert condition(world.pod(), "Ready") | {"lastTransitionTime": ""} == {
        "type": "Ready",
        "status": "False",
        "reason": "PodCompleted",
        "observedGeneration": 1,
        "lastProbeTime": None,
        "lastTransitionTime": "",
    }


def test_a_server_that_completes_is_started_again() -> None:
    world = World(STEADY.with_("web", completes_after=5))
    world.create(POD)
    world.run(9)
    assert world.container()["restartCount"] == 1


def test_a_pod_ends_at_its_deadline(world: World) -> None:
    world.create(POD, spec={**spec(), "activeDeadlineSeconds": 20})
    world.run(19)
    assert phase(world) == "Running"
    world.run(5)
    status = world.pod()["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


# -- init containers ----------------------------------------------------------------------------

INIT = {
    "initContainers": [{"name": "one", "image": "one:1"}, {"name": "two", "image": "two:1"}],
    **spec(),
}


def test_init_containers_run_one_after_the_other_before_the_rest() -> None:
    world = World(STEADY.with_("*", pull_seconds=0, task_seconds=4))
    world.create(POD, spec=INIT)
    one, two = world.pod()["status"]["initContainerStatuses"]
    assert "running" in one["state"]
    assert two["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert world.state() == "PodInitializing"
    assert condition(world.pod(), "Initialized")["message"] == (
        "containers with incomplete status: [one two]"
    )
    world.run(5)
    assert "running" in world.pod()["status"]["initContainerStatuses"][1]["state"]
    assert phase(world) == "Pending"
    world.run(5)
    assert (phase(world), world.state()) == ("Running", "running")
    assert condition(world.pod(), "Initialized")["status"] == "True"


def test_an_init_container_that_fails_for_good_fails_the_pod(world: World) -> None:
    pod = {"initContainers": [{"name": "one", "image": "one:crash"}], **spec()}
    world.create(POD, spec={**pod, "restartPolicy": "Never"})
    world.run(30)
    assert phase(world) == "Failed"


def test_an_init_container_that_fails_is_tried_again(world: World) -> None:
    world.create(POD, spec={"initContainers": [{"name": "one", "image": "one:crash"}], **spec()})
    world.run(60)
    assert phase(world) == "Pending"
    assert world.pod()["status"]["initContainerStatuses"][0]["restartCount"] >= 2


def test_a_sidecar_starts_first_and_runs_on(world: World) -> None:
    sidecar = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}
    world.create(POD, spec={"initContainers": [sidecar], **spec()})
    world.run(20)
    assert "running" in world.pod()["status"]["initContainerStatuses"][0]["state"]
    assert world.state() == "running"
    assert condition(world.pod(), "Ready")["status"] == "True"


def test_a_sidecar_ends_when_the_task_is_done(world: World) -> None:
    sidecar = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}
    world.create(POD, spec={"initContainers": [sidecar], **spec(), "restartPolicy": "Never"})
    world.run(60)
    assert phase(world) == "Succeeded"
    proxy = world.pod()["status"]["initContainerStatuses"][0]
    assert "terminated" in proxy["state"]


# -- configuration ------------------------------------------------------------------------------

SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {GREETING: hello, LEVEL: '3'}
"""

ONE_KEY = {
    "name": "GREETING",
    "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "GREETING"}},
}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "settings"}}]}, 'configmap "settings" not found'),
        ({"envFrom": [{"secretRef": {"name": "keys"}}]}, 'secret "keys" not found'),
        ({"env": [ONE_KEY]}, 'configmap "settings" not found'),
    ],
)
def test_missing_configuration_keeps_a_container_from_starting(
    world: World, container: Object, message: str
) -> None:
    run_pod(world, **container)
    world.run(30)
    assert world.container()["state"]["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": message,
    }
    assert f"Failed: Error: {message}" in world.told("web")
    assert phase(world) == "Pending"


def test_a_missing_key_is_named(world: World) -> None:
    world.create(SETTINGS, data={"OTHER": "x"})
    run_pod(world, env=[ONE_KEY])
    world.run(30)
    assert world.container()["state"]["waiting"]["message"] == (
        "couldn't find key GREETING in ConfigMap default/settings"
    )


def test_the_container_starts_once_the_configuration_is_there(world: World) -> None:
    run_pod(world, envFrom=[{"configMapRef": {"name": "settings"}}])
    world.run(30)
    world.create(SETTINGS)
    assert world.state() == "running"


def test_optional_configuration_may_be_missing(world: World) -> None:
    run_pod(world, envFrom=[{"configMapRef": {"name": "settings", "optional": True}}])
    world.run(30)
    assert world.state() == "running"


def test_a_volume_of_a_missing_config_map_keeps_the_pod_creating(world: World) -> None:
    volume = {"name": "files", "configMap": {"name": "settings"}}
    world.create(POD, spec={**spec(), "volumes": [volume]})
    world.run(30)
    assert world.state() == "ContainerCreating"
    assert condition(world.pod(), "PodReadyToStartContainers")["status"] == "False"
    assert "podIP" not in world.pod()["status"]
    assert (
        'FailedMount: MountVolume.SetUp failed for volume "files" : configmap "settings" not found'
        in world.told("web")
    )
    world.create(SETTINGS)
    world.run(2)
    assert world.state() == "running"


# -- what a pod says ----------------------------------------------------------------------------


def test_a_pod_answers_when_it_is_ready(world: World) -> None:
    world.create(POD)
    world.run(4)
    assert world.kubelet.answer("default", "web") is None
    world.run(1)
    assert world.kubelet.answer("default", "web") == "web 1"


def test_an_answer_keeps_the_environment_of_the_start_and_follows_mounted_files() -> None:
    world = World(STEADY.with_("web", answer="{GREETING} {page}"))
    world.create(SETTINGS, data={"GREETING": "hello", "page": "old"})
    mounts = [{"name": "files", "mountPath": "/srv"}]
    pod = spec(env=[ONE_KEY], volumeMounts=mounts)
    volumes = [{"name": "files", "configMap": {"name": "settings"}}]
    world.create(POD, spec={**pod, "volumes": volumes})
    world.run(10)
    assert world.kubelet.answer("default", "web") == "hello old"
    world.patch("ConfigMap", "settings", {"data": {"GREETING": "moin", "page": "new"}})
    assert world.kubelet.answer("default", "web") == "hello new"


# -- deletion -----------------------------------------------------------------------------------


def test_a_deleted_pod_stops_and_then_goes(world: World) -> None:
    world.create(POD)
    world.run(10)
    world.delete("Pod", "web")
    assert "deletionTimestamp" in world.pod()["metadata"]
    assert world.state() == "running"
    assert "Killing: Stopping container web" in world.told("web")
    world.run(1)
    assert world.find("Pod", "web") is None


def test_a_pod_has_no_more_than_its_grace_to_stop() -> None:
    world = World(STEADY.with_("web", stop_seconds=100))
    world.create(POD, spec={**spec(), "terminationGracePeriodSeconds": 10})
    world.run(10)
    world.delete("Pod", "web")
    assert world.until(lambda: world.find("Pod", "web") is None) == 10


def test_asking_again_with_less_grace_is_quicker() -> None:
    world = World(STEADY.with_("web", stop_seconds=100))
    world.create(POD)
    world.run(10)
    world.delete("Pod", "web")
    world.delete("Pod", "web", grace_period=2)
    assert world.until(lambda: world.find("Pod", "web") is None) == 2


def test_a_pod_that_never_started_goes_at_once(world: World) -> None:
    run_pod(world, image="web:missing")
    world.run(5)
    world.delete("Pod", "web")
    assert world.find("Pod", "web") is None


def test_a_finalizer_keeps_a_stopped_pod_and_its_last_status(world: World) -> None:
    world.create(POD, metadata={"name": "web", "finalizers": ["example.org/keep"]})
    world.run(10)
    world.delete("Pod", "web")
    world.run(60)
    assert phase(world) == "Succeeded"
    assert world.state() == "Completed"
    world.patch("Pod", "web", {"metadata": {"finalizers": None}})
    assert world.find("Pod", "web") is None


def test_a_pre_stop_hook_takes_its_time(world: World) -> None:
    run_pod(world, lifecycle={"preStop": {"sleep": {"seconds": 5}}})
    world.run(10)
    world.delete("Pod", "web")
    assert world.until(lambda: world.find("Pod", "web") is None) == 6


# -- nodes and new kubelets ---------------------------------------------------------------------


def test_nodes_join_ready_and_with_room() -> None:
    world = World(nodes=3)
    nodes = world.all("Node")
    assert [node["metadata"]["name"] for node in nodes] == ["node-1", "node-2", "node-3"]
    assert all(condition(node, "Ready")["status"] == "True" for node in nodes)
    assert nodes[0]["status"]["allocatable"]["pods"] == "110"
    assert len({node["status"]["addresses"][0]["address"] for node in nodes}) == 3


def test_a_node_that_is_added_later_takes_pods(world: World) -> None:
    world.create("{apiVersion: v1, kind: Node, metadata: {name: extra, labels: {a: b}}}")
    world.create(POD, spec={**spec(), "nodeSelector": {"a": "b"}})
    world.run(10)
    assert world.state() == "running"
    assert world.pod()["spec"]["nodeName"] == "extra"


def test_a_node_takes_on_pods_that_were_bound_to_it_before_it_came(world: World) -> None:
    world.create(POD, spec={**spec(), "nodeName": "late"})
    world.run(10)
    assert phase(world) == "Pending"
    world.create("{apiVersion: v1, kind: Node, metadata: {name: late}}")
    world.run(10)
    assert world.state() == "running"


def test_a_new_kubelet_goes_on_where_the_old_one_stopped(world: World) -> None:
    world.create(POD)
    run = {"name": "looping"}
    world.create(POD, metadata=run, spec=spec(image="web:crash"))
    world.run(20)
    before = world.container()
    world.controllers = Controllers(world.api, images=STEADY, rng=Random(9))
    world.run(5)
    assert world.container() == before
    world.run(600)
    assert world.container("looping")["restartCount"] >= 3
    world.delete("Pod", "web")
    world.run(2)
    assert world.find("Pod", "web") is None


def test_what_a_pod_uses_is_what_its_images_declare() -> None:
    world = World(Catalogue((("web", Behaviour(cpu=120)),)))
    world.create(POD, spec={"containers": [*spec()["containers"], {"name": "b", "image": "web:2"}]})
    world.create(POD, metadata={"name": "other"}, spec=spec(image="other:1"))
    world.run(10)
    assert world.kubelet.usage("default", "web") == 240
    assert world.kubelet.usage("default", "other") is None


# -- what a running pod can be given -----------------------------------------------------------


def test_a_resized_container_runs_on_with_what_it_is_given(world: World) -> None:
    run_pod(world, resources={"requests": {"cpu": "100m"}})
    world.run(10)
    amounts = {"limits": {"cpu": "1"}, "requests": {"cpu": "200m"}}
    patch = {"spec": spec(resources=amounts)}
    world.patch("Pod", "web", patch, type="strategic", subresource="resize")
    status = world.container()
    assert status["resources"] == amounts
    assert status["allocatedResources"] == amounts["requests"]
    assert (world.state(), status["restartCount"]) == ("running", 0)
    pod = world.pod()
    assert pod["status"]["observedGeneration"] == pod["metadata"]["generation"] == 2


def test_a_container_is_restarted_for_a_resize_if_it_asks_for_that(world: World) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    amounts = {"requests": {"cpu": "100m", "memory": "1Mi"}}
    run_pod(world, resources=amounts, resizePolicy=policy)
    world.run(10)

    def resize(**requests: str) -> int:
        patch = {"spec": {"containers": [{"name": "web", "resources": {"requests": requests}}]}}
        world.patch("Pod", "web", patch, type="strategic", subresource="resize")
        world.run(40)
        count: int = world.container()["restartCount"]
        return count

    assert resize(cpu="200m") == 0
    assert resize(memory="2Mi") == 1
    assert world.container()["resources"]["requests"] == {"cpu": "200m", "memory": "2Mi"}
    assert "Killing: Container web resize requires restart" in world.told("web")


def debug(world: World, image: str) -> None:
    patch = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": image}]}}
    world.patch("Pod", "web", patch, type="strategic", subresource="ephemeralcontainers")


def debugger(world: World) -> Object:
    [status] = world.pod()["status"]["ephemeralContainerStatuses"]
    found: Object = status["state"]
    return found


def test_an_ephemeral_container_runs_beside_the_others_and_goes_with_them(world: World) -> None:
    run_pod(world)
    world.run(10)
    debug(world, "busybox:1")
    assert debugger(world) == {"waiting": {"reason": "ContainerCreating"}}
    world.run(10)
    assert "running" in debugger(world)
    assert world.pod()["status"]["ephemeralContainerStatuses"][0]["ready"] is False
    assert condition(world.pod(), "Ready")["status"] == "True"
    world.delete("Pod", "web")
    world.run(60)
    assert world.find("Pod", "web") is None


def test_a_pod_is_as_well_as_it_is_without_its_ephemeral_containers(world: World) -> None:
    run_pod(world)
    world.run(10)
    debug(world, "shop:missing")
    world.run(30)
    assert debugger(world)["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")
    assert phase(world) == "Running"
    assert condition(world.pod(), "Ready")["status"] == "True"
    told = [e for e in world.all("Event") if e["reason"] == "Failed"]
    assert {e["involvedObject"]["fieldPath"] for e in told} == {
        "spec.ephemeralContainers{debugger}"
    }


def test_variables_that_grow_out_of_each_other_start_nothing_and_fill_no_memory() -> None:
    doubled = [{"name": f"A{n}", "value": f"$(A{n - 1})$(A{n - 1})"} for n in range(1, 32)]
    env = [{"name": "A0", "value": "x" * 1000}, *doubled]
    world = World()
    world.create(POD, spec={"containers": [{"name": "web", "image": "web:1", "env": env}]})
    world.run(60)
    assert world.state() == "RunContainerError"
    waiting = world.container()["state"]["waiting"]
    assert waiting["message"].endswith("exec: argument list too long")
    fewer = {"containers": [{"name": "web", "image": "web:1", "env": env[:7]}]}
    world.create(POD.replace("name: web}", "name: less}", 1), spec=fewer)
    world.run(60)
    assert world.state("less") == "running"
    assert len(world.kubelet.processes("default", "less")[0].environment["A6"]) == 64_000
