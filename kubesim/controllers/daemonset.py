"""DaemonSet: one pod on each node that wants one.

Source: pkg/controller/daemon of Kubernetes 1.37.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubesim.api import Api
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Item
from kubesim.controllers.ownership import claim, controllers_of, is_being_deleted
from kubesim.controllers.placement import fits_node, tolerates
from kubesim.controllers.pods import (
    BURST,
    PodControl,
    earliest,
    from_template,
    is_available,
    is_ready,
    next_available,
    phase,
    slow_start,
)
from kubesim.controllers.recorder import Recorder
from kubesim.controllers.revisions import Revisions
from kubesim.controllers.rollout import portion
from kubesim.controllers.status import counters, write_status
from kubesim.errors import ApiError
from kubesim.model import Object
from kubesim.store import Event

HASH = "controller-revision-hash"
GENERATION = "deprecated.daemonset.template.generation"
POD_GENERATION = "pod-template-generation"

TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
"""Taints that every daemon pod tolerates."""

FAILED_BASE, FAILED_MAX = 1.0, 900.0  # seconds before a failed daemon pod is replaced again


class DaemonSets(Controller):
    """Follows the nodes: creates a pod where one is missing, deletes where one is not wanted."""

    name = "daemonset-controller"
    watches = (("apps", "daemonsets"), ("", "pods"), ("", "nodes"))

    def __init__(self, api: Api, indexes: Indexes) -> None:
        super().__init__(api, indexes)
        self._resource = api.registry.by_kind("apps/v1", "DaemonSet")
        self._pods = api.registry.by_kind("v1", "Pod")
        self._owned = indexes.by_controller("", "pods")
        self._revisions = Revisions(api, indexes, HASH)
        self._control = PodControl(api, self.name)
        self._record = Recorder(api, self.name)
        self._replaced: dict[tuple[str, str], tuple[int, float]] = {}

    def keys(self, event: Event) -> Iterable[Item]:
        """The DaemonSet itself, the one that owns a pod, or all of them if nodes changed."""
        plural = event.key[1]
        if plural == "daemonsets":
            return (event.key[2:],)
        if plural == "nodes":
            before = event.old if event.type == "MODIFIED" else None
            if before is not None and _place(before) == _place(event.object):
                return ()
            found = self.api.store.list("apps", "daemonsets", None)
            return [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found]
        return controllers_of(event, "DaemonSet", self._resource, self.api)

    def reconcile(self, namespace: str, name: str, now: float) -> float | None:
        """Bring pods and nodes together, roll to the newest template, report what there is."""
        daemon_set = self.api.store.get(("apps", "daemonsets", namespace, name))
        if daemon_set is None:
            return None
        claim(self.api, daemon_set, self._pods, self._owned)
        update, _ = self._revisions.current(daemon_set)
        hashed = self._revisions.hash(update)
        again, refusal = None, None
        if not is_being_deleted(daemon_set):
            try:
                again, refusal = self._manage(daemon_set, hashed, now)
                if refusal is None and _strategy(daemon_set) == "RollingUpdate":
                    refusal = self._roll(daemon_set, hashed, now)
            except ApiError as error:
                refusal = error
        pods = self._owned.get(daemon_set["metadata"]["uid"])
        status = self._status(daemon_set, self._by_node(daemon_set), hashed, now)
        write_status(self.api, self._resource, daemon_set, status)
        used = {pod["metadata"].get("labels", {}).get(HASH) for pod in pods} | {hashed}
        live = {
            each["metadata"]["name"]
            for each in self._revisions.of(daemon_set)
            if self._revisions.hash(each) in used
        }
        self._revisions.trim(daemon_set, live)
        if refusal is not None:
            raise refusal
        wait = daemon_set["spec"].get("minReadySeconds", 0)
        return earliest(again, next_available(pods, wait, now))

    def _nodes(self) -> list[Object]:
        return list(self.api.store.list("", "nodes", None))

    def _by_node(self, daemon_set: Object) -> dict[str, list[Object]]:
        """The DaemonSet's pods by the node that they are on or meant for, oldest first."""
        by_node: dict[str, list[Object]] = {}
        for pod in self._owned.get(daemon_set["metadata"]["uid"]):
            by_node.setdefault(_meant_for(pod), []).append(pod)
        return by_node

    def _manage(
        self, daemon_set: Object, hashed: str, now: float
    ) -> tuple[float | None, ApiError | None]:
        """Create missing pods; delete ended, doubled and unwanted ones."""
        by_node, missing, again = self._by_node(daemon_set), [], None
        wait = daemon_set["spec"].get("minReadySeconds", 0)
        surge = self._bounds(daemon_set, len(self._nodes()))[0]
        for node in self._nodes():
            name = node["metadata"]["name"]
            pods = by_node.pop(name, [])
            runs, stays = wanted_on(daemon_set["spec"]["template"]["spec"], node)
            if not pods:
                if runs:
                    missing.append(name)
                continue
            if not stays:
                self._delete_all(daemon_set, pods, now)
                continue
            here = []
            for pod in pods:
                if is_being_deleted(pod):
                    continue
                if phase(pod) == "Failed":
                    due = self._replace_failed(daemon_set, pod, name, now)
                    if due is not None:
                        again = earliest(again, due)
                        here.append(pod)
                elif phase(pod) == "Succeeded":
                    self._control.delete(daemon_set, pod, now)
                else:
                    here.append(pod)
            new = [pod for pod in here if _hash(pod) == hashed]
            old = [pod for pod in here if _hash(pod) != hashed]
            if surge and len(new) == 1 and old:
                if is_available(new[0], wait, now):
                    self._delete_all(daemon_set, old, now)
            else:
                self._delete_all(daemon_set, here[1:], now)
        for pods in by_node.values():  # their nodes are gone
            self._delete_all(daemon_set, pods, now)
        return again, self._create(daemon_set, missing[:BURST], hashed, now)

    def _roll(self, daemon_set: Object, hashed: str, now: float) -> ApiError | None:
        """Replace pods of older templates, within what may be unavailable or surplus."""
        template, by_node = daemon_set["spec"]["template"]["spec"], self._by_node(daemon_set)
        nodes = [node for node in self._nodes() if wanted_on(template, node)[0]]
        surge, unavailable = self._bounds(daemon_set, len(nodes))
        wait = daemon_set["spec"].get("minReadySeconds", 0)
        broken: list[tuple[str, Object]] = []
        working: list[tuple[str, Object]] = []
        busy = 0
        for node in nodes:
            name = node["metadata"]["name"]
            staying = [pod for pod in by_node.get(name, []) if not is_being_deleted(pod)]
            new = [pod for pod in staying if _hash(pod) == hashed]
            old = [pod for pod in staying if _hash(pod) != hashed]
            if new:
                busy += not is_available(new[0], wait, now)
            elif not old:
                busy += 1
            elif is_available(old[0], wait, now):
                working.append((name, old[0]))
            else:
                broken.append((name, old[0]))
        if surge:
            picked = broken + working[: max(surge - busy, 0)]
            return self._create(daemon_set, [name for name, _ in picked], hashed, now)
        room = max(unavailable - busy - len(broken), 0)
        self._delete_all(daemon_set, [pod for _, pod in broken + working[:room]], now)
        return None

    def _bounds(self, daemon_set: Object, nodes: int) -> tuple[int, int]:
        """Surge and unavailability in nodes; never both zero. Both are rounded up."""
        rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        if _strategy(daemon_set) != "RollingUpdate":
            return 0, 0
        surge = portion(rolling.get("maxSurge", 0), nodes, up=True)
        unavailable = portion(rolling.get("maxUnavailable", 1), nodes, up=True)
        return surge, unavailable if surge or unavailable else 1

    def _replace_failed(
        self, daemon_set: Object, pod: Object, node: str, now: float
    ) -> float | None:
        """Delete a failed pod, or say when its backoff is over."""
        key = daemon_set["metadata"]["uid"], node
        times, since = self._replaced.get(key, (0, 0.0))
        delay = min(FAILED_BASE * 2.0 ** min(times - 1, 20), FAILED_MAX) if times else 0.0
        if times and now < since + delay:
            return since + delay
        if times and now > since + 2 * FAILED_MAX:
            times = 0
        self._replaced[key] = times + 1, now
        metadata = pod["metadata"]
        place = f"{metadata['namespace']}/{metadata['name']}"
        text = f"Found failed daemon pod {place} on node {node}, will try to kill it"
        self._record(daemon_set, now, "FailedDaemonPod", text, "Warning")
        self._control.delete(daemon_set, pod, now)
        return None

    def _delete_all(self, daemon_set: Object, pods: list[Object], now: float) -> None:
        for pod in pods:
            if not is_being_deleted(pod):
                self._control.delete(daemon_set, pod, now)

    def _create(
        self, daemon_set: Object, nodes: list[str], hashed: str, now: float
    ) -> ApiError | None:
        if not nodes:
            return None
        template = daemon_set["spec"]["template"]
        metadata = template.get("metadata") or {}
        labels = {**(metadata.get("labels") or {}), HASH: hashed}
        generation = (daemon_set["metadata"].get("annotations") or {}).get(GENERATION)
        if generation is not None:
            labels[POD_GENERATION] = generation
        prefix = f"{daemon_set['metadata']['name']}-"
        pod = from_template(daemon_set, template, generateName=prefix, labels=labels)
        spec = {**pod["spec"], "tolerations": _tolerations(pod["spec"])}

        def create(number: int) -> None:
            bound = {**spec, "affinity": _only_on(nodes[number], spec.get("affinity"))}
            self._control.create(daemon_set, {**pod, "spec": bound}, now)

        return slow_start(len(nodes), create)

    def _status(
        self, daemon_set: Object, by_node: dict[str, list[Object]], hashed: str, now: float
    ) -> dict[str, Any]:
        template, old = daemon_set["spec"]["template"]["spec"], daemon_set.get("status") or {}
        wait = daemon_set["spec"].get("minReadySeconds", 0)
        wanted = current = misplaced = ready = available = updated = 0
        for node in self._nodes():
            pods = by_node.get(node["metadata"]["name"], [])
            if not wanted_on(template, node)[0]:
                misplaced += bool(pods)
                continue
            wanted += 1
            if not pods:
                continue
            current += 1
            newest = sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])[-1]
            readies = [pod for pod in pods if is_ready(pod)]
            ready += bool(readies)
            available += any(is_available(pod, wait, now) for pod in readies)
            updated += _hash(newest) == hashed
        return {
            "currentNumberScheduled": current,
            "numberMisscheduled": misplaced,
            "desiredNumberScheduled": wanted,
            "numberReady": ready,
            "observedGeneration": daemon_set["metadata"]["generation"],
            **counters(
                updatedNumberScheduled=updated,
                numberAvailable=available,
                numberUnavailable=wanted - available,
            ),
            **({"conditions": old["conditions"]} if "conditions" in old else {}),
        }


def wanted_on(pod_spec: Mapping[str, Any], node: Object) -> tuple[bool, bool]:
    """Whether a daemon pod should run on a node, and whether one that is there may stay.

    Node selector, required node affinity, spec.nodeName and taints decide; a taint that only
    keeps new pods away (NoSchedule) lets an old one stay.
    """
    if pod_spec.get("nodeName", node["metadata"]["name"]) != node["metadata"]["name"]:
        return False, False
    if not fits_node(pod_spec, node):
        return False, False
    tolerations = _tolerations(pod_spec)
    fits = True
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint["effect"] == "PreferNoSchedule" or any(
            tolerates(each, taint) for each in tolerations
        ):
            continue
        if taint["effect"] == "NoExecute":
            return False, False
        fits = False
    return fits, True


def _tolerations(pod_spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    own = list(pod_spec.get("tolerations") or ())
    every = [
        {"key": key, "operator": "Exists", "effect": effect}
        for key, effect in (
            *TOLERATED,
            *(
                [("node.kubernetes.io/network-unavailable", "NoSchedule")]
                if pod_spec.get("hostNetwork")
                else []
            ),
        )
    ]
    return own + [each for each in every if each not in own]


def _only_on(node: str, affinity: Mapping[str, Any] | None) -> dict[str, Any]:
    """An affinity that leaves the scheduler one node to choose from."""
    affinity = affinity or {}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {
        **affinity,
        "nodeAffinity": {
            **(affinity.get("nodeAffinity") or {}),
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
        },
    }


def _meant_for(pod: Object) -> str:
    name: str = pod["spec"].get("nodeName", "")
    if name:
        return name
    required = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field["operator"] == "In":
                return str(field["values"][0])
    return ""


def _hash(pod: Object) -> str:
    value: str = (pod["metadata"].get("labels") or {}).get(HASH, "")
    return value


def _strategy(daemon_set: Object) -> str:
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    kind: str = strategy.get("type", "RollingUpdate")
    return kind


def _place(node: Object) -> tuple[Any, ...]:
    """What of a node decides about daemon pods."""
    spec = node.get("spec") or {}
    labels = node["metadata"].get("labels")
    return (
        labels,
        spec.get("taints"),
        spec.get("unschedulable"),
        "deletionTimestamp" in node["metadata"],
    )
