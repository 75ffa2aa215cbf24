"""A cluster whose process ended goes on in a new one as if nothing had happened."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.controllers.images import Behaviour, Catalogue
from kubesim.persistence import Log
from kubesim.store import Key
from tests.kubesim.controllers.world import STEADY, World

CONTENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1", resources: {requests: {cpu: 10m}}}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  minReplicas: 3
  maxReplicas: 5
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "db:1"}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "agent:1"}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  completions: 3
  parallelism: 2
  template: {spec: {restartPolicy: Never, containers: [{name: once, image: "once:1"}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: often}
spec:
  schedule: "*/5 * * * *"
  jobTemplate:
    spec:
      template: {spec: {restartPolicy: Never, containers: [{name: often, image: "often:1"}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: unscheduled}
spec: {containers: [{name: big, image: "big:1", resources: {requests: {cpu: 1000}}}]}
"""


class Process:
    """A cluster whose process can end and start again, in one folder."""

    def __init__(self, folder: Path, images: Catalogue = STEADY, nodes: int = 2) -> None:
        self.folder, self.images, self.nodes = folder, images, nodes
        self.log = Log(folder)
        self.world = World(images, nodes=nodes, store=self.log.store)

    def restart(self, seconds: float = 0) -> World:
        self.log.close()
        self.log = Log(self.folder)
        now = self.world.now + seconds
        self.world = World(self.images, nodes=self.nodes, start=now, seed=2, store=self.log.store)
        return self.world


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.log.close()


def without_events(world: World) -> dict[Key, Object]:
    return {key: obj for key, obj in world.api.store.items() if key.plural != "events"}


def pod(name: str, **spec: Any) -> str:
    container = {"name": "web", "image": "web:1"}
    metadata = {"name": name, "labels": {"app": name}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    return yaml.safe_dump({**body, "spec": {"containers": [container], **spec}})


@pytest.mark.parametrize("seconds", [0, 1, 30])
def test_a_cluster_at_rest_stays_at_rest(process: Process, seconds: float) -> None:
    for document in yaml.safe_load_all(CONTENT):
        process.world.create(yaml.safe_dump(document))
    process.world.run(400)
    before, revision = without_events(process.world), process.log.store.revision
    world = process.restart(seconds)
    assert without_events(world) == before
    assert process.log.store.revision - revision <= 3  # what is in vain is told once more
    assert world.kubelet.answer("default", "db-0") is not None


@pytest.mark.parametrize("seconds", [0, 1, 2.5, 4, 6, 9])
def test_a_cluster_at_work_gets_done_what_it_began(process: Process, seconds: float) -> None:
    for document in yaml.safe_load_all(CONTENT):
        process.world.create(yaml.safe_dump(document))
    process.world.run(seconds)
    pods = {each["metadata"]["uid"] for each in process.world.all("Pod")}
    world = process.restart(1)
    world.run(30)
    assert pods <= {each["metadata"]["uid"] for each in world.all("Pod")}
    assert world.get("Deployment", "web")["status"]["readyReplicas"] == 3
    assert world.get("StatefulSet", "db")["status"]["readyReplicas"] == 2
    assert world.get("Job", "once")["status"]["succeeded"] == 3
    assert len(world.all("Pod")) == 3 + 2 + 2 + 3 + 1


def test_restarts_do_not_pile_up_events(process: Process) -> None:
    for document in yaml.safe_load_all(CONTENT):
        process.world.create(yaml.safe_dump(document))
    process.world.run(30)
    told = len(process.world.all("Event"))
    for _ in range(5):
        process.restart(1)
    assert len(process.world.all("Event")) == told


def test_what_was_deleted_while_nobody_ran_is_collected(process: Process) -> None:
    for document in yaml.safe_load_all(CONTENT):
        process.world.create(yaml.safe_dump(document))
    process.world.run(30)
    api = process.world.api
    api.delete(api.registry.by_kind("apps/v1", "Deployment"), "web", namespace="default")
    world = process.restart()
    world.run(60)
    assert not [each for each in world.all("Pod") if each["metadata"]["name"].startswith("web")]


def test_addresses_and_ports_of_services_are_not_given_twice(process: Process) -> None:
    def service(name: str) -> Object:
        spec = {"type": "NodePort", "ports": [{"port": 80}]}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        return process.world.create(yaml.safe_dump(body))

    old = [service(f"old-{each}") for each in range(10)]
    process.restart()
    # The same seed draws the same numbers, so each of these is taken at first.
    process.world.api._writing.rng.seed(1)
    new = [service(f"new-{each}") for each in range(10)]
    specs = [each["spec"] for each in old + new]
    assert len({spec["clusterIP"] for spec in specs}) == 20
    assert len({spec["ports"][0]["nodePort"] for spec in specs}) == 20
    taken = old[0]["spec"]["clusterIP"]
    with pytest.raises(ApiError, match="provided IP is already allocated"):
        process.world.create(
            "{apiVersion: v1, kind: Service, metadata: {name: thief},"
            f" spec: {{clusterIP: {taken}, ports: [{{port: 80}}]}}}}"
        )


def test_a_pod_that_is_still_to_begin_gets_an_address_of_its_own(process: Process) -> None:
    process.world.create(pod("z", nodeName="node-1"))
    process.world.run(30)
    api = process.world.api
    body = yaml.safe_load(pod("a", nodeName="node-1"))
    api.create(api.registry.by_kind("v1", "Pod"), body, namespace="default")
    world = process.restart()
    world.run(30)
    assert world.pod("a")["status"]["podIP"] != world.pod("z")["status"]["podIP"]


def test_images_are_still_on_the_node(process: Process) -> None:
    process.world.create(pod("old", nodeName="node-1"))
    process.world.run(30)
    world = process.restart()
    world.create(pod("new", nodeName="node-1"))
    world.run(30)
    reasons = [
        each["reason"] for each in world.all("Event") if each["involvedObject"]["name"] == "new"
    ]
    assert "Pulled" in reasons and "Pulling" not in reasons


def test_nodes_keep_their_addresses_and_a_lost_one_joins_again(tmp_path: Path) -> None:
    process = Process(tmp_path, nodes=11)
    before = {each["metadata"]["name"]: each for each in process.world.all("Node")}
    process.world.delete("Node", "node-1")
    world = process.restart()
    after = {each["metadata"]["name"]: each for each in world.all("Node")}
    process.log.close()
    assert before.keys() == after.keys()
    for name, node in before.items():
        assert after[name]["status"]["addresses"] == node["status"]["addresses"]


def test_a_container_that_crashes_goes_on_counting(tmp_path: Path) -> None:
    images = Catalogue((("web", Behaviour(crash_after=5)),)).steady()
    process = Process(tmp_path, images)
    process.world.create(pod("web"))
    process.world.run(40)
    before = process.world.pod("web")["status"]["containerStatuses"][0]["restartCount"]
    world = process.restart(1)
    world.run(60)
    process.log.close()
    assert before >= 1
    assert world.pod("web")["status"]["containerStatuses"][0]["restartCount"] > before


def test_controllers_outlive_a_full_disk(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    documents = list(yaml.safe_load_all(CONTENT))
    process.world.create(yaml.safe_dump(documents[0]))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        process.world.run(20)
        with pytest.raises(ApiError, match="No space left on device"):
            process.world.create(pod("other"))
        assert process.world.get("Deployment", "web")["spec"]["replicas"] == 3
    process.world.run(300)
    assert process.world.get("Deployment", "web")["status"]["readyReplicas"] == 3
    before = without_events(process.world)
    assert without_events(process.restart()) == before


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {size: {type: integer}}}}
"""


def test_custom_resources_are_served_again(process: Process) -> None:
    process.world.create(DEFINITION)
    process.world.run(10)
    body = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: a}, spec: {size: 1}}"
    widget = process.world.create(body)
    world = process.restart()
    assert world.get("Widget", "a") == widget
    world.create(body.replace("name: a", "name: b"))
    world.delete("CustomResourceDefinition", "widgets.example.com")
    world.run(10)
    assert not process.log.store.list("example.com", "widgets")


def test_a_clock_that_was_set_back_does_no_harm(process: Process) -> None:
    for document in yaml.safe_load_all(CONTENT):
        process.world.create(yaml.safe_dump(document))
    process.world.run(200)
    before = {each["metadata"]["uid"] for each in process.world.all("Pod")}
    world = process.restart(-150)
    world.run(60)
    assert before == {each["metadata"]["uid"] for each in world.all("Pod")}
    assert world.get("Deployment", "web")["status"]["readyReplicas"] == 3
