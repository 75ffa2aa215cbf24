"""The kubelets of all simulated nodes: they bring pods to life and report how they are.

Source of rules, reasons and messages: Kubernetes 1.37, pkg/kubelet. What a container does follows
from its image's declared behaviour (`images.py`); the instants at which anything changes are
known in advance (`timeline.py`), so a pod that just runs costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from itertools import count
from random import Random
from typing import Any

from kubesim.api import Api, Options
from kubesim.controllers.container import Container, Surroundings
from kubesim.controllers.environment import environment, files, missing_volume
from kubesim.controllers.figures import MEBIBYTE
from kubesim.controllers.images import Behaviour, Catalogue, parse
from kubesim.controllers.index import Indexes, existing
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.node import host_ip, new_node, node_status, number_of
from kubesim.controllers.pod_status import (
    Life,
    is_sidecar,
    last_phase,
    phase,
    pod_status,
)
from kubesim.controllers.process import Process
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.status import condition, write_status
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

MANAGER = "kubelet"
"""The field manager under which kubelets write."""

ADDRESSES = 253
"""How many addresses a node has for its pods: 10.244.<node>.2 to .254."""

_log = logging.getLogger(__name__)

_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


class Kubelet(Controller):
    """All kubelets in one.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        images: how images behave; may be exchanged while it runs.
        rng: draws container ids, and variations of how long things take.
        nodes: how many machines join the cluster at the start.
    """

    name = "kubelet"
    watches = (
        ("", "pods"),
        ("", "nodes"),
        ("", "configmaps"),
        ("", "secrets"),
        ("", "persistentvolumeclaims"),
    )

    def __init__(
        self, api: Api, indexes: Indexes, *, images: Catalogue, rng: Random, nodes: int = 1
    ) -> None:
        super().__init__(api, indexes)
        self._record = Recorder(api, MANAGER)
        self.images = images
        self._rng = rng
        self._pods = api.registry.by_kind("v1", "Pod")
        self._nodes = api.registry.by_kind("v1", "Node")
        self._by_node = indexes.pods_by_node()
        self._numbers: dict[str, int] = {}
        self._disks: dict[str, dict[str, float]] = {}
        self._addresses: dict[str, tuple[dict[str, str], int]] = {}
        self._lives: dict[Item, Life] = {}
        self._waiting: dict[Item, None] = {}
        self._cut_off: dict[str, None] = {}
        known = [event.object for event in existing(api.store, "", "nodes")]
        for node in known:
            if number := number_of(node):
                self._numbers[node["metadata"]["name"]] = number
        for node in known:
            self._number(node["metadata"]["name"])
        for node in map(new_node, range(1, nodes + 1)):
            if node["metadata"]["name"] not in self._numbers:
                api.create(self._nodes, node, options=Options(field_manager=MANAGER))
        for event in existing(api.store, "", "pods"):
            try:
                self._recall(event.object)
            except (LookupError, TypeError, ValueError):
                _log.exception("what %s was before cannot be read", "/".join(event.key[2:]))

    def keys(self, event: Event) -> Iterable[Item]:
        """The pod, if it is on a node; the node; or pods that wait for what they mount."""
        _, plural, namespace, name = event.key
        if plural == "pods":
            return ((namespace, name),) if event.object["spec"].get("nodeName") else ()
        if plural == "nodes":
            if event.type != "ADDED":
                return ((namespace, name),)
            pods = [pod["metadata"] for pod in self._by_node.get(name)]  # bound before it came
            return [(namespace, name), *((pod["namespace"], pod["name"]) for pod in pods)]
        return [item for item in self._waiting if item[0] == namespace]

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Let a pod live on until now and report how it is, or have a node report."""
        if not namespace:
            self._report_node(name, now)
            return None
        item = namespace, name
        pod = self.api.store.get(("", "pods", namespace, name))
        life = self._lives.get(item)
        if life is not None and (pod is None or pod["metadata"]["uid"] != life.uid):
            self._forget(item, life)
            life = None
        node = None if pod is None else pod["spec"].get("nodeName")
        if pod is None or node not in self._disks or node in self._cut_off:
            return None
        if "deletionTimestamp" in pod["metadata"]:
            return self._terminate(item, pod, life, now)
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            if life is not None:
                self._forget(item, life)
            return None
        if life is None:
            life = self._begin(item, pod, now)
        elif pod is life.reported and item not in self._waiting and not _is_due(life.due, now):
            return life.due  # this event told of the kubelet's own report
        life.due = self._live(item, pod, life, now)
        return life.due

    def answer(self, namespace: str, name: str) -> str | None:
        """What a pod says on its port; None if it has no container that runs and is ready.

        A behaviour's answer may name the container's environment, which is read when it starts,
        the files of mounted ConfigMaps and Secrets, which are read now, and the pod and its node.
        """
        return next((each.says for each in self.processes(namespace, name) if each.is_ready), None)

    def processes(self, namespace: str, name: str) -> list[Process]:
        """What runs in a pod: its containers that do, sidecars last; none if there is no pod."""
        life = self._lives.get((namespace, name))
        pod = self.api.store.get(("", "pods", namespace, name))
        if life is None or pod is None or life.node in self._cut_off:
            return []
        return [self._process(pod, life, each) for each in life.main + life.init if each.is_running]

    def _process(self, pod: Object, life: Life, container: Container) -> Process:
        metadata, image = pod["metadata"], container.spec["image"]
        name, namespace = metadata["name"], metadata["namespace"]
        place = {"pod": name, "namespace": namespace, "node": life.node}
        mounted = files(self.api.store, pod, container.spec)
        named = {path.rpartition("/")[2]: content for path, content in mounted.items()}
        return Process(
            namespace,
            name,
            life.node,
            life.ip,
            container.name,
            container.container_id,
            image,
            container.spec,
            container.environment,
            mounted,
            container.is_ready,
            self.images.answer(image, {**place, **named, **container.environment}),
            self.images.behaviour(image).answer != Behaviour.answer,
        )

    def machines(self) -> list[str]:
        """The nodes whose machines are there and can be reached."""
        return [name for name in self._disks if name not in self._cut_off]

    def is_cut_off(self, node: str) -> bool:
        """Whether a node's machine cannot be reached."""
        return node in self._cut_off

    def cut_off(self, node: str) -> None:
        """Cut a machine off: what runs there runs on, but is neither reported nor reachable."""
        self._cut_off[node] = None

    def reconnect(self, node: str) -> list[Item]:
        """End that; what its kubelet has to look at now."""
        self._cut_off.pop(node, None)
        pods = [pod["metadata"] for pod in self._by_node.get(node)]
        return [("", node), *((pod["namespace"], pod["name"]) for pod in pods)]

    def usages(self, namespace: str, name: str) -> dict[str, tuple[float | None, float | None]]:
        """Millicores and bytes that each container uses that runs; None where undeclared."""
        life = self._lives.get((namespace, name))
        if life is None or life.node in self._cut_off:
            return {}
        used = {}
        for each in life.containers:
            if each.is_running:
                behaviour = self.images.behaviour(each.spec["image"])
                memory = behaviour.memory
                used[each.name] = behaviour.cpu, None if memory is None else memory * MEBIBYTE
        return used

    def usage(self, namespace: str, name: str) -> float | None:
        """The CPU that a pod uses, in millicores; None if no behaviour declares it."""
        declared = [cpu for cpu, _ in self.usages(namespace, name).values() if cpu is not None]
        return sum(declared) if declared else None

    # A pod's life.

    def _begin(self, item: Item, pod: Object, now: float) -> Life:
        """Take a pod on; one that was reported on before goes on from there."""
        spec, node = pod["spec"], pod["spec"]["nodeName"]
        policy = spec.get("restartPolicy", "Always")
        status = pod.get("status") or {}
        started = _instant(status["startTime"]) if "startTime" in status else now
        host = host_ip(self._numbers[node])
        ip = host if spec.get("hostNetwork") else self._address(node, pod, status.get("podIP"))
        life = Life(
            pod["metadata"]["uid"],
            node,
            started,
            ip,
            host,
            init=[_init_container(each, policy) for each in spec.get("initContainers") or ()],
            main=[
                Container(
                    each,
                    each.get("restartPolicy", policy),
                    is_init=False,
                    is_task=policy != "Always",
                )
                for each in spec["containers"]
            ],
        )
        _join(life, spec)
        known = {each.get("name"): each for kind in _STATUSES for each in status.get(kind) or ()}
        around = self._surroundings(pod, life, now)
        for container in life.containers:
            if container.name in known:
                state = (known[container.name].get("state") or {}).get("running") or {}
                since = _instant(state["startedAt"]) if state.get("startedAt") else now
                container.resume(known[container.name], since, around)
            elif not life.init:
                container.state = {"waiting": {"reason": "ContainerCreating"}}
        life.is_mounted = "podIP" in status
        self._lives[item] = life
        return life

    def _live(self, item: Item, pod: Object, life: Life, now: float) -> float | None:
        around = self._surroundings(pod, life, now)
        _join(life, pod["spec"])
        specs = {
            each["name"]: each
            for kind in ("initContainers", "containers", "ephemeralContainers")
            for each in pod["spec"].get(kind) or ()
        }
        for container in life.containers:
            container.change(specs[container.name], around)
        deadline = pod["spec"].get("activeDeadlineSeconds")
        if deadline is not None and now >= life.started + deadline and not life.failure:
            life.failure = {
                "reason": "DeadlineExceeded",
                "message": "Pod was active on the node longer than the specified deadline",
            }
        if life.failure:
            return self._fail(pod, life, around)
        if not self._mount(pod, life, around):
            due = None
        else:
            due = self._advance(life, around)
            if life.is_initialized and any(is_sidecar(each) for each in life.init):
                due = self._end_sidecars(life, around, due)
        if not life.is_mounted or any(each.waits_for_configuration for each in life.containers):
            self._waiting[item] = None
        else:
            self._waiting.pop(item, None)
        now_in = phase(life)
        self._report(pod, life, now, now_in)
        ends = life.started + deadline if deadline is not None else None
        return min((each for each in (due, ends) if each is not None), default=None)

    def _mount(self, pod: Object, life: Life, around: Surroundings) -> bool:
        """Whether volumes are mounted, so that the pod's sandbox can be made."""
        if not life.is_mounted:
            missing = missing_volume(self.api.store, pod)
            if missing and not life.is_told:
                around.tell("FailedMount", missing, "Warning")
                life.is_told = True
            life.is_mounted = not missing
        return life.is_mounted

    def _advance(self, life: Life, around: Surroundings) -> float | None:
        """Init containers one after the other, then all others at once; what is due next."""
        dues: list[float | None] = []
        for container in life.init:
            container.wake(around.now)
            container.advance(around)
            dues.append(container.due)
            if is_sidecar(container):
                if not container.is_started:
                    return _earliest(dues)
            elif container.exit_code != 0:
                return _earliest(dues)
        for container in (*life.main, *life.ephemeral):
            container.wake(around.now)
            container.advance(around)
            dues.append(container.due)
        return _earliest(dues)

    def _end_sidecars(self, life: Life, around: Surroundings, due: float | None) -> float | None:
        """Once all other containers are done, sidecars have no more to do."""
        if not all(each.is_done for each in life.main):
            return due
        for each in life.init:
            if is_sidecar(each):
                each.stop(around, 30, f"Stopping container {each.name}")
        return _earliest([each.due for each in life.init])

    def _fail(self, pod: Object, life: Life, around: Surroundings) -> float | None:
        """Stop all containers of a pod that was ended as a whole, then report it Failed."""
        due = self._stop(pod, life, around)
        if due is None:
            self._report(pod, life, around.now, "Failed")
        return due

    def _terminate(self, item: Item, pod: Object, life: Life | None, now: float) -> float | None:
        """Stop a pod that is being deleted; when nothing runs any more, let go of it."""
        metadata = pod["metadata"]
        if life is None and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            life = self._begin(item, pod, now)
        if life is not None:
            due = self._stop(pod, life, self._surroundings(pod, life, now))
            if due is not None:
                return due
            if any(each.container_id for each in life.containers):
                pod = self._report(pod, life, now, last_phase(life))
            self._forget(item, life)
        if metadata.get("deletionGracePeriodSeconds") == 0:
            return None  # a finalizer keeps the object; nothing is left to do here
        try:
            options = Options(field_manager=MANAGER, uid=metadata["uid"], grace_period=0)
            self.api.delete(
                self._pods, metadata["name"], namespace=metadata["namespace"], options=options
            )
        except ApiError as error:
            if error.code != 404:
                raise
        return None

    def _stop(self, pod: Object, life: Life, around: Surroundings) -> float | None:
        """Stop all containers; when the next of them ends, None if none runs any more."""
        metadata = pod["metadata"]
        grace = metadata.get("deletionGracePeriodSeconds")
        if grace is None:
            grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        for container in life.containers:
            if container.is_running:
                container.stop(around, grace, f"Stopping container {container.name}")
                if container.due is not None and container.due <= around.now:
                    container.end(around)
        return _earliest([each.due for each in life.containers if each.is_running])

    def _report(self, pod: Object, life: Life, now: float, phase: str) -> Object:
        status = pod_status(life, pod, now, phase=phase)
        life.reported = write_status(self.api, self._pods, pod, status, manager=MANAGER)
        return life.reported

    def _forget(self, item: Item, life: Life) -> None:
        del self._lives[item]
        self._waiting.pop(item, None)
        self._addresses[life.node][0].pop(life.uid, None)

    def _surroundings(self, pod: Object, life: Life, now: float) -> Surroundings:
        def read(container: Mapping[str, Any]) -> dict[str, str]:
            status = {"podIP": life.ip, "hostIP": life.host_ip}
            return environment(self.api.store, {**pod, "status": status}, container)

        metadata = pod["metadata"]
        return Surroundings(
            now,
            f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})",
            self.images,
            self._disks[life.node],
            self._rng,
            partial(self._record, pod, now, host=life.node),
            read,
        )

    # Nodes.

    def _recall(self, pod: Object) -> None:
        """Know of a pod of a former kubelet that its address and its images are in use."""
        node, status = pod["spec"].get("nodeName"), pod.get("status") or {}
        if node not in self._disks or status.get("phase") in ("Succeeded", "Failed"):
            return
        if "podIP" in status and not pod["spec"].get("hostNetwork"):
            self._address(node, pod, status["podIP"])
        for kind in _STATUSES:
            for each in status.get(kind) or ():
                reference = parse(each.get("image", "")) if each.get("imageID") else None
                if reference is not None:
                    self._disks[node][reference.full] = 0.0

    def _report_node(self, name: str, now: float) -> None:
        node = self.api.store.get(("", "nodes", "", name))
        if node is None:
            self._disks.pop(name, None)  # the machine is gone, and its images with it
            self._cut_off.pop(name, None)
            return
        if name in self._cut_off:
            return
        status = node_status(node, self._number(name), now)
        before = condition(node.get("status"), "Ready")
        write_status(self.api, self._nodes, node, status, manager=MANAGER)
        if before is not None and before.get("status") != "True":
            text = f"Node {name} status is now: NodeReady"
            self._record(node, now, "NodeReady", text, host=name)

    def _number(self, name: str) -> int:
        self._disks.setdefault(name, {})
        self._addresses.setdefault(name, ({}, 0))
        if name not in self._numbers:
            taken = set(self._numbers.values())
            self._numbers[name] = next(each for each in count(1) if each not in taken)
        return self._numbers[name]

    def _address(self, node: str, pod: Object, known: str | None) -> str:
        """The next free address of a node; addresses come round again as late as possible."""
        taken, last = self._addresses[node]
        prefix = f"10.244.{self._numbers[node] - 1}"
        if known is None:
            used = set(taken.values())
            for _ in range(ADDRESSES):
                last = last % ADDRESSES + 1
                known = f"{prefix}.{last + 1}"
                if known not in used:
                    break
            self._addresses[node] = taken, last
        taken[pod["metadata"]["uid"]] = known or ""
        return taken[pod["metadata"]["uid"]]


def _join(life: Life, spec: Object) -> None:
    """Take on the ephemeral containers that the pod has been given since."""
    known = {container.name for container in life.ephemeral}
    for each in spec.get("ephemeralContainers") or ():
        if each["name"] not in known:
            container = Container(each, "Never", is_ephemeral=True)
            container.state = {"waiting": {"reason": "ContainerCreating"}}
            life.ephemeral.append(container)


def _init_container(spec: Mapping[str, Any], policy: str) -> Container:
    is_sidecar = spec.get("restartPolicy") == "Always"
    effective = "Always" if is_sidecar else "Never" if policy == "Never" else "OnFailure"
    return Container(spec, effective, is_init=True, is_task=not is_sidecar)


def _is_due(due: float | None, now: float) -> bool:
    return due is not None and due <= now


def _earliest(dues: Iterable[float | None]) -> float | None:
    return min((due for due in dues if due is not None), default=None)


def _instant(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
