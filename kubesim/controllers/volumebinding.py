"""The scheduler's part in storage: a pod gets a node on which all of its claims can be mounted.

Source: Kubernetes 1.37, pkg/scheduler/framework/plugins/volumebinding; its messages. Left out:
how much room a provisioner has, and the ten minutes after which the real plugin gives up waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from kubesim.api import Api, Options
from kubesim.controllers.claims import (
    NO_PROVISIONER,
    SELECTED_NODE,
    Storage,
    claimed,
    claims_of,
    class_of,
    is_bound,
    noted,
    notes,
    phase,
    reaches,
)
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Item
from kubesim.controllers.ownership import is_being_deleted
from kubesim.model import Object
from kubesim.quantity import parse


class VolumeBinding:
    """What pods' claims say about nodes.

    Args:
        api: the verbs.
        indexes: the cluster's indexes.
        manager: the field manager to write under.
    """

    def __init__(self, api: Api, indexes: Indexes, *, manager: str) -> None:
        self._api = api
        self._claims = api.registry.by_kind("v1", "PersistentVolumeClaim")
        self._volumes = api.registry.by_kind("v1", "PersistentVolume")
        self._storage = Storage(api.store, indexes)
        self._options = Options(field_manager=manager)

    def waiting(self, namespace: str, claim: str) -> list[Item]:
        """The pods that use a claim and have no node yet."""
        pods = self._storage.users(namespace, claim)
        names = [pod["metadata"]["name"] for pod in pods if not pod["spec"].get("nodeName")]
        return [(namespace, name) for name in names]

    def obstacle(self, pod: Object) -> str:
        """Why the pod cannot go to any node; empty if its claims do not stand in the way."""
        for name in claims_of(pod):
            claim = self._storage.claim(pod["metadata"]["namespace"], name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if phase(claim) == "Lost":
                volume = claim["spec"].get("volumeName", "")
                return (
                    f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume '
                    f'"{volume}"'
                )
            if is_being_deleted(claim):
                return f'persistentvolumeclaim "{name}" is being deleted'
        for claim in self._of(pod):
            can_wait = self._storage.waits(claim) and "volumeName" not in claim["spec"]
            if not is_bound(claim) and not can_wait:
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def refusals(self, pod: Object, node: Object) -> list[str]:
        """Why the pod cannot go to this node, as far as its claims are concerned."""
        words = []
        for claim in self._of(pod):
            if is_bound(claim):
                volume = self._storage.volume(claim["spec"]["volumeName"])
                if volume is None:
                    words.append(
                        "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
                    )
                elif not reaches(volume, node):
                    words.append("node(s) didn't match PersistentVolume's node affinity")
        if self._plan(pod, node) is None:
            words.append("node(s) didn't find available persistent volumes to bind")
        return list(dict.fromkeys(words))

    def bind(self, pod: Object, node: Object) -> bool:
        """Have the pod's claims bound for this node; whether all of them are already."""
        plan = self._plan(pod, node) or []
        for claim, volume in plan:
            if volume is None:
                self._select(claim, node["metadata"]["name"])
            elif volume["spec"].get("claimRef", {}).get("uid") != claim["metadata"]["uid"]:
                name, bound = volume["metadata"]["name"], claimed(volume, claim)
                self._api.update(self._volumes, name, bound, options=self._options)
        return not plan

    def _select(self, claim: Object, node: str) -> None:
        if notes(claim).get(SELECTED_NODE) != node:
            self._api.update(
                self._claims,
                claim["metadata"]["name"],
                noted(claim, {SELECTED_NODE: node}),
                namespace=claim["metadata"]["namespace"],
                options=self._options,
            )

    def _plan(self, pod: Object, node: Object) -> list[tuple[Object, Object | None]] | None:
        """A volume for each claim that has none, or None for one that is to be made.

        Returns:
            None if the node cannot offer a volume for each, else the claims, the smallest first.
        """
        plan: list[tuple[Object, Object | None]] = []
        taken: list[str] = []
        unbound = [each for each in self._of(pod) if not is_bound(each)]
        for claim in sorted(unbound, key=_size):
            selected = notes(claim).get(SELECTED_NODE)
            if selected is not None:
                if selected != node["metadata"]["name"]:
                    return None
                plan.append((claim, None))
                continue
            volume = self._storage.match(claim, node=node, taken=taken)
            if volume is not None:
                taken.append(volume["metadata"]["name"])
            elif not self._can_be_made(claim):
                return None
            plan.append((claim, volume))
        return plan

    def _can_be_made(self, claim: Object) -> bool:
        """Whether a provisioner makes volumes for claims like this one."""
        found = self._storage.storage_class(class_of(claim))
        return found is not None and found["provisioner"] != NO_PROVISIONER

    def _of(self, pod: Object) -> Iterator[Object]:
        for name in claims_of(pod):
            claim = self._storage.claim(pod["metadata"]["namespace"], name)
            if claim is not None:
                yield claim


def _size(claim: Object) -> Decimal:
    return parse(claim["spec"]["resources"]["requests"]["storage"])
