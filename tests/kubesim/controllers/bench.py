"""A cluster with the workload controllers only: the tests are its scheduler and its kubelet."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import yaml

from gitops_lab.model import Object
from kubesim.api import Api, Options, bootstrap
from kubesim.clock import EPOCH, timestamp
from kubesim.controllers import workloads
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Loop
from kubesim.controllers.ownership import is_being_deleted
from kubesim.controllers.pods import is_active, is_ready
from kubesim.resources import Resource

GROUPS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ControllerRevision": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}


class Bench:
    """Objects in the namespace `default`, controllers, and hands to play the pods' life."""

    def __init__(self, seed: int = 1) -> None:
        self.now = EPOCH
        self.api = Api(now=lambda: self.now, rng=Random(seed))
        bootstrap(self.api)
        self.loop = Loop(self.api, workloads(self.api, Indexes(self.api.store)))
        self.run()

    def resource(self, kind: str) -> Resource:
        return self.api.registry.by_kind(GROUPS.get(kind, "v1"), kind)

    def run(self, seconds: float = 0) -> None:
        """Let the controllers work, through every instant that is due in a span of time."""
        end = self.now + seconds
        due = self.loop.step(self.now)
        while due is not None and due <= end:
            self.now = due
            due = self.loop.step(self.now)
        self.now = end
        self.loop.step(self.now)

    def create(self, body: str | Object) -> Object:
        """Create an object and let the controllers see it."""
        obj = yaml.safe_load(body) if isinstance(body, str) else body
        resource = self.resource(obj["kind"])
        namespace = "default" if resource.namespaced else ""
        created = self.api.create(resource, obj, namespace=namespace)
        self.run()
        return created

    def get(self, kind: str, name: str) -> Object:
        resource = self.resource(kind)
        return self.api.get(resource, name, namespace="default" if resource.namespaced else "")

    def all(self, kind: str) -> list[Object]:
        """Objects of a kind in the namespace `default`, or of the cluster, by name."""
        resource = self.resource(kind)
        found = self.api.list(resource, namespace="default" if resource.namespaced else None)
        items: list[Object] = found["items"]
        return items

    def edit(self, kind: str, name: str, patch: dict[str, Any]) -> None:
        """Merge a change into an object and let the controllers see it."""
        resource = self.resource(kind)
        namespace = "default" if resource.namespaced else ""
        self.api.patch(resource, name, patch, type="merge", namespace=namespace)
        self.run()

    def delete(self, kind: str, name: str, **options: Any) -> None:
        resource = self.resource(kind)
        namespace = "default" if resource.namespaced else ""
        self.api.delete(resource, name, namespace=namespace, options=Options(**options))
        self.run()

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of the Events about objects of a name, oldest first."""
        found = [each for each in self.all("Event") if each["involvedObject"]["name"] == name]
        found.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [(each["reason"], each["message"]) for each in found]

    # Pods.

    def pods(self, fits: Callable[[Object], bool] = is_active) -> list[Object]:
        return [pod for pod in self.all("Pod") if fits(pod)]

    def bind(self, pod: Object, node: str = "node") -> None:
        """Bind a pod to a node, as the scheduler would: from now on it dies a graceful death."""
        name = pod["metadata"]["name"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"kind": "Node", "name": node},
        }
        self.api.create(
            self.resource("Pod"), binding, namespace="default", name=name, subresource="binding"
        )
        self.run()

    def report(self, pod: Object, phase: str, *, ready: bool = False, run: bool = True) -> None:
        """Report a phase of a pod, as its kubelet would."""
        status = {
            "phase": phase,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "False",
                    "lastTransitionTime": timestamp(self.now),
                }
            ],
        }
        if phase in ("Succeeded", "Failed"):
            ended = {"exitCode": int(phase == "Failed"), "finishedAt": timestamp(self.now)}
            container = pod["spec"]["containers"][0]
            status["containerStatuses"] = [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": ended},
                }
            ]
        self.api.patch(
            self.resource("Pod"),
            pod["metadata"]["name"],
            {"status": status},
            type="merge",
            namespace="default",
            subresource="status",
        )
        if run:
            self.run()

    def start(self, *pods: Object) -> None:
        """Have pods run and be ready; by default all that do not yet."""
        for pod in pods or [pod for pod in self.pods() if not is_ready(pod)]:
            self.report(pod, "Running", ready=True, run=False)
        self.run()

    def reap(self) -> None:
        """Let every pod that is being deleted end."""
        for pod in self.pods(is_being_deleted):
            self.api.delete(
                self.resource("Pod"),
                pod["metadata"]["name"],
                namespace="default",
                options=Options(grace_period=0),
            )
        self.run()

    def settle(self) -> None:
        """Start and reap pods until nothing changes any more."""
        before = -1
        while before != self.api.store.revision:
            before = self.api.store.revision
            self.start()
            self.reap()
